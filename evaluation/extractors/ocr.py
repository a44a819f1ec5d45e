"""OCR extractor: reads the text in images with PP-OCRv6-small, which the package rapidocr contains."""

import math
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.extractors.base import Extracted, ExtractionError, Identity
from evaluation.extractors.images.decoding import Pixels, decode_shown
from evaluation.extractors.networks.running import expect_packages
from evaluation.extractors.weights import find_digest, find_weights
from generators.images.srgb import GROUND, SHOWN

NETWORKS: Final = {
    "Det": "PP-OCRv6_det_small.onnx",  # detects lines
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",  # finds lines that are upside down
    "Rec": "PP-OCRv6_rec_small.onnx",  # reads them
}
# rapidocr's defaults, stated here because they are part of the identity.
MIN_CONFIDENCE: Final = 0.5
MAX_SIDE: Final = 2000
# Images that are smaller, or whose sides have a larger ratio, are padded.
MIN_SIDE: Final = 32
MAX_ASPECT_RATIO: Final = 4


class TextReader:
    """Record: ``{"lines": [{"text", "confidence", "box"}, ...]}`` in reading order; empty if no text is found.

    ``confidence`` is the mean probability of the line's characters, at least 0.5. ``box`` has four corners [x, y] in
    pixels of the image as shown, clockwise from the start of the line's upper edge. The network reads Chinese, Japanese
    and languages in Latin script, from left to right.
    """

    batch_size = 4

    def __init__(self, variant: str, weights: Path) -> None:
        if variant:
            raise ValueError(f"The extractor 'ocr' has no variants: write 'ocr', not 'ocr/{variant}'.")
        expect_packages("onnxruntime")
        folder = find_weights("pp-ocr-v6-small", weights).parent
        self._files = {part: folder / name for part, name in NETWORKS.items()}

    @cached_property
    def identity(self) -> Identity:
        digests = {f"{part.lower()}_sha256": find_digest(file) for part, file in self._files.items()}
        return {
            "extractor": "ocr",
            "rapidocr": version("rapidocr"),
            **digests,
            "decoding": SHOWN,
            "sides": f"{MIN_SIDE} to {MAX_SIDE} pixels, at most {MAX_ASPECT_RATIO}:1",
            "min_confidence": MIN_CONFIDENCE,
            "order": "rows from the top, each from the left",
        }

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
        lines = [
            {"text": text, "confidence": round(float(confidence), 4), "box": box.round(1).tolist()}
            for text, confidence, box in zip(found.txts, found.scores, boxes, strict=True)
        ]
        return {"lines": [lines[i] for i in find_reading_order(boxes)]}

    @cached_property
    def _reader(self) -> Any:
        from rapidocr import RapidOCR

        # With explicit paths rapidocr downloads nothing. One thread: two are slower.
        return RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.text_score": MIN_CONFIDENCE,
                "Global.max_side_len": MAX_SIDE,
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                **{f"{part}.model_path": str(file) for part, file in self._files.items()},
            }
        )


def find_reading_order(boxes: NDArray[np.floating[Any]]) -> list[int]:
    """Indices of lines with corners ``boxes`` (n, 4, 2) in reading order: rows from the top, each row from the left.

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
    return [i for row in rows for i in sorted(row, key=lambda i: float(middles[i, 0]))]


def _pad(pixels: Pixels) -> Pixels:
    """Pad with grey at the right and bottom. rapidocr enlarges the shorter side: 3 × 400 pixels would take minutes."""
    height, width, _ = pixels.shape
    least = max(MIN_SIDE, math.ceil(max(height, width) / MAX_ASPECT_RATIO))
    margins = ((0, max(0, least - height)), (0, max(0, least - width)), (0, 0))
    return np.pad(pixels, margins, constant_values=GROUND[0])
