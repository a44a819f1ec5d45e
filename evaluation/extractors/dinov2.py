"""DINOv2 extractor, of any size.

Features are the class token after the last normalization, as in FD-DINOv2 (Stein et al. 2023, "Exposing flaws of
generative model evaluation metrics and their unfair treatment of diffusion models"). Network: Oquab et al. 2023,
"DINOv2: learning robust visual features without supervision".
"""

from typing import TYPE_CHECKING

from evaluation.extractors.pretrained.images import PretrainedImages

if TYPE_CHECKING:
    import torch


class DinoV2(PretrainedImages):
    """The variant is the name of a folder below ``weights``/dinov2, such as vit-l-14."""

    name = "dinov2"
    kind = "dinov2"
    architecture = "Dinov2Model"
    features = "class token"

    def embed(self, pixels: "torch.Tensor") -> "torch.Tensor":
        pooled: torch.Tensor = self.network(pixel_values=pixels).pooler_output
        return pooled
