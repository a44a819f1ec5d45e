"""Inception-v3 network of the Fréchet Inception Distance: TensorFlow's of 2015, which differs from torchvision's.

Source: Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision". These weights differ from the
paper in three ways: average pooling ignores the padding, the last block uses max pooling, and batch normalization has
no scale (and an epsilon of 1e-3).
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.extractors.networks.layers import fold_normalization, join_branches, make_ready

if TYPE_CHECKING:
    from torch import nn

Kernel = int | tuple[int, int]


def load_network(file: Path, features: int) -> "nn.Module":
    """Load the network, from (n, 3, 299, 299) to (n, features), with the weights of a TorchScript archive.

    ``features`` is 2048 (the last average pooling) or 64 (the mean of the first max pooling).
    """
    import torch
    from torch import nn

    with torch.device("meta"):
        network = _build() if features == 2048 else _build()[:4]
    _load_weights(network, file)
    return make_ready(nn.Sequential(network, nn.AdaptiveAvgPool2d(1), nn.Flatten()))


def _load_weights(network: "nn.Module", file: Path) -> None:
    """Fold the weights in; the archive has its convolutions in the order of ``_build``."""
    import torch
    from torch import nn

    with warnings.catch_warnings():
        # TorchScript is deprecated, but these weights exist in no other format.
        warnings.simplefilter("ignore", DeprecationWarning)
        state = torch.jit.load(str(file), map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
    names = [name.removesuffix(".weight") for name in state if name.endswith(".weight")]
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    for convolution, name in zip(convolutions, names[: len(convolutions)], strict=True):
        fold_normalization(
            convolution,
            state[f"{name}.weight"],
            mean=state[f"{name}.mean"],
            variance=state[f"{name}.var"],
            beta=state[f"{name}.beta"],
        )


def _build() -> "nn.Sequential":
    from torch import nn

    return nn.Sequential(
        _conv(3, 32, 3, stride=2),
        _conv(32, 32, 3),
        _conv(32, 64, 3, padding=1),
        nn.MaxPool2d(3, 2),
        _conv(64, 80, 1),
        _conv(80, 192, 3),
        nn.MaxPool2d(3, 2),
        _block_35(192, 32),
        _block_35(256, 64),
        _block_35(288, 64),
        _reduce_35(),
        _block_17(128),
        _block_17(160),
        _block_17(160),
        _block_17(192),
        _reduce_17(),
        _block_8(1280, _average_pool()),
        _block_8(2048, nn.MaxPool2d(3, 1, 1)),
    )


def _conv(inputs: int, outputs: int, kernel: Kernel, *, stride: int = 1, padding: Kernel = 0) -> "nn.Module":
    from torch import nn

    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU(inplace=True))


def _row(inputs: int, outputs: int, width: int) -> "nn.Module":
    return _conv(inputs, outputs, (1, width), padding=(0, width // 2))


def _column(inputs: int, outputs: int, height: int) -> "nn.Module":
    return _conv(inputs, outputs, (height, 1), padding=(height // 2, 0))


def _average_pool() -> "nn.Module":
    from torch import nn

    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def _block_35(inputs: int, pooled: int) -> "nn.Module":
    from torch import nn

    return join_branches(
        _conv(inputs, 64, 1),
        nn.Sequential(_conv(inputs, 48, 1), _conv(48, 64, 5, padding=2)),
        nn.Sequential(_conv(inputs, 64, 1), _conv(64, 96, 3, padding=1), _conv(96, 96, 3, padding=1)),
        nn.Sequential(_average_pool(), _conv(inputs, pooled, 1)),
    )


def _reduce_35() -> "nn.Module":
    from torch import nn

    return join_branches(
        _conv(288, 384, 3, stride=2),
        nn.Sequential(_conv(288, 64, 1), _conv(64, 96, 3, padding=1), _conv(96, 96, 3, stride=2)),
        nn.MaxPool2d(3, 2),
    )


def _block_17(n: int) -> "nn.Module":
    from torch import nn

    return join_branches(
        _conv(768, 192, 1),
        nn.Sequential(_conv(768, n, 1), _row(n, n, 7), _column(n, 192, 7)),
        nn.Sequential(_conv(768, n, 1), _column(n, n, 7), _row(n, n, 7), _column(n, n, 7), _row(n, 192, 7)),
        nn.Sequential(_average_pool(), _conv(768, 192, 1)),
    )


def _reduce_17() -> "nn.Module":
    from torch import nn

    return join_branches(
        nn.Sequential(_conv(768, 192, 1), _conv(192, 320, 3, stride=2)),
        nn.Sequential(_conv(768, 192, 1), _row(192, 192, 7), _column(192, 192, 7), _conv(192, 192, 3, stride=2)),
        nn.MaxPool2d(3, 2),
    )


def _block_8(inputs: int, pool: "nn.Module") -> "nn.Module":
    from torch import nn

    return join_branches(
        _conv(inputs, 320, 1),
        nn.Sequential(_conv(inputs, 384, 1), join_branches(_row(384, 384, 3), _column(384, 384, 3))),
        nn.Sequential(
            _conv(inputs, 448, 1),
            _conv(448, 384, 3, padding=1),
            join_branches(_row(384, 384, 3), _column(384, 384, 3)),
        ),
        nn.Sequential(pool, _conv(inputs, 192, 1)),
    )
