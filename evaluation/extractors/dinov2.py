"""DINOv2 of any size, from a folder (Oquab et al. 2023, "DINOv2: learning robust visual features without
supervision"). Features are the class token after the last normalization, as FD-DINOv2 uses them (Stein et al. 2023,
"Exposing flaws of generative model evaluation metrics and their unfair treatment of diffusion models").
"""

from typing import TYPE_CHECKING

from evaluation.extractors.pretrained.images import PretrainedImages

if TYPE_CHECKING:
    import torch


class DinoV2(PretrainedImages):
    """The variant is the name of a folder below ``weights``/dinov2, vit-l-14 say."""

    name = "dinov2"
    kind = "dinov2"
    architecture = "Dinov2Model"
    features = "class token"

    def look(self, pixels: "torch.Tensor") -> "torch.Tensor":
        pooled: torch.Tensor = self.network(pixel_values=pixels).pooler_output
        return pooled
