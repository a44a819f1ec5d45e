"""Batches of local models: as many images in one call as memory allows. If it runs out, the batch is halved."""

import gc
import os
import sys
from collections.abc import Callable, Sequence

from generators.adapters.base import AdapterError, Answer, GenerationRequest, Outcome
from generators.adapters.memory import resident_bytes

# Messages of torch, CUDA and onnxruntime, whose exception types are not imported here.
_SIGNS = ("out of memory", "can't allocate memory", "failed to allocate memory", "not enough memory")

Draw = Callable[[Sequence[GenerationRequest]], Sequence[Answer]]


def draw_in_batches(requests: Sequence[GenerationRequest], largest: int, draw: Draw) -> tuple[list[Answer], int]:
    """Draw the requests in batches of at most ``largest``, smaller ones if memory runs out.

    If one image does not fit alone, its answer is invalid (code "out_of_memory"). Any other exception of ``draw`` is
    the answer to its batch only, so that images drawn before are kept.

    Returns:
        One answer per request, and the size of the last batch that fit.
    """
    answers: list[Answer] = []
    while len(answers) < len(requests):
        batch = requests[len(answers) : len(answers) + largest]
        try:
            answers += draw(batch)
            continue
        except Exception as error:
            failed = make_drawing_error(error)
        # Outside the handler, where the exception no longer holds its tensors.
        if failed.code == "out_of_memory":
            free_memory()
            largest = max(1, len(batch) // 2)
            if len(batch) > 1:
                continue
            failed = _describe_memory(batch[0], failed)
        answers += [failed] * len(batch)
    return answers, largest


def make_drawing_error(error: Exception) -> AdapterError:
    """The AdapterError for an exception of torch, diffusers or onnxruntime."""
    if isinstance(error, AdapterError):
        return error
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
    if isinstance(error, MemoryError) or any(sign in text.lower() for sign in _SIGNS):
        return AdapterError(Outcome.INVALID, text, code="out_of_memory")
    if "CUDA error" in text:
        # The GPU's state is lost. Another process can still draw the image.
        return AdapterError(Outcome.TRANSIENT, text, code="device")
    return AdapterError(Outcome.INVALID, text)


def free_memory() -> None:
    """Free unreferenced memory, on the GPU too."""
    gc.collect()
    # If torch is not imported, it holds no memory.
    if (torch := sys.modules.get("torch")) and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _describe_memory(request: GenerationRequest, failed: AdapterError) -> AdapterError:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    text = (
        f"Memory ran out at one image of {request.width} x {request.height} pixels. The process holds"
        f" {resident_bytes():,} of the machine's {total:,} bytes. {failed.message} Ask for a smaller size, or use the"
        " settings offload, vae_tiling or dtype."
    )
    return AdapterError(Outcome.INVALID, text, code="out_of_memory")
