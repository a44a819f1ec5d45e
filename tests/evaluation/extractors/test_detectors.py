"""Object detector with a tiny random network, compared with transformers."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.extractors import detectors
from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.detectors import ObjectDetector, describe_object
from generators.adapters.diffusers.diffusers_logging import silence_diffusers_logging

LABELS = {0: "cat", 1: "lamp", 2: "mouse"}
RNG = np.random.default_rng(8)
IMAGES = [RNG.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((48, 80), (90, 33), (64, 64))]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a randomly initialized detector "tiny"."""
    import torch

    folder = tmp_path_factory.mktemp("weights")
    with silence_diffusers_logging():
        from transformers import YolosConfig, YolosForObjectDetection

        torch.manual_seed(0)
        config = YolosConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, image_size=[64, 96],
            patch_size=16, num_detection_tokens=9, id2label=LABELS, label2id={name: i for i, name in LABELS.items()},
        )  # fmt: skip
        YolosForObjectDetection(config).save_pretrained(folder / "detector" / "tiny")
    asked = {"image_processor_type": "YolosImageProcessor", "size": {"shortest_edge": 64, "longest_edge": 96}}
    (folder / "detector" / "tiny" / "preprocessor_config.json").write_text(json.dumps(asked))
    return folder


@pytest.fixture
def detector(weights: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectDetector:
    # An untrained network has low confidences.
    monkeypatch.setattr(detectors, "MIN_CONFIDENCE", 0.01)
    return ObjectDetector("tiny", weights)


def encode(image: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def find_with_transformers(folder: Path, image: np.ndarray) -> list[tuple[str, list[float], float]]:
    import torch

    with silence_diffusers_logging(), torch.inference_mode():
        from transformers import YolosForObjectDetection, YolosImageProcessorPil

        processor = YolosImageProcessorPil.from_pretrained(folder)
        network = YolosForObjectDetection.from_pretrained(folder).eval()
        inputs = processor(images=Image.fromarray(image), return_tensors="pt")
        found = processor.post_process_object_detection(network(**inputs), 0.01, [image.shape[:2]])[0]
    rows = zip(found["labels"].tolist(), found["boxes"].tolist(), found["scores"].tolist(), strict=True)
    return sorted(((LABELS[label], box, score) for label, box, score in rows), key=lambda row: -row[2])


def test_detections_equal_transformers(detector: ObjectDetector, weights: Path) -> None:
    for image in IMAGES:
        (found,) = detector.extract([detector.prepare(encode(image))])
        expected = find_with_transformers(weights / "detector" / "tiny", image)
        assert found["labels"] == ["cat", "lamp", "mouse"]
        assert len(found["objects"]) == len(expected) > 0
        height, width = image.shape[:2]
        for thing, (label, box, score) in zip(found["objects"], expected, strict=True):
            assert thing["label"] == label
            assert thing["confidence"] == pytest.approx(score, abs=1e-4)
            assert thing["box"] == pytest.approx(np.clip(box, 0, [width, height] * 2), abs=0.06)


def test_detections_do_not_depend_on_the_batch(detector: ObjectDetector) -> None:
    alone = [detector.extract([image])[0] for image in IMAGES]
    assert detector.extract(IMAGES) == alone
    assert json.loads(json.dumps(alone)) == alone


def test_the_colour_is_that_of_the_box() -> None:
    image = np.full((60, 60, 3), (30, 90, 220), dtype=np.uint8)
    image[20:40, 10:30] = (210, 30, 30)
    assert describe_object(image, "cat", [10, 20, 30, 40], 0.9)["color"] == "red"
    assert describe_object(image, "cat", [-5, -5, 70, 70], 0.9) == {
        "label": "cat", "color": "blue", "box": [0.0, 0.0, 60, 60], "confidence": 0.9,
    }  # fmt: skip
    assert describe_object(image, "cat", [70, 70, 90, 90], 0.9) is None


def test_missing_files_are_named_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"preprocessor_config\.json.*hf download"):
        ObjectDetector("rtdetr-r50", tmp_path)


def test_a_wrong_preprocessing_is_rejected(weights: Path, tmp_path: Path) -> None:
    broken = tmp_path / "detector" / "broken"
    broken.mkdir(parents=True)
    for file in (weights / "detector" / "tiny").iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "preprocessor_config.json").write_text("{}")
    (broken / "config.json").write_text("{}")
    with pytest.raises(MissingWeightsError, match="no detector preprocessing"):
        _ = ObjectDetector("broken", tmp_path).processor


def test_the_identity_depends_on_the_files(detector: ObjectDetector, weights: Path) -> None:
    assert detector.identity == ObjectDetector("tiny", weights).identity
    assert len(str(detector.identity["sha256"])) == 64
