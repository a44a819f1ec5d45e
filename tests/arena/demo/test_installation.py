"""The installation: pip's failures end in a sentence that names the package and the cause."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from arena.demo.installation import explain_failure
from tests.processes import ROOT, free_port

SCRIPT = ROOT / "arena" / "demo" / "installation.py"
# No index has this version.
MISSING = "tzdata==1.0"


def install(*arguments: str | Path, **environment: str) -> str:
    """The output of a failed installation."""
    names = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    env = {name: value for name, value in os.environ.items() if not name.upper().startswith(names)}
    env |= {"PIP_CONFIG_FILE": os.devnull, **environment}
    command = [sys.executable, SCRIPT, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_an_index_that_refuses_connections_is_named() -> None:
    index = f"http://127.0.0.1:{free_port()}/simple"
    message = install(MISSING, PIP_INDEX_URL=index)
    assert message.startswith(f"{MISSING} could not be installed, because the index {index} refuses connections.")
    assert "PIP_INDEX_URL" in message


def test_an_unknown_host_is_named() -> None:
    message = install(MISSING, PIP_INDEX_URL="https://nowhere.invalid/simple")
    assert "the index https://nowhere.invalid/simple has an unknown host name." in message


def test_a_proxy_is_named_without_its_password() -> None:
    proxy = f"127.0.0.1:{free_port()}"
    message = install(MISSING, PIP_INDEX_URL="https://nowhere.invalid/simple", PIP_PROXY=f"http://me:hunter2@{proxy}")
    assert f"{MISSING} could not be installed, because the proxy http://{proxy} refuses connections." in message
    assert "HTTPS_PROXY" in message
    assert "hunter2" not in message


def test_a_package_that_the_index_lacks_is_named(tmp_path: Path) -> None:
    message = install(MISSING, PIP_INDEX_URL=tmp_path.as_uri())
    assert f"{MISSING} could not be installed, because the index {tmp_path.as_uri()} does not offer it" in message


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_named(small_disk: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "large-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("large.bin", bytes(4_000_000))
        archive.writestr("large-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: large\nVersion: 1.0\n")
        archive.writestr("large-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("large-1.0.dist-info/RECORD", "")
    message = install("--no-index", "--target", small_disk / "packages", wheel, TMPDIR=str(small_disk))
    assert message.startswith("The packages could not be installed, because the disk is full: ")
    assert f"MB under {small_disk} are free" in message


def test_another_failure_repeats_the_last_error_of_pip() -> None:
    output = "Collecting numpy\nERROR: Failed to build something\nERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n"
    assert "numpy could not be installed, because pip failed: THESE PACKAGES" in explain_failure(output)
    assert explain_failure("").startswith("A package could not be installed")
