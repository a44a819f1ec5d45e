"""Drawing as many images in one call as memory allows: where it runs out, half as many are tried."""

import gc
import os
import sys
from collections.abc import Callable, Sequence

from generators.adapters.base import AdapterError, Answer, GenerationRequest, Outcome
from generators.adapters.memory import resident_bytes

# How torch, CUDA and onnxruntime say so; their exception types are not imported here.
_SIGNS = ("out of memory", "can't allocate memory", "failed to allocate memory", "not enough memory")

Draw = Callable[[Sequence[GenerationRequest]], Sequence[Answer]]


def draw_in_batches(requests: Sequence[GenerationRequest], largest: int, draw: Draw) -> tuple[list[Answer], int]:
    """(an answer for each request, the size of batch that memory had room for).

    ``draw`` answers a batch of at most ``largest`` requests. Memory that runs out costs only the batch at hand, which
    is tried again in halves; one image that does not fit alone is invalid (code "out_of_memory"). Any other fault of
    ``draw`` answers its batch alone, so that what has been drawn before is kept.
    """
    answers: list[Answer] = []
    while len(answers) < len(requests):
        batch = requests[len(answers) : len(answers) + largest]
        try:
            answers += draw(batch)
            continue
        except Exception as error:
            fault = make_drawing_error(error)
        # Only here, with the error gone, are its tensors free.
        if fault.code == "out_of_memory":
            free_memory()
            largest = max(1, len(batch) // 2)
            if len(batch) > 1:
                continue
            fault = _describe_lack(batch[0], fault)
        answers += [fault] * len(batch)
    return answers, largest


def make_drawing_error(error: Exception) -> AdapterError:
    """What an exception of a library of neural networks means."""
    if isinstance(error, AdapterError):
        return error
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
    if isinstance(error, MemoryError) or any(sign in text.lower() for sign in _SIGNS):
        return AdapterError(Outcome.INVALID, text, code="out_of_memory")
    if "CUDA error" in text:
        # The GPU's state is lost, which says nothing of the image: another worker may well draw it.
        return AdapterError(Outcome.TRANSIENT, text, code="device")
    return AdapterError(Outcome.INVALID, text)


def free_memory() -> None:
    """Give back what nobody refers to any more, the GPU's share too."""
    gc.collect()
    # Not imported for this: without torch there is nothing of its to free.
    if (torch := sys.modules.get("torch")) and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _describe_lack(request: GenerationRequest, fault: AdapterError) -> AdapterError:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    text = (
        f"Memory ran out at one image of {request.width} x {request.height} pixels. The process holds"
        f" {resident_bytes():,} of the machine's {total:,} bytes. {fault.message} Ask for a smaller size, or use the"
        " settings offload, vae_tiling or dtype."
    )
    return AdapterError(Outcome.INVALID, text, code="out_of_memory")
