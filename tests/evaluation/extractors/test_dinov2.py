"""DINOv2 extractor, compared with transformers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.extractors.dinov2 import DinoV2
from generators.adapters.diffusers.diffusers_logging import silence_diffusers_logging
from tests.evaluation.extractors.images.encoded_images import encode, make_noise
from tests.evaluation.extractors.tiny_networks import stack, write_dinov2


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_dinov2(folder / "dinov2" / "tiny")
    return folder


def test_features_are_the_normalized_class_token(weights: Path) -> None:
    import torch

    images = [make_noise(*shape) for shape in ((28, 28), (45, 33), (32, 70))]
    with silence_diffusers_logging():
        from transformers import Dinov2Model
        from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

        folder = weights / "dinov2" / "tiny"
        processor, network = BitImageProcessorPil.from_pretrained(folder), Dinov2Model.from_pretrained(folder)
        pixels = processor([Image.fromarray(image) for image in images], return_tensors="pt").pixel_values
        with torch.inference_mode():
            theirs = network(pixels).last_hidden_state[:, 0].numpy()
    extractor, sources = DinoV2("tiny", weights), [encode(image) for image in images]
    np.testing.assert_array_equal(np.stack([extractor.prepare(source) for source in sources]), pixels.numpy())
    np.testing.assert_allclose(stack(extractor, sources), theirs, atol=1e-5)


def test_the_identity_includes_the_preprocessing(weights: Path) -> None:
    identity = DinoV2("tiny", weights).identity
    assert (identity["extractor"], identity["size"], identity["crop"]) == ("dinov2", 32, "center 28")
    assert identity["resize"] == "shorter side, bicubic, 8-bit"
