"""Loading of networks in the Hugging Face layout, from a local folder only."""

import hashlib
import json
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.networks.running import find_device
from evaluation.extractors.weights import NETWORK, find_digest
from generators.adapters.transformers_logging import silence_transformers_logging

# The image and the text extractor of a CLIP share one network.
_loaded: "WeakValueDictionary[tuple[str, str], Any]" = WeakValueDictionary()


def load_pretrained(architecture: str, folder: Path) -> Any:
    """Load a network on ``find_device()``, in float32. Extractors that use the same files share one network.

    Args:
        architecture: Name of a class of transformers.
        folder: A folder with config.json and the weights.

    Raises:
        MissingWeightsError: The files are damaged, or weights are missing.
    """
    key = architecture, digest_network(folder) + find_digest(folder / "config.json")
    network = _loaded.get(key)
    if network is None:
        network = _loaded[key] = _load(architecture, folder)
    return network


def _load(architecture: str, folder: Path) -> Any:
    import torch

    with silence_transformers_logging():
        import transformers

        load = getattr(transformers, architecture).from_pretrained
        try:
            network, report = load(folder, local_files_only=True, dtype=torch.float32, output_loading_info=True)
        except Exception as error:
            # A truncated file, a Git LFS pointer and another architecture each raise different exceptions.
            raise MissingWeightsError(f"{folder} cannot be loaded as {architecture}: {error}") from error
    # transformers would fill missing weights with random numbers.
    if absent := sorted(report["missing_keys"]) or [str(key) for key in report["mismatched_keys"]]:
        raise MissingWeightsError(
            f"{folder} is not a complete {architecture}: {len(absent)} weights are missing ({absent[0]}, ...)."
        )
    return network.eval().requires_grad_(False).to(find_device())


def digest_network(folder: Path) -> str:
    """The sha256 of the weight file, or, for sharded weights, the sha256 of the digests of the shards."""
    file = next(folder / name for name in NETWORK if (folder / name).is_file())
    if file.suffix != ".json":
        return find_digest(file)
    try:
        shards = sorted(set(json.loads(file.read_text())["weight_map"].values()))
        digests = [find_digest(folder / name) for name in shards]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise MissingWeightsError(f"{file} names weight files that are missing: {error}") from error
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def read_json(file: Path) -> dict[str, Any]:
    """Read a configuration file. Raises MissingWeightsError if it is damaged."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MissingWeightsError(f"{file} is damaged: {error}") from error
    if not isinstance(found, dict):
        raise MissingWeightsError(f"{file} is damaged: it does not contain a JSON object.")
    return found
