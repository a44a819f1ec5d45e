"""The adapter "diffusers" with a tiny pipeline: images, edits, reports, memory."""

import gc
import io
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from generators.adapters.base import AdapterError, Answer, GeneratedImage, GenerationRequest, Outcome
from generators.adapters.diffusers.generator import DiffusersGenerator
from generators.adapters.diffusers.pipelines import Task
from generators.adapters.diffusers.tiny import make_tiny_pipeline
from generators.adapters.registry import find_capabilities, load_generator

STEPS = 3
PROMPTS = ["a red cube", "two birds", "x", "the sea at night, oil on canvas"]

Make = Callable[..., DiffusersGenerator]


@pytest.fixture(scope="module")
def make(tiny: Path) -> Make:
    def make_generator(**settings: Any) -> DiffusersGenerator:
        made = load_generator("diffusers", {"path": str(tiny), "steps": STEPS, **settings})
        assert isinstance(made, DiffusersGenerator)
        return made

    return make_generator


@pytest.fixture(scope="module")
def generator(make: Make) -> DiffusersGenerator:
    return make()


def read(answer: Answer) -> np.ndarray:
    assert isinstance(answer, GeneratedImage), answer
    return np.asarray(Image.open(io.BytesIO(answer.data))).astype(int)


def differ(one: Answer, other: Answer) -> int:
    """The largest difference of a pixel, in levels of 255."""
    return int(np.abs(read(one) - read(other)).max())


def ask(prompt: str = "a red cube", seed: int = 1, **fields: Any) -> GenerationRequest:
    return GenerationRequest(prompt, seed, **{"width": 64, "height": 64, **fields})


def paint(shade: str, size: tuple[int, int] = (64, 64), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, shade).save(buffer, "PNG")
    return buffer.getvalue()


def half_white(size: tuple[int, int] = (64, 64)) -> bytes:
    """A mask whose right half may change."""
    buffer = io.BytesIO()
    mask = Image.new("L", size, 0)
    mask.paste(255, (size[0] // 2, 0, *size))
    mask.save(buffer, "PNG")
    return buffer.getvalue()


def test_an_image_does_not_depend_on_its_batch(generator: DiffusersGenerator) -> None:
    requests = [ask(prompt, seed) for seed, prompt in enumerate(PROMPTS)]
    together = generator.generate(requests)
    for answer, request in zip(together, requests, strict=True):
        # Not bit for bit: the order of sums in a matrix product depends on the batch size.
        assert differ(answer, generator.generate([request])[0]) <= 1


def test_the_seed_and_the_prompt_decide_the_image(generator: DiffusersGenerator) -> None:
    first = generator.generate([ask()])[0]
    assert differ(first, generator.generate([ask()])[0]) == 0
    assert differ(first, generator.generate([ask(seed=2)])[0]) > 10
    assert differ(first, generator.generate([ask("two birds")])[0]) > 10


@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "EulerAncestralDiscreteScheduler", "LMSDiscreteScheduler"])
def test_random_noise_of_a_scheduler_follows_the_seed(make: Make, scheduler: str) -> None:
    generator = make(scheduler=scheduler)
    requests = [ask(seed=1), ask("two birds", seed=2)]
    first, second = generator.generate(requests)
    assert isinstance(first, GeneratedImage)
    assert first.reported["parameters"]["scheduler"] == scheduler
    assert differ(second, generator.generate([requests[1]])[0]) <= 1
    assert differ(first, second) > 10


def test_all_tasks_share_the_weights_without_affecting_each_other(generator: DiffusersGenerator) -> None:
    before = generator.generate([ask()])[0]
    edit = ask(sources=(paint("teal"),))
    inside = ask(sources=(paint("teal"),), mask=half_white())
    answers = generator.generate([ask(seed=2), edit, inside, ask()])
    tasks = [answer.reported["parameters"]["task"] for answer in answers if isinstance(answer, GeneratedImage)]
    assert tasks == ["text to image", "image to image", "inpainting", "text to image"]
    assert differ(before, answers[3]) <= 1
    assert generator.pipelines.find(Task.INPAINT).unet is generator.pipelines.find(Task.TEXT).unet


