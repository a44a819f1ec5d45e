"""The adapter "diffusers": draws with the weights of a diffusers pipeline on this machine.

Each image has its own random generator on the CPU, seeded by the request, so that it does not depend on its batch. On
another kind of GPU, or with another version of torch, the same seed may draw another image.
"""

import inspect
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from pydantic import SecretStr

from generators.adapters.base import (
    AdapterDeclaration,
    AdapterError,
    Answer,
    Capabilities,
    GeneratedImage,
    GenerationRequest,
    Outcome,
    SourceRules,
)
from generators.adapters.batches import draw_in_batches
from generators.adapters.diffusers.diffusers_logging import silence_diffusers_logging
from generators.adapters.diffusers.pipelines import Pipelines, Task, find_default, find_multiple, find_task
from generators.adapters.diffusers.settings import DiffusersSettings
from generators.adapters.png import encode_png
from generators.images.decoding import UnusableImageError
from generators.images.srgb import decode_mask, decode_shown


class DiffusersGenerator:
    """Draws from text, edits an image, and inpaints inside a mask."""

    declaration: ClassVar[AdapterDeclaration] = AdapterDeclaration(
        extra="workers", sources=SourceRules(("image/png", "image/jpeg", "image/webp", "image/avif"))
    )
    Settings: ClassVar[type[DiffusersSettings]] = DiffusersSettings

    def __init__(self, settings: DiffusersSettings, key: SecretStr | None) -> None:
        self.settings = settings
        self._pipelines: Pipelines | None = None
        # The batch that fits into memory, by task and size, so that a larger one is not tried again.
        self._fitting: dict[tuple[Task, int, int], int] = {}

    @staticmethod
    def capabilities(settings: DiffusersSettings) -> Capabilities:
        return Capabilities(
            max_sources=1, masks=True, max_batch=settings.max_batch, mixes_prompts=True, holds_weights=True
        )

    @property
    def pipelines(self) -> Pipelines:
        """The pipelines, loaded at the first use. Raises as ``Pipelines`` does."""
        if self._pipelines is None:
            self._pipelines = Pipelines(self.settings)
        return self._pipelines

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Answer]:
        """Return an image or an AdapterError for each request. Sizes are rounded to the pipeline's multiple."""
        answers: dict[int, Answer] = {}
        numbers: dict[Task, list[int]] = {}
        for number, request in enumerate(requests):
            try:
                numbers.setdefault(find_task(request), []).append(number)
            except AdapterError as error:
                answers[number] = error
        for task, of_task in numbers.items():
            drawn = self._draw_task(task, [requests[number] for number in of_task])
            answers.update(zip(of_task, drawn, strict=True))
        return [answers[number] for number in range(len(requests))]

    def close(self) -> None:
        if self._pipelines is not None:
            self._pipelines.close()
            self._pipelines = None

    def _draw_task(self, task: Task, requests: Sequence[GenerationRequest]) -> list[Answer]:
        key = (task, requests[0].width, requests[0].height)
        largest = self._fitting.get(key, self.settings.max_batch)
        pipelines = self.pipelines
        try:
            pipeline = pipelines.find(task)
        except AdapterError as error:
            return [error] * len(requests)
        answers, self._fitting[key] = draw_in_batches(
            requests, largest, lambda batch: self._draw_batch(pipeline, task, batch)
        )
        return answers

    def _draw_batch(self, pipeline: Any, task: Task, batch: Sequence[GenerationRequest]) -> list[Answer]:
        arguments = describe_call(pipeline, self.settings, task, batch)
        self.pipelines.forget_peak()
        started = time.monotonic()
        with silence_diffusers_logging():
            output = pipeline(**arguments, output_type="np")
        seconds = (time.monotonic() - started) / len(batch)
        flagged = getattr(output, "nsfw_content_detected", None) or [False] * len(batch)
        versions = {package: version(package) for package in ("diffusers", "torch", "transformers")}
        memory = self.pipelines.describe_memory()
        shared = {"seconds": seconds, "batch": len(batch), "memory": memory, "versions": versions}
        reports = [
            {**shared, "parameters": self._describe(pipeline, task, pixels, request.seed)}
            for request, pixels in zip(batch, output.images, strict=True)
        ]
        # In parallel, because the GPU waits while the images are encoded.
        with ThreadPoolExecutor(min(len(batch), os.cpu_count() or 1)) as threads:
            return list(threads.map(self._answer, output.images, flagged, reports))

    def _answer(self, pixels: Any, unsafe: bool, reported: dict[str, Any]) -> Answer:
        if unsafe:
            text = "The model's safety checker rejected the image."
            return AdapterError(Outcome.REFUSED, text, stage="image", code="safety_checker", reported=reported)
        if not np.isfinite(pixels).all():
            text = (
                f"The image has NaN or infinite pixels, at dtype {reported['parameters']['dtype']}. Try another dtype."
            )
            return AdapterError(Outcome.INVALID, text, code="not_finite", reported=reported)
        return GeneratedImage(encode_png(pixels), "image/png", reported)

    def _describe(self, pipeline: Any, task: Task, pixels: Any, seed: int) -> dict[str, Any]:
        settings = self.settings
        described = {
            "path": settings.path,
            "commit": self.pipelines.commit,
            "task": task.value,
            "pipeline": type(pipeline).__name__,
            "scheduler": type(pipeline.scheduler).__name__,
            "seed": seed,
            "steps": settings.steps or find_default(pipeline, "num_inference_steps"),
            "guidance": find_default(pipeline, "guidance_scale") if settings.guidance is None else settings.guidance,
            "negative_prompt": settings.negative_prompt,
            "dtype": str(self.pipelines.dtype).removeprefix("torch."),
            "device": str(self.pipelines.device),
            "width": pixels.shape[1],
            "height": pixels.shape[0],
        }
        if task is not Task.TEXT:
            described["strength"] = settings.strength or find_default(pipeline, "strength")
        return described


