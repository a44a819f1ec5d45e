"""Running networks in chunks and in parallel."""

from collections.abc import Iterator

import numpy as np
import pytest

from evaluation.extractors.networks.layers import add_input, fold_normalization, join_branches
from evaluation.extractors.networks.running import CHUNK, find_batch_size, run_network


@pytest.fixture
def two_threads() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def make_inputs(n: int) -> list[np.ndarray]:
    return list(np.random.default_rng(0).normal(size=(n, 3, 9, 7)).astype(np.float32))


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("n", [0, 1, 2, CHUNK, 5 * CHUNK + 3])
def test_rows_are_in_order_and_the_number_of_threads_is_restored(n: int) -> None:
    import torch

    inputs = make_inputs(n)
    rows = run_network(lambda batch: batch.mean((2, 3)), inputs)
    assert len(rows) == n
    for row, planes in zip(rows, inputs, strict=True):
        np.testing.assert_allclose(row, planes.mean((1, 2)), atol=1e-6)
    assert torch.get_num_threads() == 2
    assert find_batch_size() == 2 * CHUNK


@pytest.mark.usefixtures("two_threads")
def test_errors_are_raised_and_the_number_of_threads_is_restored() -> None:
    import torch

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        run_network(lambda batch: batch.flatten(1) @ torch.zeros(5, 5), make_inputs(40))
    assert torch.get_num_threads() == 2


def test_a_folded_convolution_equals_the_two_layers() -> None:
    import torch
    from torch import nn

    torch.manual_seed(0)
    convolution, normalization = nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5, eps=1e-3).eval()
    for tensor in (normalization.weight, normalization.bias, normalization.running_mean, normalization.running_var):
        assert tensor is not None
        tensor.data.uniform_(0.1, 2)
    folded = nn.Conv2d(3, 5, 3)
    moments = {"mean": normalization.running_mean, "variance": normalization.running_var}
    fold_normalization(folded, convolution.weight, **moments, beta=normalization.bias, gamma=normalization.weight)
    images = torch.randn(2, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(folded(images), normalization(convolution(images)), atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="got"):
        fold_normalization(nn.Conv2d(3, 5, 1), convolution.weight, **moments, beta=normalization.bias)


def test_branches_are_concatenated_and_residuals_added() -> None:
    import torch
    from torch import nn

    images = torch.randn(2, 3, 4, 4)
    assert torch.equal(join_branches(nn.Identity(), nn.ReLU())(images), torch.cat([images, images.relu()], dim=1))
    assert torch.equal(add_input(nn.ReLU(), nn.ReLU())(images), images.relu() + images)
