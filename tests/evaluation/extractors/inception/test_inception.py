"""Inception-v3 features, compared with the original archive and torchmetrics' documented values."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.extractors.images.resizing import resize
from evaluation.extractors.inception.extractor import InceptionV3
from evaluation.extractors.networks.running import run_network
from tests.evaluation.extractors.images.encoded_images import encode, make_noise
from tests.evaluation.extractors.tiny_networks import find_inception, load_archive, stack

SHAPES = [(299, 299), (64, 300), (150, 90)]


@cache
def extract_documented() -> tuple[dict[int, list[Any]], Any]:
    """Features of torchmetrics' example as {number of features: (real, generated)}, and the random state after it."""
    import torch

    network = find_inception("torchmetrics").network
    kernels = [module.weight.shape for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    torch.manual_seed(42)
    # The example initializes its network at random before loading weights, so draw as many numbers here.
    for shape in (*kernels, (1008, 2048), (1008,)):
        torch.empty(shape).uniform_()
    images = [torch.randint(low, high, (100, 3, 299, 299), dtype=torch.uint8) for low, high in ((0, 200), (100, 255))]
    state = torch.get_rng_state()
    layers = network[0]

    def look(planes: Any) -> Any:
        early = layers[:4](planes)
        return torch.cat([early.mean((2, 3)), layers[4:](early).mean((2, 3))], dim=1)

    both = [np.stack(run_network(look, list(((batch.float() - 128) / 128).numpy()))) for batch in images]
    tables = [torch.from_numpy(each) for each in both]
    return {64: [each[:, :64] for each in tables], 2048: [each[:, 64:] for each in tables]}, state


def measure(metric: Any, n: int) -> Any:
    """Compute torchmetrics' metric from the extracted features."""
    import torch

    (real, generated), state = extract_documented()[0][n], extract_documented()[1]
    torch.set_rng_state(state)
    metric.update(real, real=True)
    metric.update(generated, real=False)
    return metric.compute()


def make_identity(n: int) -> Any:
    """A network that returns its input, as the features are already extracted."""
    import torch

    network = torch.nn.Identity()
    network.num_features = n
    return network


def test_fid_equals_the_documented_value() -> None:
    from torchmetrics.image.fid import FrechetInceptionDistance

    assert round(float(measure(FrechetInceptionDistance(feature=make_identity(64)), 64)), 4) == 12.6388


# Extracting the images of the example takes 20 seconds on one core, here or in the previous test.
@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save:UserWarning")
def test_kid_equals_the_documented_value() -> None:
    from torchmetrics.image.kid import KernelInceptionDistance

    mean, deviation = measure(KernelInceptionDistance(feature=make_identity(2048), subset_size=50), 2048)
    assert (round(float(mean), 4), round(float(deviation), 4)) == (0.0312, 0.0025)


def test_features_equal_those_of_the_original_archive() -> None:
    import torch

    extractor = find_inception("clean")
    images = [make_noise(*shape, seed) for seed, shape in enumerate(SHAPES)]
    planes = np.stack([(resize("clean", image, 299) - 128) / 128 for image in images])
    with torch.inference_mode():
        theirs = load_archive()(torch.from_numpy(planes)).numpy()
    ours = stack(extractor, [encode(image) for image in images])
    assert ours.shape == (3, 2048)
    assert ours.dtype == np.float32
    assert np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()


def test_features_do_not_depend_on_the_batch() -> None:
    sources = [encode(make_noise(*shape)) for shape in SHAPES]
    extractor = find_inception("clean")
    alone = np.concatenate([stack(extractor, [source]) for source in sources])
    assert np.abs(stack(extractor, sources) - alone).max() < 1e-5 * np.abs(alone).max()


def test_the_64_features_are_the_mean_of_the_first_pooling() -> None:
    import torch

    extractor, source = find_inception("torchmetrics:64"), encode(make_noise(40, 60))
    with torch.inference_mode():
        planes = find_inception("torchmetrics").network[0][:4](torch.from_numpy(extractor.prepare(source))[None])
    np.testing.assert_allclose(stack(extractor, [source])[0], planes.mean((2, 3))[0].numpy(), atol=1e-6)
    assert extractor.identity["features"] == 64


def test_each_variant_has_its_resizing_and_normalization() -> None:
    pixels = make_noise(80, 50)
    for name in ("clean", "torchmetrics", "legacy-tensorflow"):
        prepared = find_inception(name).prepare(encode(pixels))
        np.testing.assert_array_equal(prepared, (resize(name, pixels, 299) - 128) / 128)
    # pytorch-fid maps 0..255 to -1..1.
    prepared = find_inception("legacy-pytorch").prepare(encode(pixels))
    np.testing.assert_allclose(prepared, 2 * (resize("legacy-pytorch", pixels, 299) / 255) - 1, atol=1e-6)


def test_the_identity_includes_everything_that_affects_the_features() -> None:
    identities = {str(sorted(find_inception(name).identity.items())) for name in ("clean", "torchmetrics", "clean:64")}
    assert len(identities) == 3
    assert find_inception("clean").identity == {
        "extractor": "inception-v3",
        "sha256": "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
        "features": 2048,
        "decoding": "8-bit RGB as stored, on grey 128",
        "resize": "clean",
        "size": 299,
        "crop": "none",
        "normalization": "(x - 128) / 128",
    }


@pytest.mark.parametrize("variant", ["", "antialiased", "clean:128"])
def test_an_unknown_variant_lists_the_known_ones(variant: str) -> None:
    with pytest.raises(ValueError, match="clean, clean:64, legacy-pytorch"):
        InceptionV3(variant, Path("no-such-folder"))
