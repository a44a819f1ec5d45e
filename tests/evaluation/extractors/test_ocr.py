"""OCR of drawn signs. Japanese and Chinese are not tested, as there is no font with their characters."""

import io
import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from evaluation.extractors.base import ExtractionError, MissingWeightsError, UnreadableInputError
from evaluation.extractors.ocr import TextReader, find_reading_order
from evaluation.extractors.registry import load_extractor
from tests.evaluation.metrics.text_rendering.readings import make_sample, measure

DEJAVU = Path("/usr/share/fonts/truetype/dejavu")
needs_dejavu = pytest.mark.skipif(not DEJAVU.is_dir(), reason="the fonts DejaVu are not installed")
SIDE = 736
ENGLISH = ["FRESH BREAD DAILY", "OPEN", "Fish & Chips", "Exit 12", "No parking", "Welcome home"]
MORE_ENGLISH = ["Museum of Glass", "SALE 50%", "Please wait here", "Grand Hotel", "Coffee to go", "Mind the step"]
ITALIAN = ["Perché no?", "Città vecchia", "Più luce", "Così fan tutte", "È aperto", "Caffè e tè"]
MORE_ITALIAN = ["Venerdì chiuso", "Qualità", "Libertà", "Lunedì 8-12", "Gioventù", "Può entrare"]
COLORS = [("navy", "white"), ("white", "black"), ("darkgreen", "yellow")]


@pytest.fixture(scope="module")
def reader() -> TextReader:
    found = load_extractor("ocr", Path("/nowhere"))
    assert isinstance(found, TextReader)
    return found


def find_font(name: str, size: int) -> Any:
    """A DejaVu font, or for "" Pillow's default font, which has no accents."""
    return ImageFont.truetype(DEJAVU / f"DejaVu{name}.ttf", size) if name else ImageFont.load_default(size)


