"""OCR extractor: reads the text in images with PP-OCR networks. The package rapidocr contains PP-OCRv6-small."""

import math
import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.extractors.base import Extracted, ExtractionError, Identity, MissingWeightsError
from evaluation.extractors.images.decoding import Pixels, decode_shown
from evaluation.extractors.networks.running import expect_packages
from evaluation.extractors.ocr.alphabets import Alphabet, restrict
from evaluation.extractors.weights import DOWNLOADS, find_digest, find_weights
from generators.images.srgb import GROUND, SHOWN

NETWORKS: Final = {
    "Det": "PP-OCRv6_det_small.onnx",  # detects lines
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",  # finds lines that are upside down
    "Rec": "PP-OCRv6_rec_small.onnx",  # reads them
}
RIGHT_TO_LEFT: Final = frozenset({"arabic"})
# rapidocr's defaults, stated here because they are part of the identity.
MIN_CONFIDENCE: Final = 0.5
MAX_SIDE: Final = 2000
# Images that are smaller, or whose sides have a larger ratio, are padded.
MIN_SIDE: Final = 32
MAX_ASPECT_RATIO: Final = 4
# Latin words and numbers, with what joins them: 10:30, 3.5, Wi-Fi 6, 50%.
_FROM_LEFT: Final = re.compile(r"([A-Za-zÀ-ɏ0-9٠-٩۰-۹](?:[ A-Za-zÀ-ɏ0-9٠-٩۰-۹.,:/%+-]*[A-Za-zÀ-ɏ0-9٠-٩۰-۹%])?)")


class TextReader:
    """Record: ``{"lines": [{"text", "confidence", "box"}, ...]}`` in reading order; empty if no text is found.

    ``confidence`` is the mean probability of the line's characters, at least 0.5. ``box`` has four corners [x, y] in
    pixels of the image as shown, clockwise from the start of the line's upper edge.

    Without a variant, the network reads Chinese, Japanese and languages in Latin script. Variants read other scripts,
    with a network in the folder for weights; see ``alphabets.READERS``.
    """

    batch_size = 4

    def __init__(self, variant: str, weights: Path) -> None:
        if variant and f"ocr/{variant}" not in DOWNLOADS:
            known = ", ".join(DOWNLOADS)
            raise ValueError(f"There is no extractor 'ocr/{variant}'. Known: ocr, {known}.")
        expect_packages("onnxruntime")
        folder = find_weights("pp-ocr-v6-small", weights).parent
        self._variant = variant
        self._files = {part: folder / name for part, name in NETWORKS.items()}
        if variant:
            self._files["Rec"] = find_weights(f"ocr/{variant}", weights)

    @cached_property
    def identity(self) -> Identity:
        digests = {f"{part.lower()}_sha256": find_digest(file) for part, file in self._files.items()}
        return {
            "extractor": f"ocr/{self._variant}" if self._variant else "ocr",
            "rapidocr": version("rapidocr"),
            "recognizer": self._files["Rec"].name,
            **digests,
            "decoding": SHOWN,
            "sides": f"{MIN_SIDE} to {MAX_SIDE} pixels, at most {MAX_ASPECT_RATIO}:1",
            "min_confidence": MIN_CONFIDENCE,
            "turning": "by 180°, if the reading is then more confident",
            "order": f"rows from the top, each from the {'right' if self._right_to_left else 'left'}",
        }

    @property
    def alphabet(self) -> Alphabet:
        """The characters that this reader can return. Raises MissingWeightsError if the network names none."""
        dictionary = read_dictionary(self._files["Rec"])
        return frozenset(dictionary) if self._variant else restrict(dictionary)

    def prepare(self, source: bytes) -> Pixels:
        return decode_shown(source)

    def extract(self, prepared: Sequence[Pixels]) -> list[Extracted | ExtractionError]:
        return [self._read(pixels) for pixels in prepared]

    def _read(self, pixels: Pixels) -> Extracted | ExtractionError:
        height, width, _ = pixels.shape
        reader = self._reader
        try:
            found = reader(np.ascontiguousarray(_pad(pixels)[..., ::-1]))  # BGR
        except Exception as error:  # rapidocr and OpenCV raise their own errors; one image must not end a run.
            return ExtractionError(f"rapidocr failed on an image of {width} × {height} pixels: {error!r}")
        if not found.txts:
            return {"lines": []}
        boxes = np.clip(found.boxes.astype(np.float64), 0.0, [width, height])
        texts = [order_letters(text) for text in found.txts] if self._right_to_left else found.txts
        lines = [
            {"text": text, "confidence": round(float(confidence), 4), "box": box.round(1).tolist()}
            for text, confidence, box in zip(texts, found.scores, boxes, strict=True)
        ]
        return {"lines": [lines[i] for i in find_reading_order(boxes, self._right_to_left)]}

    @property
    def _right_to_left(self) -> bool:
        return self._variant in RIGHT_TO_LEFT

    @cached_property
    def _reader(self) -> Any:
        from evaluation.extractors.ocr.turning import TurningReader

        # With explicit paths rapidocr downloads nothing. One thread: two are slower.
        return TurningReader(
            params={
                "Global.log_level": "critical",
                "Global.text_score": MIN_CONFIDENCE,
                "Global.max_side_len": MAX_SIDE,
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                **{f"{part}.model_path": str(file) for part, file in self._files.items()},
            }
        )


@lru_cache(maxsize=16)
def read_dictionary(file: Path) -> tuple[str, ...]:
    """The characters of a network that reads lines, from its metadata. Raises MissingWeightsError if there are none."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # only metadata are read
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    characters = session.get_modelmeta().custom_metadata_map.get("character", "")
    if not characters:
        raise MissingWeightsError(f"{file} has no dictionary: its metadata lack the key 'character'.")
    return tuple(characters.splitlines())


def order_letters(text: str) -> str:
    """A right-to-left line in the order in which it is read, from the order in which its letters stand from the left.

    Digits, and words in Latin letters, run from left to right inside the line.
    """
    parts = _FROM_LEFT.split(text)
    return "".join(part if k % 2 else part[::-1] for k, part in reversed(list(enumerate(parts))))


def find_reading_order(boxes: NDArray[np.floating[Any]], right_to_left: bool = False) -> list[int]:
    """Indices of lines with corners ``boxes`` (n, 4, 2) in reading order: rows from the top, each row from its start.

    Two lines are in one row if the centre of each lies within the height of the other.
    """
    middles = boxes.mean(axis=1)
    sides = np.linalg.norm(boxes - np.roll(boxes, 1, axis=1), axis=2)
    reach = sides.min(axis=1) / 2
    rows: list[list[int]] = []
    for i in np.argsort(middles[:, 1], kind="stable").tolist():
        if rows and middles[i, 1] - middles[rows[-1][-1], 1] <= min(reach[i], reach[rows[-1][-1]]):
            rows[-1].append(i)
        else:
            rows.append([i])
    return [i for row in rows for i in sorted(row, key=lambda i: float(middles[i, 0]), reverse=right_to_left)]


def _pad(pixels: Pixels) -> Pixels:
    """Pad with grey at the right and bottom. rapidocr enlarges the shorter side: 3 × 400 pixels would take minutes."""
    height, width, _ = pixels.shape
    least = max(MIN_SIDE, math.ceil(max(height, width) / MAX_ASPECT_RATIO))
    margins = ((0, max(0, least - height)), (0, max(0, least - width)), (0, 0))
    if not np.any(margins):
        return pixels
    return np.pad(pixels, margins, constant_values=GROUND[0])
