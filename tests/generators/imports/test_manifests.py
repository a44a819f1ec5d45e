"""Manifests with odd names, and faults of manifests: each is reported with its line, and nothing is imported."""

import json
import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from generators.imports import manifests
from generators.models import Generation, ImageModel
from tests import builders
from tests.generators.imports.manifest_files import entry, import_file, make_folder, refuse, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


@pytest.fixture
def midjourney() -> ImageModel:
    return builders.make_model(slug="midjourney-7", family="midjourney", revision="7", adapter="")


def test_a_manifest_may_have_a_name_that_is_not_utf8(folder: Path, midjourney: ImageModel) -> None:
    import_file(write(folder, entry("a.png"), name="m\udce9.csv"))
    assert Generation.objects.get().imported_from == r"m\xe9.csv"


# Invalid lines


def make_bomb() -> bytes:
    """A PNG that says it has 40,000 × 40,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


FAULTS = {
    "unknown model": (entry(model="midjorney"), "the model 'midjorney' is unknown; known are midjourney-7."),
    "unknown version": (entry(version="8"), "the model 'midjourney-7' of version '8' is unknown"),
    "no model": (entry(model=" "), "model is empty"),
    "no prompt": (entry(prompt=""), "it has no prompt and no prompt_key"),
    "model written backwards": (entry(model="\u202emid"), "The model has U+202E (RIGHT-TO-LEFT OVERRIDE)"),
    "prompt of blanks": (entry(prompt="  "), "none that can be seen"),
    "prompt with NUL": (entry(prompt="A\0cat"), "it has a NUL character"),
    "prompt that is too long": (entry(prompt="cat " * 7500), "The prompt has 30,000 characters"),
    "key that is too long": (entry(prompt="A dog", prompt_key="k" * 201), "at most 200 characters (it has 201)"),
    "line that is too long": (entry(source="x" * 140_000), "it is not CSV: field larger than field limit"),
    "no file": (entry(""), "it has no file and is not refused"),
    "file that is not there": (entry("z.png"), "there is no file 'z.png' beside the manifest"),
    "folder": (entry("."), "'.' is not a file"),
    "file name that is too long": (entry("x" * 300), "cannot be read: File name too long"),
    "way up": (entry("../secret.png"), "'../secret.png' is not in the manifest's folder"),
    "way up and down": (entry("../manifests/a.png"), "is not in the manifest's folder"),
    "absolute path": (entry("/etc/passwd"), "'/etc/passwd' is not in the manifest's folder"),
    "link outside": (entry("link.png"), "is a link that leads out of the manifest's folder"),
    "link to a folder outside": (entry("up/secret.png"), "is a link that leads out of the manifest's folder"),
    "links in a circle": (entry("circle.png"), "the file 'circle.png' cannot be read"),
    "pipe": (entry("pipe.png"), "'pipe.png' is not a file"),
    "wrong checksum": (entry(sha256="0" * 64), "has the sha256 "),
    "no checksum": (entry(sha256="abc"), "sha256 is 'abc'; wanted 64 hexadecimal digits"),
    "GIF": (entry("animation.gif"), "the file 'animation.gif': Wanted a PNG, JPEG, WebP or AVIF image, got a GIF"),
    "GIF named PNG": (entry("gif.png"), "got a GIF"),
    "truncated": (entry("truncated.jpg"), "The JPEG image is broken or cut off"),
    "bomb": (entry("bomb.png"), "The image has 40,000 × 40,000 pixels"),
    "not an image": (entry("text.png"), "got text"),
    "no bytes": (entry("empty.png"), "got no bytes at all"),
    "seed of words": (entry(seed="seven"), "seed is 'seven'; wanted a whole number"),
    "negative seed": (entry(seed=-1), "seed is '-1'; wanted a whole number"),
    "seed with a point": (entry(seed="1.0"), "seed is '1.0'"),
    "seed that is too large": (entry(seed=2**63), "seed is '9223372036854775808'"),
    "parameters that are not JSON": (entry(parameters="--ar 16:9"), "parameters is '--ar 16:9'; wanted a JSON object"),
    "parameters that are a list": (entry(parameters="[1]"), "wanted a JSON object"),
    "parameters with NUL": (entry(parameters='{"a": "\\u0000"}'), "it has a NUL character"),
    "parameters that are no number": (entry(parameters='{"a": NaN}'), "wanted a JSON object"),
    "parameters that are infinite": (entry(parameters='{"a": 1e999}'), "wanted a JSON object"),
    "parameters that are deep": (entry(parameters='{"a":' + "[" * 900 + "]" * 900 + "}"), "nested too deeply"),
    "time": (entry(created_at="yesterday"), "created_at is 'yesterday'; wanted ISO 8601"),
    "refused with file": (entry(refused="true"), "it is refused, but names a file"),
    "refused perhaps": (entry(refused="maybe"), "refused is 'maybe'; wanted one of true, 1, yes"),
    "stage without refusal": (entry(refusal_stage="prompt"), "it has a refusal_stage, but is not refused"),
    "unknown stage": (entry("", refused=1, refusal_stage="mood"), "refusal_stage is 'mood'; wanted prompt or image"),
}


@pytest.fixture
def hostile(folder: Path) -> Path:
    """The folder, with files that are not valid images, and with an image outside it."""
    drawn = (folder / "a.png").read_bytes()
    (folder.parent / "secret.png").write_bytes(drawn)
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    (folder / "up").symlink_to(folder.parent)
    (folder / "circle.png").symlink_to(folder / "circle.png")
    os.mkfifo(folder / "pipe.png")
    Image.new("RGB", (8, 8)).save(folder / "animation.gif")
    (folder / "gif.png").write_bytes((folder / "animation.gif").read_bytes())
    Image.effect_noise((64, 64), 90).save(folder / "whole.jpg")
    (folder / "truncated.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:-900])
    (folder / "bomb.png").write_bytes(make_bomb())
    (folder / "text.png").write_text("no image at all")
    (folder / "empty.png").touch()
    return folder


@pytest.mark.parametrize("fault", FAULTS)
def test_invalid_line_is_reported_and_nothing_imported(hostile: Path, midjourney: ImageModel, fault: str) -> None:
    line, reason = FAULTS[fault]
    message = refuse(write(hostile, entry("b.jpg"), line))
    assert "1 line is invalid:\n  line 3: " in message
    assert reason in message


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"model": "midjourney-7", "prompt"', "it is not JSON: "),
        ('["midjourney-7"]', "it is not a JSON object"),
        ('{"model": "midjourney-7", "model": "midjourney-7"}', "the key 'model' is there twice"),
        ("[" * 100_000, "it is not JSON: it is nested too deeply"),
        (json.dumps(entry(prompt="A \ud800")), "half of a surrogate pair"),
        (json.dumps(entry(model=["midjourney-7"])), "model is '[\"midjourney-7\"]'; wanted text"),
        (json.dumps(entry(seed=1.5)), "seed is '1.5'"),
        (json.dumps(entry(seed=True)), "seed is 'true'"),
        (json.dumps(entry(source="x" * 140_000)), "source has 140,000 characters; at most 131,072 are allowed"),
    ],
)
def test_invalid_json_line_is_reported(folder: Path, midjourney: ImageModel, line: str, reason: str) -> None:
    file = write(folder, entry("b.jpg"), name="images.jsonl")
    file.write_text(file.read_text() + line)
    message = refuse(file)
    assert "1 line is invalid:\n  line 2: " in message
    assert reason in message


def test_a_json_array_on_one_line_is_imported_whole(folder: Path, midjourney: ImageModel) -> None:
    """As json.dump writes it: all of its objects begin on the first line."""
    file = folder / "images.json"
    file.write_text(json.dumps([entry("a.png", seed=4), entry("b.jpg"), entry("c.webp", seed=4), entry("none.png")]))
    message = refuse(file)
    assert "object 3: the seed 4 of this model and prompt is taken by object 1" in message
    assert "object 4: there is no file 'none.png'" in message
    file.write_text(json.dumps([entry("a.png", prompt="A cat"), entry("a.png", prompt="A dog"), entry("b.jpg")]))
    out = import_file(file)
    assert "3 images and 0 refusals imported" in out
    assert "object 1: a.png\n  object 2: a.png" in out
    assert Generation.objects.count() == 3


def test_file_without_a_valid_json_line_has_a_fault_per_line(folder: Path) -> None:
    (folder / "images.jsonl").write_text("a cat\n\na dog\n")
    message = refuse(folder / "images.jsonl")
    assert "  line 1: it is not JSON" in message
    assert "  line 3: it is not JSON" in message


# Files that are not manifests


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("images.csv", b"", "The file is empty."),
        ("images.csv", b"\xef\xbb\xbf \r\n", "The file is empty."),
        ("images.csv", b"prompt,model,file\n", "The manifest has no images."),
        ("images.csv", b"prompt,file\nA cat,a.png\n", "no column model. Its columns are 'prompt', 'file'."),
        ("images.csv", b"model\nx\n", "no column prompt or prompt_key, and no column file or refused."),
        ("images.csv", b"prompt;model;file\nA cat;m;a.png\n", "separated by semicolons, as Excel writes"),
        ("images.csv", b"prompt\tmodel\tfile\nA cat\tm\ta.png\n", "separated by tabs; wanted commas"),
        ("images.csv", b"prompt,model,file,file\nA cat,m,a,b\n", "two columns 'file'"),
        ("images.csv", b'"prompt,model,file\nA cat,m,a\n', "The first line, which names the columns, cannot be read"),
        ("images.csv", b"prompt,model,file\nA cat,m,a.png\nUn caf\xe9,m,a.png\n", "line 3: it is not UTF-8; save"),
        ("images.csv", "prompt,model,file\n".encode("utf-16"), "The file is UTF-16. Save it as UTF-8"),
        ("images.jsonl", b'{"prompt": "A cat", "model": "m"}\n', "no column file or refused"),
        ("images.zip", b"PK\3\4", "Unpack it and name the file inside."),
        ("images.parquet", b"PAR1", "images.parquet ends in '.parquet'; wanted .csv or .json or .jsonl or .ndjson."),
    ],
)
def test_file_that_is_not_a_manifest_is_refused(folder: Path, name: str, content: bytes, reason: str) -> None:
    (folder / name).write_bytes(content)
    assert reason in refuse(folder / name)


def test_missing_manifest_is_refused(folder: Path) -> None:
    assert "No such file or directory" in refuse(folder / "nothing.csv")


def test_too_large_manifests_and_images_are_refused(
    folder: Path, midjourney: ImageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(folder, entry())
    monkeypatch.setattr(manifests, "MAX_IMAGE_BYTES", (folder / "a.png").stat().st_size - 1)
    assert "line 2: the file 'a.png' has more than" in refuse(file)
    monkeypatch.setattr(manifests, "MAX_BYTES", file.stat().st_size - 1)
    assert "The file has more than" in refuse(file)