def draw_sign(text: str, size: int = 64, face: str = "", shape: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    image = Image.new("RGB", shape, "navy")
    middle = (shape[0] / 2, shape[1] / 2)
    ImageDraw.Draw(image).multiline_text(
        middle, text, font=find_font(face, size), fill="white", anchor="mm", align="center"
    )
    return image


def draw_signs(texts: list[str], face: str, size: int, colors: tuple[str, str]) -> Image.Image:
    """Separate signs, one below the other."""
    image = Image.new("RGB", (SIDE, SIDE), (200, 190, 170))
    draw = ImageDraw.Draw(image)
    for row, text in enumerate(texts):
        y = 62 + 122 * row
        draw.rectangle((50, y - 42, SIDE - 50, y + 42), fill=colors[0])
        draw.text((SIDE / 2, y), text, font=find_font(face, size), fill=colors[1], anchor="mm")
    return image


def encode(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def read(reader: TextReader, image: Image.Image) -> list[dict[str, Any]]:
    (found,) = reader.extract([reader.prepare(encode(image))])
    assert isinstance(found, dict)
    lines: list[dict[str, Any]] = found["lines"]
    return lines


def read_texts(reader: TextReader, image: Image.Image) -> list[str]:
    return [line["text"] for line in read(reader, image)]


def count_exact(reader: TextReader, pages: list[tuple[list[str], str, int]], language: str) -> tuple[int, int]:
    exact = n = 0
    for k, (texts, face, size) in enumerate(pages):
        lines = read_texts(reader, draw_signs(texts, face, size, COLORS[k % 3]))
        found = measure("text-sentence-accuracy", make_sample(lines, texts, language))
        exact, n = exact + int(found.values[1]), n + len(texts)
    return exact, n


def test_clean_english_signs_are_read_exactly(reader: TextReader) -> None:
    faces = ["SansMono", "Serif-Bold"] if DEJAVU.is_dir() else ["", ""]
    pages = [(ENGLISH, faces[0], 32), (MORE_ENGLISH, faces[1], 44), (ENGLISH, "", 56)]
    exact, n = count_exact(reader, pages, "en")
    assert exact / n >= 0.95


@needs_dejavu
def test_clean_italian_signs_are_read_with_their_accents(reader: TextReader) -> None:
    pages = [(ITALIAN, "Sans-Bold", 36), (MORE_ITALIAN, "Serif", 48)]
    exact, n = count_exact(reader, pages, "it")
    assert exact / n >= 0.95


def test_lines_have_boxes_and_confidences_in_reading_order(reader: TextReader) -> None:
    image = Image.new("RGB", (SIDE, 400), "white")
    draw = ImageDraw.Draw(image)
    boxes = {}
    for text, place in [("CLOSED", (430, 250)), ("OPEN", (60, 60)), ("MONDAY", (60, 250))]:
        draw.text(place, text, font=find_font("", 56), fill="black")
        boxes[text] = draw.textbbox(place, text, font=find_font("", 56))
    lines = read(reader, image)
    assert [line["text"] for line in lines] == ["OPEN", "MONDAY", "CLOSED"]
    for line in lines:
        corners = np.array(line["box"])
        assert corners.shape == (4, 2)
        left, top, right, bottom = boxes[line["text"]]
        assert np.abs(corners.min(axis=0) - (left, top)).max() < 20
        assert np.abs(corners.max(axis=0) - (right, bottom)).max() < 20
        assert 0.5 <= line["confidence"] <= 1.0


@pytest.mark.parametrize("angle", [45, 180])
def test_rotated_signs_are_read(reader: TextReader, angle: int) -> None:
    image = draw_sign("GRAND HOTEL", 60).rotate(angle, resample=Image.Resampling.BICUBIC, fillcolor="navy")
    assert "".join(read_texts(reader, image)).replace(" ", "") == "GRANDHOTEL"


def test_letters_of_12_pixels_are_read_and_of_5_are_not(reader: TextReader) -> None:
    assert read_texts(reader, draw_sign("Please wait here", 12)) == ["Please wait here"]
    assert read_texts(reader, draw_sign("Please wait here", 5)) == []


def test_an_empty_image_has_no_lines(
    reader: TextReader, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("RapidOCR").addHandler(caplog.handler)
    assert read(reader, Image.new("RGB", (300, 200), "white")) == []
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


@pytest.mark.parametrize("shape", [(2, 60), (1200, 24)])
def test_extreme_shapes_do_not_take_longer(reader: TextReader, shape: tuple[int, int]) -> None:
    image = draw_sign("EXIT", 20, shape=shape)
    lines = read(reader, image)
    assert [line["text"] for line in lines] == (["EXIT"] if shape[0] > 1000 else [])
    for line in lines:
        assert (np.array(line["box"]) <= image.size).all()


def test_a_reading_does_not_depend_on_the_batch(reader: TextReader) -> None:
    images = [draw_sign("OPEN", 60, shape=(320, 200)), draw_sign("CLOSED", 40, shape=(260, 260)).convert("L")]
    prepared = [reader.prepare(encode(image)) for image in images]
    together = reader.extract(prepared)
    assert together[1:] == reader.extract(prepared[1:])
    assert [[line["text"] for line in found["lines"]] for found in together if isinstance(found, dict)] == [
        ["OPEN"],
        ["CLOSED"],
    ]


def test_bytes_that_are_not_an_image_are_rejected(reader: TextReader) -> None:
    for data in (b"", b"no image", encode(draw_sign("OPEN"))[:500]):
        with pytest.raises(UnreadableInputError):
            reader.prepare(data)


def test_an_image_that_cannot_be_processed_does_not_affect_the_others(reader: TextReader) -> None:
    good, bad = np.zeros((40, 40, 3), dtype=np.uint8), np.zeros((50, 40, 3), dtype=np.complex64)
    fault, found = reader.extract([bad, good])
    assert isinstance(fault, ExtractionError)
    assert "40 × 50 pixels: ResizeImgError" in str(fault)
    assert found == {"lines": []}


def test_the_identity_names_the_package_and_its_networks(reader: TextReader) -> None:
    identity = reader.identity
    assert identity["rapidocr"] == version("rapidocr")
    assert all(len(str(identity[f"{part}_sha256"])) == 64 for part in ("det", "cls", "rec"))


def test_there_are_no_variants() -> None:
    with pytest.raises(ValueError, match="no variants"):
        load_extractor("ocr/large", Path("/nowhere"))


def test_a_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.extractors.weights.find_spec", lambda _: None)
    with pytest.raises(MissingWeightsError, match=r"pip install .*rapidocr"):
        TextReader("", Path("/nowhere"))


def quad(x: float, y: float, width: float, height: float) -> list[list[float]]:
    return [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]


def test_reading_order_is_by_rows() -> None:
    boxes = [
        quad(300, 108, 100, 40),  # 2: a little lower, in the row of the next
        quad(0, 100, 100, 40),  # 1
        quad(0, 0, 400, 60),  # 0: above
        quad(0, 150, 100, 40),  # 3: the line below
        quad(120, 110, 20, 20),  # small, in the first row too
    ]
    assert find_reading_order(np.array(boxes)) == [2, 1, 4, 0, 3]


def test_slanted_parallel_lines_are_separate_rows() -> None:
    """Their bounding boxes overlap, but their centres are more than half a letter's height apart."""
    along, down = np.array([200.0, 100.0]), np.array([-18.0, 36.0])
    line = np.array([(0, 0), along, along + down, down])
    assert find_reading_order(np.array([line + np.array([0, 60]), line])) == [1, 0]
