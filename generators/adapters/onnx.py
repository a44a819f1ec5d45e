"""The adapter "onnx": text to image with a Stable Diffusion pipeline exported to ONNX, run by onnxruntime.

The export's folder has ``text_encoder``, ``unet`` and ``vae_decoder`` with a ``model.onnx`` each, ``tokenizer`` and
``scheduler``. This module runs the three networks itself, because diffusers 0.43 removes its ONNX pipelines.
"""

import inspect
import json
import logging
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, SecretStr

from generators.adapters.base import (
    AdapterDeclaration,
    AdapterError,
    AdapterSettings,
    Answer,
    Capabilities,
    GeneratedImage,
    GenerationRequest,
    Outcome,
)
from generators.adapters.batches import draw_in_batches, free_memory, make_drawing_error
from generators.adapters.diffusers.diffusers_logging import silence_diffusers_logging
from generators.adapters.memory import peak_resident_bytes
from generators.adapters.packages import make_import_error
from generators.adapters.png import encode_png

log = logging.getLogger(__name__)

NETWORKS = ("text_encoder", "unet", "vae_decoder")
ELEMENTS = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
}


class OnnxSettings(AdapterSettings):
    path: str = Field(min_length=1, description="folder of the export")
    steps: int = Field(50, ge=1, le=1000)
    guidance: float = Field(7.5, ge=0, allow_inf_nan=False, description="classifier-free guidance scale")
    negative_prompt: str = ""
    max_batch: int = Field(4, ge=1, le=64, description="images drawn in one call; halved if memory runs out")


class OnnxGenerator:
    """Draws from text."""

    declaration: ClassVar[AdapterDeclaration] = AdapterDeclaration(extra="workers")
    Settings: ClassVar[type[OnnxSettings]] = OnnxSettings

    def __init__(self, settings: OnnxSettings, key: SecretStr | None) -> None:
        self.settings = settings
        self._export: _Export | None = None
        self._largest = settings.max_batch

    @staticmethod
    def capabilities(settings: OnnxSettings) -> Capabilities:
        return Capabilities(max_batch=settings.max_batch, mixes_prompts=True, holds_weights=True)

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Answer]:
        """Return an image or an AdapterError for each request. Sizes are rounded to the export's multiple."""
        if any(request.sources or request.mask for request in requests):
            raise AdapterError(Outcome.INVALID, "The adapter onnx draws from text only. Use diffusers for edits.")
        export = self._export = self._export or _load(self.settings.path)
        answers, self._largest = draw_in_batches(requests, self._largest, lambda batch: self._draw(export, batch))
        return answers

    def close(self) -> None:
        self._export = None
        free_memory()

    def _draw(self, export: "_Export", batch: Sequence[GenerationRequest]) -> list[Answer]:
        settings, started = self.settings, time.monotonic()
        with silence_diffusers_logging():
            images = export.draw(batch, settings.steps, settings.guidance, settings.negative_prompt)
        seconds = (time.monotonic() - started) / len(batch)
        memory = {"peak_bytes": peak_resident_bytes(), "measured": "whole process, since its start"}
        versions = {package: version(package) for package in ("diffusers", "onnxruntime")}
        shared = {"seconds": seconds, "batch": len(batch), "memory": memory, "versions": versions}
        made_with = {**settings.model_dump(exclude={"max_batch"}), **export.describe()}
        answers: list[Answer] = []
        for request, pixels in zip(batch, images, strict=True):
            size = {"width": pixels.shape[1], "height": pixels.shape[0]}
            reported = {**shared, "parameters": {**made_with, **size, "seed": request.seed}}
            if np.isfinite(pixels).all():
                answers.append(GeneratedImage(encode_png(pixels), "image/png", reported))
            else:
                text = "The image has NaN or infinite pixels. Export the model with another dtype."
                answers.append(AdapterError(Outcome.INVALID, text, code="not_finite", reported=reported))
        return answers


