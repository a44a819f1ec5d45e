"""EfficientNet-Lite0, compared with another implementation with the same weights."""

from pathlib import Path

import numpy as np
import pytest

from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.efficientnet import EfficientNetLite0
from tests.evaluation.extractors.images.encoded_images import encode, make_noise
from tests.evaluation.extractors.tiny_networks import stack


@pytest.fixture(scope="module")
def extractor() -> EfficientNetLite0:
    try:
        return EfficientNetLite0("", Path("no-such-folder"))
    except MissingWeightsError as fault:
        pytest.skip(str(fault))


def test_features_equal_those_of_the_published_implementation(extractor: EfficientNetLite0) -> None:
    channel, row, column = np.ogrid[:3, :224, :224]
    planes = (np.sin(row / 7 + channel) * np.cos(column / 11)).astype(np.float32)
    (features,) = extractor.extract([planes])
    # From efficientnet-lite-pytorch 0.1.0: extract_features, averaged over the picture.
    assert isinstance(features, np.ndarray)
    assert features.shape == (1280,)
    assert np.argsort(-features)[:4].tolist() == [287, 66, 248, 61]
    np.testing.assert_allclose(features[[287, 66, 248, 61, 0]], [5.23237, 4.83530, 4.6188, 4.57654, 0.72249], atol=2e-5)
    assert np.linalg.norm(features) == pytest.approx(18.624811, rel=1e-5)


def test_features_do_not_depend_on_the_batch(extractor: EfficientNetLite0) -> None:
    sources = [encode(make_noise(n, 70, n)) for n in (30, 224, 60)]
    alone = np.concatenate([stack(extractor, [source]) for source in sources])
    assert np.abs(stack(extractor, sources) - alone).max() < 1e-5 * np.abs(alone).max()


def test_its_name_does_not_contain_fid(extractor: EfficientNetLite0) -> None:
    assert extractor.identity["extractor"] == "efficientnet-lite0"
    with pytest.raises(ValueError, match="no variants"):
        EfficientNetLite0("clean", Path("no-such-folder"))
