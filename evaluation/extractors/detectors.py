"""Object detector extractor: any detection network of transformers, from a folder in the Hugging Face layout."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from evaluation.extractors.base import Extracted, ExtractionError, Identity, MissingWeightsError
from evaluation.extractors.images.colors import name_color
from evaluation.extractors.images.decoding import Pixels, decode_shown
from evaluation.extractors.networks.running import expect_packages, find_device
from evaluation.extractors.pretrained.loading import digest_network, load_pretrained
from evaluation.extractors.weights import find_digest, find_weights
from generators.adapters.transformers_logging import silence_transformers_logging
from generators.images.srgb import SHOWN

MIN_CONFIDENCE: Final = 0.1  # metrics use higher thresholds
MAX_OBJECTS: Final = 100
COLORS: Final = "basic terms by hue, saturation and value, most pixels of the box's ellipse; version 1"


class ObjectDetector:
    """Record: ``{"objects": [{"label", "color", "box", "confidence"}], "labels": [...]}``, sorted by confidence.

    The variant is the name of a folder below ``weights``/detector. ``labels`` are all classes of the network (for most,
    COCO's 80); ``box`` is x0, y0, x1, y1 in pixels, clipped to the image; ``color`` is the basic colour term of most
    pixels in the box. Images are processed one by one, because padding to a common size would change the boxes.
    """

    batch_size = 4

    def __init__(self, variant: str, weights: Path) -> None:
        expect_packages("torch", "transformers")
        self.folder = find_weights(f"detector/{variant}", weights)

    @cached_property
    def identity(self) -> Identity:
        return {
            "extractor": "detector",
            "sha256": digest_network(self.folder),
            "config": find_digest(self.folder / "config.json"),
            "preprocessing": find_digest(self.folder / "preprocessor_config.json"),
            "decoding": SHOWN,
            "min_confidence": MIN_CONFIDENCE,
            "colors": COLORS,
        }

    @cached_property
    def network(self) -> Any:
        return load_pretrained("AutoModelForObjectDetection", self.folder)

    @cached_property
    def processor(self) -> Any:
        with silence_transformers_logging():
            from transformers import AutoImageProcessor

            try:
                # The Pillow backend gives the same result with and without torchvision.
                return AutoImageProcessor.from_pretrained(self.folder, local_files_only=True, backend="pil")
            except Exception as error:  # the file may name any class, and each raises its own errors
                raise MissingWeightsError(f"{self.folder} has no detector preprocessing: {error}") from error

    def prepare(self, source: Any) -> Pixels:
        return decode_shown(source)

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        return [self._detect(image) for image in prepared]

    def _detect(self, image: Pixels) -> Extracted | ExtractionError:
        import torch

        with silence_transformers_logging(), torch.inference_mode():
            inputs = self.processor(images=[image], return_tensors="pt", input_data_format="channels_last")
            outputs = self.network(**inputs.to(find_device()))
            found = self.processor.post_process_object_detection(
                outputs, threshold=MIN_CONFIDENCE, target_sizes=[image.shape[:2]]
            )[0]
        names = self.network.config.id2label
        order = found["scores"].argsort(descending=True, stable=True)[:MAX_OBJECTS].tolist()
        detections = [
            (names[int(found["labels"][i])], found["boxes"][i].tolist(), float(found["scores"][i])) for i in order
        ]
        objects = [describe_object(image, *detection) for detection in detections]
        return {"objects": [item for item in objects if item], "labels": sorted(set(names.values()))}


def describe_object(image: Pixels, label: str, box: Sequence[float], confidence: float) -> dict[str, Any] | None:
    """One object of the record, or None if the box contains no pixel of the image."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (min(max(side, 0.0), most) for side, most in zip(box, (width, height) * 2, strict=True))
    patch = image[int(y0) : round(y1), int(x0) : round(x1)]
    if not patch.size:
        return None
    return {
        "label": label,
        "color": name_color(patch),
        "box": [round(side, 1) for side in (x0, y0, x1, y1)],
        "confidence": round(confidence, 4),
    }
