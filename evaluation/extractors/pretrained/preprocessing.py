"""Image preprocessing by a folder's preprocessor_config.json, bit-identical to transformers with Pillow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.extractors.base import MissingWeightsError, UnreadableInputError
from evaluation.extractors.pretrained.loading import read_json
from generators.images.decoding import MAX_PIXELS

# Defaults of CLIP's and BiT's processors, used where the file states nothing.
SIDE: Final = 224
MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
DEVIATION: Final = (0.26862954, 0.26130258, 0.27577711)
BICUBIC: Final = 3
KNOWN: Final = ("CLIPImageProcessor", "CLIPFeatureExtractor", "BitImageProcessor")


@dataclass(frozen=True)
class Preprocessing:
    """Resize the shorter side to ``side`` (8-bit, as in transformers), crop the centre, rescale, normalize."""

    side: int
    crop: int
    resample: int
    scale: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    @property
    def identity(self) -> dict[str, str | int | float]:
        return {
            "resize": f"shorter side, {Image.Resampling(self.resample).name.lower()}, 8-bit",
            "size": self.side,
            "crop": f"center {self.crop}",
            "normalization": f"({self.scale:.9g} x - {_write(self.mean)}) / {_write(self.deviation)}",
        }

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Preprocess pixels (height, width, 3); returns (3, crop, crop).

        Raises:
            UnreadableInputError: The image is so long that its resized version would be too large.
        """
        height, width = pixels.shape[:2]
        long = int(self.side * max(height, width) / min(height, width))
        if long * self.side > MAX_PIXELS:
            raise UnreadableInputError(
                f"The image has {width} × {height} pixels: too long to resize to a side of {self.side}."
            )
        size = (self.side, long) if width <= height else (long, self.side)
        resized = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling(self.resample)))
        left, top = ((n - self.crop) // 2 for n in size)
        planes = resized[top : top + self.crop, left : left + self.crop].transpose(2, 0, 1)
        scaled = (planes.astype(np.float64) * self.scale).astype(np.float32)
        mean, deviation = (np.array(each, dtype=np.float32)[:, None, None] for each in (self.mean, self.deviation))
        return np.ascontiguousarray((scaled - mean) / deviation)


def read_preprocessing(folder: Path) -> Preprocessing:
    """Read preprocessor_config.json. Raises MissingWeightsError if it needs a step that is not supported."""
    file = folder / "preprocessor_config.json"
    asked = read_json(file)
    kind = asked.get("image_processor_type", asked.get("feature_extractor_type", KNOWN[0])).removesuffix("Fast")
    steps = ("do_resize", "do_center_crop", "do_rescale", "do_normalize")
    try:
        found = Preprocessing(
            side=_read_side(asked.get("size", SIDE), ("shortest_edge",)),
            crop=_read_side(asked.get("crop_size", SIDE), ("height", "width")),
            resample=int(asked.get("resample", BICUBIC)),
            scale=float(asked.get("rescale_factor", 1 / 255)),
            mean=_read_channels(asked.get("image_mean", MEAN)),
            deviation=_read_channels(asked.get("image_std", DEVIATION)),
        )
        known = kind in KNOWN and all(asked.get(step, True) for step in steps) and 0 < found.crop <= found.side
    except (TypeError, ValueError):
        known = False
    if not known:
        raise MissingWeightsError(
            f"{file} needs an unsupported preprocessing ({kind}). Supported: {', '.join(KNOWN[::2])} with a shortest "
            "edge, a square center crop, rescaling and normalization."
        )
    return found


def _read_side(size: Any, names: tuple[str, ...]) -> int:
    """A side given as a number, or as a dict of equal sides."""
    if isinstance(size, dict):
        if set(size) != set(names) or len(set(size.values())) != 1:
            raise ValueError(size)
        size = size[names[0]]
    return int(size)


def _read_channels(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _write(values: tuple[float, ...]) -> str:
    return f"[{', '.join(f'{value:.9g}' for value in values)}]"