def describe_call(
    pipeline: Any, settings: DiffusersSettings, task: Task, batch: Sequence[GenerationRequest]
) -> dict[str, Any]:
    """The pipeline's arguments for these requests, which have one task and size.

    Raises AdapterError (invalid) for a setting that this pipeline does not know, instead of ignoring it.
    """
    import torch

    if task is not Task.TEXT:
        _check_strength(pipeline, settings)
    multiple = find_multiple(pipeline)
    width, height = (max(multiple, round(side / multiple) * multiple) for side in (batch[0].width, batch[0].height))
    arguments: dict[str, Any] = {
        "prompt": [request.prompt for request in batch],
        "generator": [torch.Generator("cpu").manual_seed(request.seed) for request in batch],
    }
    declared = {
        "num_inference_steps": settings.steps,
        "guidance_scale": settings.guidance,
        "negative_prompt": [settings.negative_prompt] * len(batch) if settings.negative_prompt else None,
        "strength": settings.strength if task is not Task.TEXT else None,
    }
    arguments |= {name: value for name, value in declared.items() if value is not None}
    if task is not Task.TEXT:
        arguments["image"] = [_open(decode_shown, request.sources[0], (width, height)) for request in batch]
    if task is Task.INPAINT:
        arguments["mask_image"] = [_open(decode_mask, request.mask or b"", (width, height)) for request in batch]
    known = set(inspect.signature(pipeline.__call__).parameters)
    # Some pipelines take the size from the source.
    arguments |= {name: side for name, side in (("width", width), ("height", height)) if name in known}
    if unknown := sorted(set(arguments) - known):
        text = f"{type(pipeline).__name__} takes no {', '.join(unknown)}. Take it out of the model's settings."
        raise AdapterError(Outcome.INVALID, text)
    return arguments


def _check_strength(pipeline: Any, settings: DiffusersSettings) -> None:
    """Raise AdapterError if ``strength`` leaves an edit no step, which diffusers reports as an obscure error."""
    steps = settings.steps or find_default(pipeline, "num_inference_steps")
    strength = settings.strength or find_default(pipeline, "strength")
    if steps and strength and int(steps * strength) < 1:
        text = f"An edit with strength {strength} and {steps} steps has no step to take. Raise one of the two."
        raise AdapterError(Outcome.INVALID, text)


def _open(decode: Callable[[bytes], Image.Image], data: bytes, size: tuple[int, int]) -> Image.Image:
    try:
        return decode(data).resize(size, Image.Resampling.LANCZOS)
    except UnusableImageError as error:
        text = f"The {'mask' if decode is decode_mask else 'image to edit'} could not be read: {error}"
        raise AdapterError(Outcome.INVALID, text) from error
