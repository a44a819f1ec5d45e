"""Manifests for tests, and the output of importing them."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from generators.models import Generation, ImageModel, Prompt, PromptSet

NEW = ("--new-prompt-set", "elsewhere 1")


def make_folder(parent: Path) -> Path:
    """A folder for manifests, with four different images."""
    folder = parent / "manifests"
    folder.mkdir()
    for name, color in {"a.png": "red", "b.jpg": "green", "c.webp": "blue", "d.avif": "gold"}.items():
        Image.new("RGB", (40, 30), color).save(folder / name)
    return folder


def write(folder: Path, *entries: dict[str, Any], name: str = "images.csv") -> Path:
    file = folder / name
    if name.endswith(".jsonl"):
        file.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        return file
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(dict.fromkeys(key for entry in entries for key in entry)))
        writer.writeheader()
        writer.writerows(entries)
    return file


def entry(file: str = "a.png", **cells: Any) -> dict[str, Any]:
    return {"prompt": "A cat", "model": "midjourney-7", "file": file, **cells}


def import_file(file: Path, *options: str) -> str:
    out = io.StringIO()
    prompts = () if {"--prompt-set", "--new-prompt-set"} & set(options) else NEW
    call_command("import_generations", str(file), *prompts, *options, stdout=out)
    return out.getvalue()


def count_rows() -> list[int]:
    return [table.objects.count() for table in (Generation, ImageModel, PromptSet, Prompt)]


def refuse(file: Path, *options: str) -> str:
    """The message of a refused import, which wrote nothing."""
    before = count_rows()
    with pytest.raises(CommandError) as refused:
        import_file(file, *options)
    assert count_rows() == before
    assert str(refused.value).startswith(f"Nothing was imported from {file.name}. ")
    return str(refused.value)
