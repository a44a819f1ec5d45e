"""OCR of drawn signs."""

import logging
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from evaluation.extractors.base import ExtractionError, MissingWeightsError, UnreadableInputError
from evaluation.extractors.ocr.reader import TextReader, find_reading_order, order_letters
from evaluation.extractors.registry import load_extractor
from tests.evaluation.extractors.ocr.signs import SIDE, draw_sign, draw_signs, encode, find_font, read, read_texts
from tests.evaluation.metrics.text_rendering.readings import make_sample, measure

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


def count_exact(reader: TextReader, pages: list[tuple[list[str], str, int]], language: str) -> tuple[int, int]:
    exact = n = 0
    for k, (texts, face, size) in enumerate(pages):
        lines = read_texts(reader, draw_signs(texts, face, size, COLORS[k % 3]))
        found = measure("text-sentence-accuracy", make_sample(lines, texts, language))
        exact, n = exact + int(found.values[1]), n + len(texts)
    return exact, n


def test_clean_english_signs_are_read_exactly(reader: TextReader) -> None:
    pages = [(ENGLISH, "SansMono", 32), (MORE_ENGLISH, "Serif-Bold", 44), (ENGLISH, "", 56)]
    exact, n = count_exact(reader, pages, "en")
    assert exact / n >= 0.95


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


JAPANESE = ["コーヒー", "ラーメン", "営業中", "ようこそ", "お茶と菓子", "スーパー"]
CHINESE = ["欢迎光临", "歡迎光臨", "出口", "禁止停车", "咖啡馆", "今日特价"]


@pytest.mark.parametrize(("texts", "language"), [(JAPANESE, "ja"), (CHINESE, "zh")])
def test_clean_japanese_and_chinese_signs_are_read(reader: TextReader, texts: list[str], language: str) -> None:
    exact, n = count_exact(reader, [(texts, "Cjk", 40), (texts, "Cjk", 56)], language)
    assert exact / n >= 0.9


@pytest.mark.parametrize("text", ["コーヒー", "コーヒ", "ヒーロー", "スーパー"])
@pytest.mark.parametrize("size", [36, 40, 48])
def test_an_upright_line_is_not_turned(reader: TextReader, text: str, size: int) -> None:
    """The network that finds lines upside down errs on some of these."""
    assert read_texts(reader, draw_sign(text, size, "Cjk", shape=(500, 300))) == [text]


@pytest.mark.parametrize(("text", "face"), [("コーヒー", "Cjk"), ("OPEN", "Sans"), ("Museum 24", "Serif")])
def test_a_line_upside_down_is_turned(reader: TextReader, text: str, face: str) -> None:
    image = draw_sign(text, 60, face, shape=(500, 300)).transpose(Image.Transpose.ROTATE_180)
    assert read_texts(reader, image) == [text]


def test_only_lines_that_seem_upside_down_are_read_both_ways(
    reader: TextReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_read = []
    recognize = reader._reader.recognize_txt
    monkeypatch.setattr(reader._reader, "recognize_txt", lambda img: (n_read.append(len(img)), recognize(img))[1])
    page = draw_signs(["OPEN", "Grand Hotel", "No parking"], "Sans", 44, ("navy", "white"))
    read(reader, page)
    assert n_read == [3]
    n_read.clear()
    read(reader, page.transpose(Image.Transpose.ROTATE_180))
    assert n_read == [6, 3]


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


def test_an_unknown_variant_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"There is no extractor 'ocr/large'\. Known: ocr, ocr/cyrillic"):
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


def test_rows_of_right_to_left_scripts_start_at_the_right() -> None:
    boxes = [quad(0, 0, 100, 40), quad(200, 4, 100, 40), quad(0, 100, 300, 40)]
    assert find_reading_order(np.array(boxes), right_to_left=True) == [1, 0, 2]


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        ("ابحرم", "مرحبا"),
        ("ملاعلاب ابحرم", "مرحبا بالعالم"),
        ("10:30 ةعاسلا", "الساعة 10:30"),
        ("%50 مصخ", "خصم 50%"),
        ("Wi-Fi 6 ةكبش", "شبكة Wi-Fi 6"),
        ("٢٠٢٦ ةنس", "سنة ٢٠٢٦"),
        ("OPEN", "OPEN"),
        ("", ""),
    ],
)
def test_right_to_left_lines_are_returned_in_the_order_of_reading(seen: str, text: str) -> None:
    """``seen`` has the letters as they stand, from left to right."""
    assert order_letters(seen) == text


def test_slanted_parallel_lines_are_separate_rows() -> None:
    """Their bounding boxes overlap, but their centres are more than half a letter's height apart."""
    along, down = np.array([200.0, 100.0]), np.array([-18.0, 36.0])
    line = np.array([(0, 0), along, along + down, down])
    assert find_reading_order(np.array([line + np.array([0, 60]), line])) == [1, 0]