def test_an_edit_starts_from_its_source_in_the_requested_size(make: Make) -> None:
    generator = make(strength=0.4)
    drawn = generator.generate([ask(sources=(paint(shade, (48, 80)),)) for shade in ("teal", "teal", "orange")])
    assert differ(drawn[0], drawn[1]) <= 1
    assert differ(drawn[0], drawn[2]) > 10
    assert read(drawn[0]).shape == (64, 64, 3)
    assert isinstance(drawn[0], GeneratedImage)
    assert drawn[0].reported["parameters"]["strength"] == 0.4


def test_the_prompt_matters_only_where_the_mask_is_white(generator: DiffusersGenerator) -> None:
    one, other = generator.generate(
        [ask(prompt, sources=(paint("teal"),), mask=half_white()) for prompt in ("a red cube", "two birds")]
    )
    difference = np.abs(read(one) - read(other)).mean(axis=(0, 2))
    # The decoder has a receptive field beyond each pixel, so the border between the halves is blurred.
    assert difference[48:].mean() > 2 * difference[:16].mean()


def test_with_a_black_mask_the_prompt_changes_nothing(generator: DiffusersGenerator) -> None:
    black = paint("black", mode="L")
    one, other = generator.generate([ask(p, sources=(paint("teal"),), mask=black) for p in ("a red cube", "birds")])
    assert differ(one, other) <= 1


def test_a_request_without_a_pipeline_is_invalid_and_the_others_are_drawn(generator: DiffusersGenerator) -> None:
    source = paint("teal")
    answers = generator.generate([ask(sources=(source, source)), ask(), ask(mask=half_white())])
    assert isinstance(answers[1], GeneratedImage)
    assert [a.outcome for a in answers if isinstance(a, AdapterError)] == [Outcome.INVALID] * 2
    broken = generator.generate([ask(sources=(b"no image",))])[0]
    assert isinstance(broken, AdapterError)
    assert "image to edit could not be read" in broken.message


def test_an_edit_without_a_step_is_invalid(make: Make) -> None:
    answer = make(strength=0.2).generate([ask(sources=(paint("teal"),))])[0]
    assert isinstance(answer, AdapterError)
    assert answer.outcome is Outcome.INVALID
    assert answer.message.startswith("An edit with strength 0.2 and 3 steps has no step to take.")


def test_each_image_reports_its_parameters(make: Make) -> None:
    answers = make(max_batch=2).generate([ask(seed=2**62, width=99, height=61), ask(width=99, height=61)])
    first = answers[0]
    assert isinstance(first, GeneratedImage)
    image = Image.open(io.BytesIO(first.data))
    assert (image.format, image.info, image.size) == ("PNG", {}, (96, 64))
    assert first.billed == {}
    made_with = first.reported["parameters"]
    assert made_with["seed"] == 2**62
    assert (made_with["width"], made_with["height"]) == (96, 64)
    assert (made_with["steps"], made_with["guidance"]) == (STEPS, 7.5)  # declared here; the pipeline's own default
    assert (made_with["dtype"], made_with["device"]) == ("float32", "cpu")
    assert first.reported["batch"] == 2
    assert first.reported["seconds"] > 0
    assert first.reported["memory"]["peak_bytes"] > first.reported["memory"]["weights_bytes"] > 100_000
    assert set(first.reported["versions"]) == {"diffusers", "torch", "transformers"}


def test_drawing_writes_nothing_to_the_terminal(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    make(scheduler="EulerDiscreteScheduler").generate([ask("a long prompt " * 30)])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "declared",
    [
        {"dtype": "bf16"},
        {"dtype": "fp16"},
        {"vae_slicing": True, "vae_tiling": True},
        {"negative_prompt": "ugly"},
        {"guidance": 1.0},
    ],
)
def test_each_setting_draws(make: Make, declared: dict[str, Any]) -> None:
    answers = make(**declared).generate([ask(), ask(seed=2)])
    assert differ(*answers) > 10


