"""Registry of extractors. A specification is a name and an optional variant, such as ``inception-v3/clean``."""

from importlib import import_module
from pathlib import Path
from typing import Final

from evaluation.extractors.base import Extractor

EXTRACTORS: Final[dict[str, str]] = {
    "inception-v3": "evaluation.extractors.inception.extractor.InceptionV3",
    "efficientnet-lite0": "evaluation.extractors.efficientnet.EfficientNetLite0",
    "clip-image": "evaluation.extractors.clip.ClipImages",
    "clip-text": "evaluation.extractors.clip.ClipTexts",
    "dinov2": "evaluation.extractors.dinov2.DinoV2",
    "sentence": "evaluation.extractors.sentences.Sentences",
    "ocr": "evaluation.extractors.ocr.reader.TextReader",
    "nsfw": "evaluation.extractors.safety.UnsafeImages",
    "detector": "evaluation.extractors.detectors.ObjectDetector",
    "sketch-checker": "evaluation.extractors.sketches.checker.SketchChecker",
    "pixels": "evaluation.extractors.pixels.PixelQuality",
}


def load_extractor(specification: str, weights: Path) -> Extractor:
    """Build an extractor. Raises ValueError for an unknown name or variant, and MissingWeightsError."""
    name, _, variant = specification.partition("/")
    if name not in EXTRACTORS:
        raise ValueError(f"There is no extractor {name!r}. Known: {', '.join(sorted(EXTRACTORS))}.")
    module, _, attribute = EXTRACTORS[name].rpartition(".")
    extractor: Extractor = getattr(import_module(module), attribute)(variant, weights)
    return extractor
