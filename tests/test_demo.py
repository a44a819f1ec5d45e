"""The demo: from an empty folder to a verdict, and one line for each cause that stops it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from arena.models import Origin
from tests.concurrency import wait_until
from tests.processes import ROOT, free_port

# Each wait ends with the demo itself. This bound is only for a demo that hangs.
HANGS_AFTER = 1800


def start_demo(var: Path, *arguments: str, stderr: int = subprocess.PIPE) -> "subprocess.Popen[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith("PARAGONE_")}
    command = [sys.executable, "manage.py", "demo", *arguments]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**env, "DJANGO_SETTINGS_MODULE": "arena.settings", "PARAGONE_VAR": str(var)},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


def read_address(demo: "subprocess.Popen[str]") -> str:
    """The line with the address; empty when the demo ends without one."""
    return next((line for line in demo.stdout or [] if "Paragone is at" in line), "")


def find_processes(var: Path) -> list[int]:
    """The processes that were started with this folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        if f"PARAGONE_VAR={var}".encode() in environment:
            found.append(int(folder.name))
    return found


@pytest.fixture
def small_demo(tmp_path: Path) -> Iterator[Path]:
    """A folder for a demo. Processes that a test leaves running in it are killed."""
    yield tmp_path / "var"
    for pid in find_processes(tmp_path / "var"):
        os.kill(pid, signal.SIGKILL)


def test_the_check_runs_every_step_and_stops(small_demo: Path) -> None:
    done = start_demo(small_demo, "--check", "--port", str(free_port()))
    out, err = done.communicate(timeout=HANGS_AFTER)
    assert done.returncode == 0, err
    assert "drawing: 144 of 144 images (100 %)" in err
    assert "\r" not in err
    assert f"60 votes ({Origin.HUMAN.label})" in out
    assert f"4,000 votes ({Origin.SIMULATED.label})" in out
    assert last_line(out) == "The demo works: drawn, voted, rated, measured, judged."
    assert find_processes(small_demo / "check") == []


def test_a_port_in_use_is_one_line(small_demo: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = start_demo(small_demo, "--port", str(taken.getsockname()[1]))
        _, err = done.communicate(timeout=HANGS_AFTER)
    assert done.returncode == 1
    assert err.strip().count("\n") == 0
    assert "is in use" in err
    assert "--port" in err


def test_a_second_demo_on_the_same_files_is_one_line(small_demo: Path) -> None:
    import fcntl

    small_demo.mkdir()
    with (small_demo / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = start_demo(small_demo, "--port", str(free_port()))
        _, err = done.communicate(timeout=HANGS_AFTER)
    assert done.returncode == 1
    assert "already running" in last_line(err)


def test_a_dead_worker_is_one_line_and_the_next_start_continues(small_demo: Path) -> None:
    demo = start_demo(small_demo, "--port", str(free_port()))
    worker_log = small_demo / "log" / "worker.log"

    def is_ready() -> bool:
        assert demo.poll() is None, demo.communicate()
        return worker_log.exists() and "ready." in worker_log.read_text()

    wait_until(is_ready, "the worker is ready", HANGS_AFTER)
    workers = [pid for pid in find_processes(small_demo) if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    _, err = demo.communicate(timeout=HANGS_AFTER)
    assert demo.returncode == 1
    assert "The worker was killed by signal 9" in last_line(err)
    assert find_processes(small_demo) == []

    again = start_demo(small_demo, "--port", str(free_port()), stderr=subprocess.DEVNULL)
    assert "Paragone is at" in read_address(again)
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=HANGS_AFTER)


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """A file system of its own that is too small for the demo."""
    var = tmp_path / "var"
    var.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(var)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        done = start_demo(var, "--port", str(free_port()))
        _, err = done.communicate(timeout=HANGS_AFTER)
    finally:
        subprocess.run(["umount", "-l", str(var)], check=True)
    assert done.returncode == 1
    assert err.strip().count("\n") == 0
    assert "is full" in err


def test_a_disk_that_fills_up_while_drawing_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.core.management import CommandError, call_command

    from arena.management.commands import demo

    def fill_up(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(demo, "enter_environment", lambda **options: None)
    monkeypatch.setattr(demo, "hold_lock", fill_up)
    with pytest.raises(CommandError, match=r"The disk under .* is full"):
        call_command("demo")


def test_a_later_start_uses_what_is_there_and_ctrl_c_stops_everything(small_demo: Path) -> None:
    port = free_port()
    for start in ("first", "later"):
        began = time.monotonic()
        # The test does not read the progress, and a full pipe would stop the demo.
        demo = start_demo(small_demo, "--port", str(port), stderr=subprocess.DEVNULL)
        assert f"http://127.0.0.1:{port}/" in read_address(demo)
        print(f"{start} start: {time.monotonic() - began:.1f} s")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/boards/simulation/", timeout=HANGS_AFTER) as page:
            assert b"Fresco 2" in page.read()
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=HANGS_AFTER)
        assert demo.returncode == 0
        assert find_processes(small_demo) == []
