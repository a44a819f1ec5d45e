"""Pipelines that share one set of weights: text to image, image to image, inpainting."""

import inspect
import logging
import re
import time
from enum import StrEnum
from pathlib import Path
from typing import Any

from generators.adapters.base import AdapterError, GenerationRequest, Outcome
from generators.adapters.batches import free_memory, make_drawing_error
from generators.adapters.diffusers.diffusers_logging import silence_diffusers_logging
from generators.adapters.diffusers.settings import DiffusersSettings
from generators.adapters.memory import peak_resident_bytes
from generators.adapters.packages import make_import_error

log = logging.getLogger(__name__)

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
# Schedulers with random noise that the seed does not control.
UNSEEDED = {"DPMSolverSDEScheduler", "CosineDPMSolverMultistepScheduler"}
# Statuses of the Hub that are worth retrying.
PASSING = {408, 425, 429}


class Task(StrEnum):
    TEXT = "text to image"
    EDIT = "image to image"
    INPAINT = "inpainting"


def find_task(request: GenerationRequest) -> Task:
    """The task of a request. Raises AdapterError (invalid) if no pipeline can do it."""
    if len(request.sources) > 1:
        text = f"The request has {len(request.sources)} source images; this adapter takes one."
        raise AdapterError(Outcome.INVALID, text)
    if not request.sources:
        if request.mask is not None:
            raise AdapterError(Outcome.INVALID, "The request has a mask, but no source image. A mask needs one.")
        return Task.TEXT
    return Task.INPAINT if request.mask is not None else Task.EDIT


class Pipelines:
    """Loads the weights when it is created, and builds the pipeline of a task from them at its first use.

    Raises AdapterError: invalid if the weights cannot be loaded, transient if the Hub does not respond.
    """

    def __init__(self, settings: DiffusersSettings) -> None:
        self.settings = settings
        started = time.monotonic()
        try:
            with silence_diffusers_logging():
                self._load()
        except AdapterError:
            raise
        except ImportError as error:
            raise make_import_error(error, extra="workers") from error
        except Exception as error:
            failed = make_drawing_error(error)
            text = f"{settings.path} could not be loaded as a diffusers pipeline: {failed.message}"
            raise AdapterError(failed.outcome, text, code=failed.code) from error
        seconds = time.monotonic() - started
        log.info("%s loaded in %.1f s, %d bytes of weights", settings.path, seconds, self.weights_bytes)

    def find(self, task: Task) -> Any:
        """The diffusers pipeline for ``task``. Raises AdapterError (invalid) if this model has none."""
        if task not in self._by_task:
            with silence_diffusers_logging():
                self._by_task[task] = self._derive(task)
        return self._by_task[task]

    def forget_peak(self) -> None:
        """Reset the peak that ``describe_memory`` reports. On a CPU it is that of the process and stays."""
        import torch

        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def describe_memory(self) -> dict[str, Any]:
        """Bytes of the weights, and the peak; ``measured`` says of what."""
        import torch

        on_gpu = self.device.type == "cuda"
        return {
            "weights_bytes": self.weights_bytes,
            "peak_bytes": torch.cuda.max_memory_allocated(self.device) if on_gpu else peak_resident_bytes(),
            "measured": "tensors on the GPU" if on_gpu else "whole process, since its start",
        }

    def close(self) -> None:
        self._by_task.clear()
        del self._base
        free_memory()

    def _load(self) -> None:
        from diffusers import DiffusionPipeline

        settings = self.settings
        folder = find_folder(settings)
        self.device = _choose_device(settings)
        self.dtype = _choose_dtype(settings, self.device)
        # The folder of a Hub id is named after the commit.
        self.commit = folder.name if folder.parent.name == "snapshots" else None
        base = DiffusionPipeline.from_pretrained(
            folder, dtype=self.dtype, variant=settings.variant, local_files_only=True
        )
        if settings.scheduler:
            base.scheduler = _find_scheduler(base.scheduler, settings.scheduler)
        if settings.vae_slicing:
            base.vae.enable_slicing()
        if settings.vae_tiling:
            base.vae.enable_tiling()
        self._place(base)
        if settings.compile:
            _find_denoiser(base).compile()
        self._base, self._by_task = base, dict[Task, Any]()
        self.weights_bytes = _count_bytes(base)

    def _place(self, base: Any) -> None:
        offload = self.settings.offload
        if offload == "none":
            base.to(self.device)
        elif self.device.type != "cuda":
            text = f"The setting offload={offload!r} needs a GPU; the device is {self.device}. Use offload='none'."
            raise AdapterError(Outcome.INVALID, text)
        elif offload == "sequential":
            base.enable_sequential_cpu_offload(device=self.device)
        elif offload == "group":
            base.enable_group_offload(onload_device=self.device, offload_type="leaf_level", use_stream=True)

    def _derive(self, task: Task) -> Any:
        from diffusers import AutoPipelineForImage2Image, AutoPipelineForInpainting, AutoPipelineForText2Image

        classes = {
            Task.TEXT: AutoPipelineForText2Image,
            Task.EDIT: AutoPipelineForImage2Image,
            Task.INPAINT: AutoPipelineForInpainting,
        }
        try:
            pipeline = classes[task].from_pipe(self._base)
        except ValueError as error:
            text = f"{type(self._base).__name__} of {self.settings.path} has no pipeline for {task}."
            raise AdapterError(Outcome.INVALID, text) from error
        pipeline.set_progress_bar_config(disable=True)
        # SDXL adds an invisible watermark if its package is installed, which would identify the model.
        if hasattr(pipeline, "watermark"):
            pipeline.watermark = None
        if self.settings.offload == "model":
            # The hooks depend on the order of the task's networks, so each pipeline has its own.
            pipeline.enable_model_cpu_offload(device=self.device)
        return pipeline


