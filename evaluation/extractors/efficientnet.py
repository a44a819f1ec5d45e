"""EfficientNet-Lite0 extractor: small and fast. A Fréchet distance of these features is not an FID.

Source: Tan & Le 2019, "EfficientNet: rethinking model scaling for convolutional neural networks". The Lite variants
have no squeeze-and-excitation and use ReLU6. The weights are Google's, converted to PyTorch.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from evaluation.extractors.base import Extracted, ExtractionError, Identity
from evaluation.extractors.images.decoding import decode_stored
from evaluation.extractors.images.resizing import Planes, resize
from evaluation.extractors.networks.layers import add_input, fold_normalization, make_ready
from evaluation.extractors.networks.running import expect_packages, find_batch_size, run_network
from evaluation.extractors.weights import find_digest, find_weights
from generators.images.srgb import STORED

if TYPE_CHECKING:
    from torch import nn

NAME: Final = "efficientnet-lite0"
SIDE: Final = 224
FEATURES: Final = 1280
# (blocks, expansion, channels, kernel, stride of the first block), as in table 1 of the paper.
STAGES: Final = (
    (1, 1, 16, 3, 1),
    (2, 6, 24, 3, 2),
    (2, 6, 40, 5, 2),
    (3, 6, 80, 3, 2),
    (3, 6, 112, 5, 1),
    (4, 6, 192, 5, 2),
    (1, 6, 320, 3, 1),
)


class EfficientNetLite0:
    """Images are resized to 224 x 224 by ``clean``; pixels become (x - 127) / 128. No variants."""

    def __init__(self, variant: str, weights: Path) -> None:
        if variant:
            raise ValueError(f"The extractor {NAME!r} has no variants: write {NAME!r}, not '{NAME}/{variant}'.")
        expect_packages("torch")
        self.file = find_weights(NAME, weights)

    @property
    def batch_size(self) -> int:
        return find_batch_size()

    @cached_property
    def identity(self) -> Identity:
        return {
            "extractor": NAME,
            "sha256": find_digest(self.file),
            "features": FEATURES,
            "decoding": STORED,
            "resize": "clean",
            "size": SIDE,
            "crop": "none",
            "normalization": "(x - 127) / 128",
        }

    @cached_property
    def network(self) -> "nn.Module":
        return load_network(self.file)

    def prepare(self, source: bytes) -> Planes:
        return (resize("clean", decode_stored(source), SIDE) - 127.0) / 128.0

    def extract(self, prepared: Sequence[Any]) -> list[Extracted | ExtractionError]:
        return list(run_network(self.network, prepared))


def load_network(file: Path) -> "nn.Module":
    """Load the network without its classifier, from (n, 3, 224, 224) to (n, 1280)."""
    import torch
    from torch import nn

    with torch.device("meta"):
        network = _build()
    state = torch.load(file, map_location="cpu", weights_only=True)
    names = [name.removesuffix(".weight") for name, tensor in state.items() if tensor.ndim == 4]
    norms = [name.removesuffix(".running_mean") for name in state if name.endswith(".running_mean")]
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    # In the file each convolution is followed by its normalization, in the order of ``_build``.
    for convolution, name, norm in zip(convolutions, names, norms, strict=True):
        fold_normalization(
            convolution,
            state[f"{name}.weight"],
            mean=state[f"{norm}.running_mean"],
            variance=state[f"{norm}.running_var"],
            beta=state[f"{norm}.bias"],
            gamma=state[f"{norm}.weight"],
        )
    return make_ready(network)


def _build() -> "nn.Module":
    from torch import nn

    layers, channels = [_conv(3, 32, kernel=3, stride=2)], 32
    for n_blocks, expansion, outputs, kernel, stride in STAGES:
        for k in range(n_blocks):
            layers.append(_block(channels, outputs, expansion, kernel, stride if k == 0 else 1))
            channels = outputs
    return nn.Sequential(*layers, _conv(channels, FEATURES, kernel=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _block(inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> "nn.Module":
    """Inverted residual block: expansion (unless the factor is 1), depthwise convolution, projection."""
    from torch import nn

    inner = inputs * expansion
    expand = [] if expansion == 1 else [_conv(inputs, inner, kernel=1)]
    layers = [*expand, _conv(inner, inner, kernel=kernel, stride=stride, groups=inner), nn.Conv2d(inner, outputs, 1)]
    return add_input(*layers) if stride == 1 and inputs == outputs else nn.Sequential(*layers)


def _conv(inputs: int, outputs: int, *, kernel: int, stride: int = 1, groups: int = 1) -> "nn.Module":
    from torch import nn

    if stride == 1:
        convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups)
        return nn.Sequential(convolution, nn.ReLU6(inplace=True))
    # TensorFlow's padding for an even side: if it is odd, the extra pixel comes after.
    before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
    padding = nn.ZeroPad2d((before, after, before, after))
    return nn.Sequential(padding, nn.Conv2d(inputs, outputs, kernel, stride, groups=groups), nn.ReLU6(inplace=True))
