"""Names of networks in reports, from the specifications of their extractors."""

from typing import Final

NAMES: Final = {
    "inception-v3": "Inception-v3",
    "efficientnet-lite0": "EfficientNet-Lite0",
    "clip-image": "CLIP",
    "dinov2": "DINOv2",
}
FID_NETWORK: Final = NAMES["inception-v3"]
CMMD_NETWORK: Final = "CLIP vit-l-14-336"
ABBREVIATIONS: Final = {"EfficientNet-Lite0": "EffNetLite0", "Inception-v3, first 64": "Inception64"}


def name_network(specification: str) -> str:
    """The network of an extractor: Inception-v3, EfficientNet-Lite0, CLIP vit-b-32.

    The resizing is not part of the name. Inception-v3 up to its first pooling layer is another network.
    """
    name, _, variant = specification.partition("/")
    if name == "inception-v3":
        return f"{FID_NETWORK}, first 64" if variant.endswith(":64") else FID_NETWORK
    return f"{NAMES.get(name, name)} {variant}".strip()


def abbreviate_network(network: str) -> str:
    """The name as a part of an acronym: EffNetLite0, CLIP-vit-b-32."""
    return ABBREVIATIONS.get(network, network.replace(" ", "-"))