def find_multiple(pipeline: Any) -> int:
    """Width and height must be multiples of this many pixels."""
    # Transformers read latents in patches of two by two.
    return int(getattr(pipeline, "vae_scale_factor", 8)) * (2 if hasattr(pipeline, "transformer") else 1)


def find_default(pipeline: Any, name: str) -> Any:
    """The pipeline's default of the argument ``name``; None if it has no such argument."""
    parameter = inspect.signature(pipeline.__call__).parameters.get(name)
    return None if parameter is None or parameter.default is inspect.Parameter.empty else parameter.default


def find_folder(settings: DiffusersSettings) -> Path:
    """The folder of the model's files: a given one, or one of the Hub's local cache, downloaded if ``download`` is set.

    Raises AdapterError (invalid or transient) if there is none.
    """
    if (folder := Path(settings.path).expanduser()).is_dir():
        if settings.revision:
            text = f"The setting revision needs a Hub id; {settings.path} is a folder. Remove the setting."
            raise AdapterError(Outcome.INVALID, text)
        return folder
    if not HUB_ID.fullmatch(settings.path):
        raise AdapterError(Outcome.INVALID, f"There is no folder {settings.path}. Name the folder of a pipeline.")
    from diffusers import DiffusionPipeline

    try:
        found = DiffusionPipeline.download(
            settings.path,
            revision=settings.revision,
            variant=settings.variant,
            local_files_only=not settings.download,
        )
    except OSError as error:
        raise _make_hub_error(settings, error) from error
    return Path(found)


def _make_hub_error(settings: DiffusersSettings, error: OSError) -> AdapterError:
    named = f"{settings.path} (revision {settings.revision or 'main'})"
    if not settings.download:
        text = f"There is no folder {settings.path}, and {named} is not in the Hub's local cache. "
        return AdapterError(Outcome.INVALID, text + "Correct the path, download it first, or set download to true.")
    responses = [getattr(cause, "response", None) for cause in (error, error.__cause__)]
    status = next((response.status_code for response in responses if response is not None), 0)
    if 400 <= status < 500 and status not in PASSING:
        text = f"The Hub refused {named} (HTTP {status}). Check the id, the revision and your access."
        return AdapterError(Outcome.INVALID, text)
    reason = f"HTTP {status}" if status else type(error.__cause__ or error).__name__
    return AdapterError(Outcome.TRANSIENT, f"{named} could not be downloaded from the Hub ({reason}).", code="hub")


def _choose_device(settings: DiffusersSettings) -> Any:
    import torch

    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(settings.device)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        text = (
            f"There is no device {settings.device}: torch finds {torch.cuda.device_count()} GPUs. Set another device."
        )
        raise AdapterError(Outcome.INVALID, text)
    return device


def _choose_dtype(settings: DiffusersSettings, device: Any) -> Any:
    import torch

    named = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    if settings.dtype != "auto":
        return named[settings.dtype]
    if device.type == "cpu":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _find_scheduler(current: Any, name: str) -> Any:
    import diffusers

    # Some families list no compatible schedulers; then any is tried.
    fitting = sorted({cls.__name__ for cls in current.compatibles} - UNSEEDED)
    if not hasattr(diffusers, name) or name in UNSEEDED or (fitting and name not in fitting):
        text = f"{name} is not a scheduler for this model. It has {type(current).__name__}"
        raise AdapterError(Outcome.INVALID, f"{text}; compatible: {', '.join(fitting) or 'unknown'}.")
    return getattr(diffusers, name).from_config(current.config)


def _find_denoiser(pipeline: Any) -> Any:
    return pipeline.transformer if hasattr(pipeline, "transformer") else pipeline.unet


def _count_bytes(pipeline: Any) -> int:
    import torch

    networks = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    return sum(weight.numel() * weight.element_size() for network in networks for weight in network.parameters())
