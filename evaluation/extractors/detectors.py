"""Objects in photographs: any object detector of transformers, from a folder in the Hugging Face layout."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from evaluation.extractors.base import Extracted, ExtractionError, Identity, MissingWeightsError
from evaluation.extractors.images.colors import name_color
from evaluation.extractors.images.decoding import DECODING, Pixels, decode_rgb
from evaluation.extractors.networks.running import expect_packages, find_device
from evaluation.extractors.pretrained.loading import digest_network, load_pretrained
from evaluation.extractors.weights import find_digest, find_weights
from generators.adapters.transformers_logging import silence_transformers_logging

LEAST_CONFIDENCE: Final = 0.1  # metrics ask for more; what is below is never used
MOST_OBJECTS: Final = 100
COLORS: Final = "basic terms by hue, saturation and value, most pixels of the box's ellipse; version 1"


class ObjectDetector:
    """``{"objects": [{"label", "color", "box", "confidence"}], "labels": [...]}``, the most confident object first.

    The variant is the name of a folder below ``weights``/detector. ``labels`` are all that the network knows, COCO's
    eighty for most; ``box`` is x0, y0, x1, y1 in pixels, within the image; ``color`` is one of eleven basic terms, that
    of most pixels of the box. Images go through the network one by one: padding to a common size would change boxes.
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
            "decoding": DECODING,
            "least_confidence": LEAST_CONFIDENCE,
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
                # The same with and without torchvision.
                return AutoImageProcessor.from_pretrained(self.folder, local_files_only=True, backend="pil")
            except Exception as error:  # of many kinds, as the file may name any class
                raise MissingWeightsError(f"{self.folder} has no preprocessing for a detector: {error}") from error

    def prepare(self, source: Any) -> Pixels:
        return decode_rgb(source)

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        return [self._look(image) for image in prepared]

    def _look(self, image: Pixels) -> Extracted | ExtractionError:
        import torch

        with silence_transformers_logging(), torch.inference_mode():
            inputs = self.processor(images=[image], return_tensors="pt", input_data_format="channels_last")
            outputs = self.network(**inputs.to(find_device()))
            found = self.processor.post_process_object_detection(
                outputs, threshold=LEAST_CONFIDENCE, target_sizes=[image.shape[:2]]
            )[0]
        names = self.network.config.id2label
        order = found["scores"].argsort(descending=True, stable=True)[:MOST_OBJECTS].tolist()
        detections = [
            (names[int(found["labels"][i])], found["boxes"][i].tolist(), float(found["scores"][i])) for i in order
        ]
        objects = [describe_object(image, *detection) for detection in detections]
        return {"objects": [thing for thing in objects if thing], "labels": sorted(set(names.values()))}


def describe_object(image: Pixels, label: str, box: Sequence[float], confidence: float) -> dict[str, Any] | None:
    """One object of the record; None for a box that holds no pixel of the image."""
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
