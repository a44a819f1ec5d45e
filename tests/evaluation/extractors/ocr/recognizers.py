"""Recognizers made for tests: the network of rapidocr with another dictionary, in place of a downloaded one."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from evaluation.extractors import weights
from evaluation.extractors.ocr.reader import read_dictionary
from evaluation.extractors.weights import DOWNLOADS, locate_weights

# Capitals that look alike in Latin and Cyrillic script.
LATIN: Final = "ABEKMHOPCTX"
CYRILLIC: Final = "АВЕКМНОРСТХ"


def install_recognizer(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *, dictionary: list[str] | None = None
) -> Path:
    """Install ``ocr/NAME`` below ``folder``: it returns Cyrillic capitals for Latin ones, or has this dictionary."""
    (network,) = (file for file in locate_weights("pp-ocr-v6-small") if "rec" in file.name)
    if dictionary is None:
        alike = dict(zip(LATIN, CYRILLIC, strict=True))
        dictionary = [alike.get(c, c) for c in read_dictionary(network)]
    file = folder / "ocr" / name / DOWNLOADS[f"ocr/{name}"].file
    file.parent.mkdir(parents=True)
    # Fields appended to a protocol buffer replace earlier ones: 14 is the metadata of a model, with a key and a value.
    entry = _write_field(1, b"character") + _write_field(2, "\n".join(dictionary).encode())
    data = network.read_bytes() + _write_field(14, entry)
    file.write_bytes(data)
    pinned = replace(DOWNLOADS[f"ocr/{name}"], sha256=hashlib.sha256(data).hexdigest())
    monkeypatch.setitem(weights.DOWNLOADS, f"ocr/{name}", pinned)
    return file


def _write_field(number: int, payload: bytes) -> bytes:
    return _write_number(number << 3 | 2) + _write_number(len(payload)) + payload


def _write_number(number: int) -> bytes:
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    return bytes([*data, number])
