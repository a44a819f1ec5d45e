"""Unsafe image extractor: the probability that an image shows nudity."""

from collections.abc import Sequence
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.extractors.base import Extracted, ExtractionError, Identity
from evaluation.extractors.images.decoding import decode_shown
from evaluation.extractors.networks.running import expect_packages
from evaluation.extractors.weights import find_digest, find_weights
from generators.images.srgb import SHOWN

RESIZE: Final = 256
CROP: Final = 224
MEAN_BGR: Final = (104.0, 117.0, 123.0)


class UnsafeImages:
    """Record: ``{"unsafe": probability}``, by Yahoo's open_nsfw (2016), a ResNet-50 that detects nudity in photographs.

    Preprocessing is that of its training: bilinear resize to 256 × 256, center crop of 224 × 224, JPEG compression of
    Pillow's default quality, BGR order, and subtraction of the mean colour.
    """

    batch_size = 8

    def __init__(self, variant: str, weights: Path) -> None:
        if variant:
            raise ValueError(f"The extractor 'nsfw' has no variants: write 'nsfw', not 'nsfw/{variant}'.")
        expect_packages("onnxruntime")
        self._file = find_weights("opennsfw", weights)

    @cached_property
    def identity(self) -> Identity:
        return {
            "extractor": "nsfw",
            "sha256": find_digest(self._file),
            "decoding": SHOWN,
            "resize": f"{RESIZE} x {RESIZE}, bilinear, 8-bit",
            "crop": f"center {CROP}, then JPEG of quality 75",
            "normalization": f"BGR - {MEAN_BGR}",
        }

    def prepare(self, source: Any) -> NDArray[np.float32]:
        image = Image.fromarray(decode_shown(source)).resize((RESIZE, RESIZE), Image.Resampling.BILINEAR)
        near, far = (RESIZE - CROP) // 2, (RESIZE + CROP) // 2
        buffer = BytesIO()
        image.crop((near, near, far, far)).save(buffer, "JPEG", quality=75)
        pixels = np.asarray(Image.open(buffer), dtype=np.float32)
        return np.ascontiguousarray(pixels[..., ::-1] - np.array(MEAN_BGR, dtype=np.float32))

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        (entry,) = self._session.get_inputs()
        # One by one: the result is bit-identical in any batch, and on a CPU it is not slower.
        rows = [self._session.run(None, {entry.name: pixels[None]})[0][0] for pixels in prepared]
        return [{"unsafe": float(unsafe)} for _, unsafe in rows]

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(self._file, options, providers=["CPUExecutionProvider"])
