"""Layers of convolutional networks for inference, with batch normalization folded into the weights."""

from typing import TYPE_CHECKING

from evaluation.extractors.networks.running import find_device

if TYPE_CHECKING:
    import torch
    from torch import nn


def join_branches(*branches: "nn.Module") -> "nn.Module":
    """A module that runs all branches on the same input and concatenates their channels."""
    import torch
    from torch import nn

    class Branches(nn.ModuleList):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.cat([branch(inputs) for branch in self], dim=1)

    return Branches(branches)


def add_input(*layers: "nn.Module") -> "nn.Module":
    """A residual block: the output of the layers plus their input."""
    import torch
    from torch import nn

    class Residual(nn.Sequential):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            outputs = inputs
            for layer in self:
                outputs = layer(outputs)
            return outputs + inputs

    return Residual(*layers)


def fold_normalization(
    convolution: "nn.Conv2d",
    weight: "torch.Tensor",
    *,
    mean: "torch.Tensor",
    variance: "torch.Tensor",
    beta: "torch.Tensor",
    gamma: "torch.Tensor | None" = None,
    epsilon: float = 1e-3,
) -> None:
    """Set the weight and bias of ``convolution`` so that it includes the batch normalization that follows it.

    Raises:
        ValueError: ``weight`` has another shape than the convolution's.
    """
    from torch import nn

    if convolution.weight.shape != weight.shape:
        raise ValueError(f"The convolution needs weights {tuple(convolution.weight.shape)}, got {tuple(weight.shape)}.")
    scale = (variance.double() + epsilon).rsqrt() * (1.0 if gamma is None else gamma.double())
    convolution.weight = nn.Parameter(weight * scale.float()[:, None, None, None], requires_grad=False)
    convolution.bias = nn.Parameter((beta.double() - mean.double() * scale).float(), requires_grad=False)


def make_ready(network: "nn.Module") -> "nn.Module":
    """Freeze a network and move it to ``find_device()``, channels last: 1.5 times as fast as channels first."""
    import torch

    frozen = network.eval().requires_grad_(False)
    return frozen.to(device=find_device(), memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
