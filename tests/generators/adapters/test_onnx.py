"""The adapter "onnx": images equal to those of diffusers, reports, broken exports."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generators.adapters.base import AdapterError, Answer, GeneratedImage, GenerationRequest, Outcome
from generators.adapters.onnx import OnnxGenerator
from generators.adapters.registry import find_capabilities, load_generator

STEPS = 3


def read(answer: Answer) -> np.ndarray:
    assert isinstance(answer, GeneratedImage), answer
    return np.asarray(Image.open(io.BytesIO(answer.data))).astype(int)


def ask(prompt: str, seed: int) -> GenerationRequest:
    return GenerationRequest(prompt, seed, 96, 64)


@pytest.fixture(scope="module")
def generator(tiny_export: Path) -> OnnxGenerator:
    made = load_generator("onnx", {"path": str(tiny_export), "steps": STEPS})
    assert isinstance(made, OnnxGenerator)
    return made


@pytest.mark.parametrize("guidance", [7.5, 1.0])
def test_it_draws_what_diffusers_draws_from_the_same_weights(tiny: Path, tiny_export: Path, guidance: float) -> None:
    settings = {"steps": STEPS, "guidance": guidance}
    requests = [ask("a red cube", 1), ask("two birds", 2)]
    drawn = load_generator("onnx", {"path": str(tiny_export), **settings}).generate(requests)
    wanted = load_generator("diffusers", {"path": str(tiny), **settings}).generate(requests)
    for answer, other in zip(drawn, wanted, strict=True):
        assert np.abs(read(answer) - read(other)).max() <= 1
        assert read(answer).std() > 10


def test_an_image_does_not_depend_on_its_batch(generator: OnnxGenerator) -> None:
    requests = [ask("a red cube", 1), ask("two birds", 2), ask("a red cube", 3)]
    together = generator.generate(requests)
    for answer, request in zip(together, requests, strict=True):
        assert np.abs(read(answer) - read(generator.generate([request])[0])).max() <= 1
    assert np.abs(read(together[0]) - read(together[2])).max() > 10


def test_a_stochastic_scheduler_draws_its_noise_from_the_seed_too(tiny_export: Path, tmp_path: Path) -> None:
    folder = tmp_path / "ancestral"
    shutil.copytree(tiny_export, folder)
    for file in (folder / "model_index.json", folder / "scheduler" / "scheduler_config.json"):
        file.write_text(file.read_text().replace("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"))
    generator = load_generator("onnx", {"path": str(folder), "steps": STEPS})
    first, other = generator.generate([ask("a red cube", 1), ask("a red cube", 2)])
    again = generator.generate([ask("a red cube", 1)])[0]
    assert np.abs(read(first) - read(again)).max() <= 1
    assert np.abs(read(first) - read(other)).max() > 10


def test_each_image_reports_its_parameters(generator: OnnxGenerator) -> None:
    answer = generator.generate([GenerationRequest("a cube", 2**62, 99, 61)])[0]
    assert isinstance(answer, GeneratedImage)
    made_with = answer.reported["parameters"]
    assert (made_with["width"], made_with["height"]) == Image.open(io.BytesIO(answer.data)).size == (96, 64)
    assert made_with["seed"] == 2**62
    assert made_with["steps"] == STEPS
    assert made_with["scheduler"] == "EulerDiscreteScheduler"
    assert "CPUExecutionProvider" in made_with["providers"]
    assert answer.reported["seconds"] > 0
    assert set(answer.reported["versions"]) == {"diffusers", "onnxruntime"}


def test_an_edit_is_refused(generator: OnnxGenerator) -> None:
    capable = find_capabilities("onnx", {"path": "anywhere", "max_batch": 3})
    assert (capable.max_sources, capable.masks, capable.max_batch, capable.mixes_prompts) == (0, False, 3, True)
    with pytest.raises(AdapterError, match="draws from text only") as raised:
        generator.generate([GenerationRequest("a cube", 1, 64, 64, sources=(b"image",))])
    assert raised.value.outcome is Outcome.INVALID


def test_a_folder_without_a_network_is_invalid(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=r"model\.onnx is missing in text_encoder, unet, vae_decoder") as raised:
        load_generator("onnx", {"path": str(tmp_path)}).generate([ask("a cube", 1)])
    assert raised.value.outcome is Outcome.INVALID


def test_a_broken_network_is_invalid(tiny_export: Path, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(tiny_export, folder)
    (folder / "unet" / "model.onnx").write_bytes(b"no network")
    with pytest.raises(AdapterError, match="could not be loaded as an ONNX export") as raised:
        load_generator("onnx", {"path": str(folder)}).generate([ask("a cube", 1)])
    assert raised.value.outcome is Outcome.INVALID


def test_a_closed_generator_holds_no_weights_and_loads_again(tiny_export: Path) -> None:
    generator = load_generator("onnx", {"path": str(tiny_export), "steps": 1})
    assert isinstance(generator, OnnxGenerator)
    before = read(generator.generate([ask("a cube", 1)])[0])
    generator.close()
    assert generator._export is None
    assert (read(generator.generate([ask("a cube", 1)])[0]) == before).all()
