"""Recognizers of further scripts, from the folder for weights: loading, reading, identity."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.ocr.alphabets import find_unread
from evaluation.extractors.ocr.reader import TextReader
from evaluation.extractors.registry import load_extractor
from evaluation.extractors.weights import DOWNLOADS, WrongWeightsError
from tests.evaluation.extractors.ocr.recognizers import install_recognizer
from tests.evaluation.extractors.ocr.signs import draw_sign, read_texts


def test_signs_in_another_script_are_read_with_its_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_recognizer("cyrillic", tmp_path, monkeypatch)
    cyrillic, latin = TextReader("cyrillic", tmp_path), TextReader("", tmp_path)
    image = draw_sign("МОСКВА", 60, "Sans", shape=(500, 200))
    assert read_texts(cyrillic, image) == ["МОСКВА"]  # in Cyrillic letters
    assert read_texts(latin, image) == ["MOCKBA"]


def test_the_alphabet_is_the_dictionary_of_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_recognizer("cyrillic", tmp_path, monkeypatch, dictionary=["а", "б", "ў", "A"])
    alphabet = TextReader("cyrillic", tmp_path).alphabet
    assert alphabet == {"а", "б", "ў", "A"}
    assert find_unread(("баў да 5",), alphabet) == ("д", "5")


def test_a_network_without_a_dictionary_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = install_recognizer("greek", tmp_path, monkeypatch, dictionary=[])
    with pytest.raises(MissingWeightsError, match=f"{file} has no dictionary"):
        _ = TextReader("greek", tmp_path).alphabet


def test_the_identity_has_the_name_and_the_digest_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_recognizer("cyrillic", tmp_path, monkeypatch)
    cyrillic, latin = load_extractor("ocr/cyrillic", tmp_path).identity, load_extractor("ocr", tmp_path).identity
    assert cyrillic["extractor"] == "ocr/cyrillic"
    assert cyrillic["recognizer"] == "cyrillic_PP-OCRv5_rec_mobile.onnx"
    assert latin["recognizer"] == "PP-OCRv6_rec_small.onnx"
    assert cyrillic["rec_sha256"] == DOWNLOADS["ocr/cyrillic"].sha256 != latin["rec_sha256"]
    assert cyrillic["det_sha256"] == latin["det_sha256"]


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_missing_network_is_named_with_the_command(name: str, tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError) as missing:
        load_extractor(name, tmp_path)
    file = tmp_path / name / DOWNLOADS[name].file
    assert str(missing.value) == (f"{file} is missing. Run: curl -fL --create-dirs -o {file} {DOWNLOADS[name].address}")


def test_a_file_with_another_digest_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "ocr" / "thai" / DOWNLOADS["ocr/thai"].file
    file.parent.mkdir(parents=True)
    file.write_bytes(b"<html>not found</html>")
    with pytest.raises(WrongWeightsError, match="is not the expected file of ocr/thai"):
        load_extractor("ocr/thai", tmp_path)


def test_addresses_and_digests_are_those_of_rapidocr() -> None:
    import rapidocr
    import yaml

    listed = yaml.safe_load((Path(rapidocr.__file__).parent / "default_models.yaml").read_text(encoding="utf-8"))
    files = {each["model_dir"]: each["SHA256"] for each in listed["onnxruntime"]["PP-OCRv5"]["rec"].values()}
    for downloaded in DOWNLOADS.values():
        assert files[downloaded.address] == downloaded.sha256


def test_the_command_weights_names_each_file_and_how_to_get_it(
    settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.WEIGHTS = tmp_path
    install_recognizer("cyrillic", tmp_path, monkeypatch)
    call_command("weights")
    said = capsys.readouterr().out
    assert "ocr/cyrillic         installed" in said
    for name, downloaded in DOWNLOADS.items():
        assert downloaded.sha256 in said
        assert name == "ocr/cyrillic" or f"curl -fL --create-dirs -o {tmp_path / name / downloaded.file}" in said
    (tmp_path / "ocr" / "cyrillic" / DOWNLOADS["ocr/cyrillic"].file).write_bytes(b"damaged")
    with pytest.raises(CommandError, match="1 of the installed weights are damaged or wrong"):
        call_command("weights")
