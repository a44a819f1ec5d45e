"""Exports a Stable Diffusion pipeline to ONNX, in the layout of diffusers' own conversion script."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from generators.adapters.diffusers.diffusers_logging import silence_diffusers_logging


@silence_diffusers_logging()
def export_pipeline(source: Path, target: Path) -> None:
    import torch
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(source)
    encoder, unet, vae = pipeline.text_encoder, pipeline.unet, pipeline.vae
    tokens = torch.zeros(2, pipeline.tokenizer.model_max_length, dtype=torch.int32)
    latents, states = torch.randn(2, 4, 8, 8), torch.randn(2, tokens.shape[1], encoder.config.hidden_size)
    batch, image = {0: "batch"}, {0: "batch", 2: "height", 3: "width"}
    _export(target / "text_encoder", encoder, lambda i: encoder(i, return_dict=False)[0], (tokens,), [batch])
    _export(
        target / "unet",
        unet,
        lambda x, t, e: unet(x, t, e, return_dict=False)[0],
        (latents, torch.tensor([1]), states),
        [image, {}, batch],
    )
    _export(target / "vae_decoder", vae, lambda z: vae.decode(z, return_dict=False)[0], (latents,), [image])
    shutil.copy(source / "vae" / "config.json", target / "vae_decoder")
    shutil.copy(source / "model_index.json", target)
    for part in ("tokenizer", "scheduler"):
        shutil.copytree(source / part, target / part)


def _export(folder: Path, network: Any, call: Callable[..., Any], inputs: tuple[Any, ...], axes: list[Any]) -> None:
    import torch
    from torch.onnx._internal.torchscript_exporter import onnx_proto_utils

    class Traced(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *arguments: Any) -> Any:
            return call(*arguments)

    names = [f"input_{number}" for number in range(len(inputs))]
    folder.mkdir(parents=True)
    # This step needs the package onnx, and does nothing for a model without custom operators.
    with mock.patch.object(onnx_proto_utils, "_add_onnxscript_fn", lambda exported, _: exported):
        torch.onnx.export(
            Traced().eval(),
            inputs,
            str(folder / "model.onnx"),
            dynamo=False,
            input_names=names,
            output_names=["output"],
            dynamic_axes=dict(zip(names, axes, strict=True)),
        )