def test_an_image_too_large_for_memory_is_invalid(generator: DiffusersGenerator) -> None:
    # The latents alone need a terabyte.
    answer = generator.generate([ask(width=2_000_000, height=2_000_000)])[0]
    assert isinstance(answer, AdapterError)
    assert (answer.outcome, answer.code) == (Outcome.INVALID, "out_of_memory")
    assert "2000000 x 2000000" in answer.message
    assert isinstance(generator.generate([ask()])[0], GeneratedImage)


def test_weights_that_give_nan_pixels_are_invalid(make: Make) -> None:
    generator = make()
    generator.pipelines.find(Task.TEXT).vae.decoder.conv_out.weight.data.fill_(float("nan"))
    answer = generator.generate([ask()])[0]
    assert isinstance(answer, AdapterError)
    assert (answer.outcome, answer.code) == (Outcome.INVALID, "not_finite")
    assert "float32" in answer.message


def test_the_safety_checker_refuses_only_the_image_that_it_flags(make: Make) -> None:
    import torch
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker, cosine_distance
    from transformers import CLIPConfig, CLIPImageProcessorPil

    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(vision_config={**small, "image_size": 32, "patch_size": 8}, text_config=small)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        checker = StableDiffusionSafetyChecker(config)
    generator = make()
    pipeline = generator.pipelines.find(Task.TEXT)
    pipeline.safety_checker = checker
    pipeline.feature_extractor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32)
    checker.concept_embeds.data.normal_(generator=torch.Generator().manual_seed(0))
    # No image is as near as this to a concept.
    checker.concept_embeds_weights.data.fill_(2)
    checker.special_care_embeds_weights.data.fill_(2)
    requests = [ask(seed=1), ask(seed=2)]
    images = [Image.open(io.BytesIO(answer.data)) for answer in generator.generate(requests)]  # type: ignore[union-attr]

    seen = pipeline.feature_extractor(images, return_tensors="pt").pixel_values
    with torch.no_grad():
        embedded = checker.visual_projection(checker.vision_model(seen)[1])
    near = cosine_distance(embedded, checker.concept_embeds)[:, 0].tolist()
    assert abs(near[0] - near[1]) > 0.002  # the checker rounds to thousandths
    # A threshold between the two distances: only the image nearer to the concept is flagged.
    checker.concept_embeds_weights.data[0] = sum(near) / 2
    answers = generator.generate(requests)
    flagged = answers[int(near[1] > near[0])]
    assert isinstance(flagged, AdapterError)
    assert (flagged.outcome, flagged.stage, flagged.code) == (Outcome.REFUSED, "image", "safety_checker")
    assert [type(answer) for answer in answers].count(GeneratedImage) == 1


def test_capabilities_follow_the_settings() -> None:
    capable = find_capabilities("diffusers", {"path": "anywhere", "max_batch": 3})
    assert (capable.max_sources, capable.masks, capable.seeded) == (1, True, True)
    assert (capable.max_batch, capable.mixes_prompts) == (3, True)


def test_closing_a_generator_frees_its_weights(make: Make) -> None:
    generator = make()
    generator.generate([ask()])
    weights = weakref.ref(generator.pipelines.find(Task.TEXT).unet)
    generator.close()
    gc.collect()
    assert weights() is None


def test_the_tiny_model_has_the_same_bytes_each_time(tiny: Path, tmp_path: Path) -> None:
    make_tiny_pipeline(tmp_path / "again")
    make_tiny_pipeline(tmp_path / "other", seed=1)
    files = [file.relative_to(tiny) for file in tiny.rglob("*") if file.is_file()]
    assert len(files) > 8
    assert all((tiny / file).read_bytes() == (tmp_path / "again" / file).read_bytes() for file in files)
    weights = "unet/diffusion_pytorch_model.safetensors"
    assert (tiny / weights).read_bytes() != (tmp_path / "other" / weights).read_bytes()
    assert sum((tiny / file).stat().st_size for file in files) < 600_000