class _Export:
    """The networks, tokenizer and scheduler of one folder."""

    def __init__(self, folder: Path) -> None:
        import diffusers
        import onnxruntime
        import torch
        from transformers import CLIPTokenizer

        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        self.providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.networks = {
            name: onnxruntime.InferenceSession(folder / name / "model.onnx", options, providers=self.providers)
            for name in NETWORKS
        }
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        index = json.loads((folder / "model_index.json").read_text())
        scheduler = getattr(diffusers, index["scheduler"][1])
        self.scheduler = scheduler.from_pretrained(folder, subfolder="scheduler", local_files_only=True)
        decoder = folder / "vae_decoder" / "config.json"
        # Older exports have no config; these are the values of Stable Diffusion 1 and 2.
        config = json.loads(decoder.read_text()) if decoder.exists() else {}
        self.scaling = config.get("scaling_factor", 0.18215)
        self.multiple = 2 ** (len(config.get("block_out_channels", "1234")) - 1)
        self.channels = config.get("latent_channels", 4)

    def describe(self) -> dict[str, Any]:
        return {"scheduler": type(self.scheduler).__name__, "providers": self.providers}

    def draw(self, batch: Sequence[GenerationRequest], steps: int, guidance: float, negative: str) -> list[Any]:
        """Draw arrays of shape (height, width, 3), values 0 to 1.

        Source: classifier-free guidance, Ho and Salimans 2022, equation 6.
        """
        import torch

        shape = [max(1, round(side / self.multiple)) for side in (batch[0].height, batch[0].width)]
        streams = [torch.Generator("cpu").manual_seed(request.seed) for request in batch]
        latents = torch.cat([torch.randn(1, self.channels, *shape, generator=stream) for stream in streams])
        guided = guidance > 1
        texts = [*([negative] * len(batch) if guided else []), *(request.prompt for request in batch)]
        states = self._run("text_encoder", self._tokenize(texts))
        self.scheduler.set_timesteps(steps)
        latents = latents * self.scheduler.init_noise_sigma
        known = inspect.signature(self.scheduler.step).parameters
        own_noise = {"generator": streams} if "generator" in known else {}
        for step in self.scheduler.timesteps:
            twice = torch.cat([latents, latents]) if guided else latents
            scaled = self.scheduler.scale_model_input(twice, step).numpy()
            noise = torch.from_numpy(self._run("unet", scaled, np.array([step]), states)).float()
            if guided:
                without, conditioned = noise.chunk(2)
                noise = without + guidance * (conditioned - without)
            latents = self.scheduler.step(noise, step, latents, **own_noise).prev_sample
        # One by one: a batch of large images may not fit into memory, and decoding gains little from it.
        decoded = [self._run("vae_decoder", each[None].numpy() / self.scaling)[0] for each in latents]
        return [np.clip(image.transpose(1, 2, 0) / 2 + 0.5, 0, 1) for image in decoded]

    def _tokenize(self, texts: list[str]) -> Any:
        longest = self.tokenizer.model_max_length
        tokens = self.tokenizer(texts, padding="max_length", max_length=longest, truncation=True, return_tensors="np")
        return tokens.input_ids

    def _run(self, name: str, *arrays: Any) -> Any:
        """The network's first output, from its inputs in order, converted to their element types."""
        network = self.networks[name]
        inputs = {
            wanted.name: array.astype(ELEMENTS[wanted.type])
            for wanted, array in zip(network.get_inputs(), arrays, strict=True)
        }
        return network.run(None, inputs)[0]


def _load(path: str) -> _Export:
    folder, started = Path(path).expanduser(), time.monotonic()
    missing = [name for name in NETWORKS if not (folder / name / "model.onnx").is_file()]
    if missing:
        text = f"{path} is not an ONNX export of Stable Diffusion: model.onnx is missing in {', '.join(missing)}."
        raise AdapterError(Outcome.INVALID, text)
    try:
        with silence_diffusers_logging():
            export = _Export(folder)
    except ImportError as error:
        raise make_import_error(error, OnnxGenerator.declaration.extra) from error
    except Exception as error:
        failed = make_drawing_error(error)
        text = f"{path} could not be loaded as an ONNX export: {failed.message}"
        raise AdapterError(failed.outcome, text, code=failed.code) from error
    log.info("%s loaded in %.1f s, with %s", path, time.monotonic() - started, ", ".join(export.providers))
    return export
