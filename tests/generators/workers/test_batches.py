"""Batches: which pending rows of a model are drawn in the same call."""

from typing import Any

import pytest

from generators.adapters.base import AdapterError, Capabilities, GeneratedImage, GenerationRequest, Outcome
from generators.images import originals
from generators.models import Generation, ImageModel, Prompt
from generators.workers.drawing import produce
from tests import builders
from tests.fake_adapters import Script, ScriptedGenerator, paint
from tests.generations import make_generation, reload, status_of

Status = Generation.Status

pytestmark = pytest.mark.django_db


def draw(request: GenerationRequest) -> GeneratedImage:
    return GeneratedImage(paint(request.seed), "image/png")


@pytest.fixture
def model(script: Script, monkeypatch: pytest.MonkeyPatch) -> ImageModel:
    """A model that takes four requests per call, of any prompts."""
    script(draw)
    monkeypatch.setattr(ScriptedGenerator, "capable", Capabilities(max_sources=1, max_batch=4, mixes_prompts=True))
    return builders.make_model(adapter="scripted")


@pytest.fixture
def prompts() -> list[Prompt]:
    return list(builders.make_prompt_set(6).prompts.order_by("pk"))


def sizes_of_calls() -> list[int]:
    return [len(call) for call in ScriptedGenerator.calls]


def test_pending_rows_of_one_size_are_drawn_together_whatever_their_prompts(
    model: ImageModel, prompts: list[Prompt]
) -> None:
    rows = [make_generation(model=model, prompt=prompt) for prompt in prompts]
    produce(rows[2].pk)
    assert sizes_of_calls() == [4]
    assert [status_of(row) for row in rows] == [Status.OK] * 4 + [Status.PENDING] * 2
    produce(rows[5].pk)
    assert sizes_of_calls() == [4, 2]
    assert {status_of(row) for row in rows} == {Status.OK}


def test_each_row_gets_the_image_of_its_own_prompt(model: ImageModel, prompts: list[Prompt], script: Script) -> None:
    order = {prompt.text: n for n, prompt in enumerate(prompts)}
    script(lambda request: GeneratedImage(paint(order[request.prompt]), "image/png"))
    rows = [make_generation(model=model, prompt=prompt) for prompt in reversed(prompts[:4])]
    produce(rows[1].pk)
    assert sizes_of_calls() == [4]
    for row in rows:
        assert originals.read(reload(row).original) == paint(order[row.prompt.text])


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"width": 32}, id="another size"),
        pytest.param({"failures": 1}, id="failed before"),
        pytest.param({"status": Status.RUNNING}, id="claimed by another worker"),
        pytest.param({"model": None}, id="another model"),
    ],
)
def test_other_rows_are_not_in_the_batch(model: ImageModel, prompts: list[Prompt], other: dict[str, Any]) -> None:
    if "model" in other:
        other = {"model": builders.make_model(adapter="scripted")}
    row = make_generation(model=model, prompt=prompts[0])
    stays = make_generation(**{"model": model, "prompt": prompts[1], **other})
    produce(row.pk)
    assert (sizes_of_calls(), status_of(row)) == ([1], Status.OK)
    assert status_of(stays) == stays.status


def test_a_row_that_failed_before_is_drawn_alone(model: ImageModel, prompts: list[Prompt]) -> None:
    failed = make_generation(model=model, prompt=prompts[0], failures=1)
    fresh = make_generation(model=model, prompt=prompts[1])
    produce(failed.pk)
    assert (sizes_of_calls(), status_of(fresh)) == ([1], Status.PENDING)


def test_an_edit_is_drawn_only_with_edits_of_the_same_prompt(model: ImageModel, prompts: list[Prompt]) -> None:
    source = originals.store(paint(9))
    for prompt in prompts[:2]:
        prompt.sources = [source]
        prompt.save()
    edits = [make_generation(model=model, prompt=prompts[n], seed=seed) for n, seed in ((0, 0), (0, 1), (1, 0))]
    plain = make_generation(model=model, prompt=prompts[2])
    produce(edits[0].pk)
    assert [status_of(row) for row in (*edits, plain)] == [Status.OK, Status.OK, Status.PENDING, Status.PENDING]
    produce(plain.pk)
    assert sizes_of_calls() == [2, 1]
    assert status_of(edits[2]) == Status.PENDING


def test_without_mixing_only_variants_of_one_prompt_are_drawn_together(
    model: ImageModel, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedGenerator, "capable", Capabilities(max_batch=4))
    variants = [make_generation(model=model, prompt=prompts[0], seed=seed) for seed in range(2)]
    other = make_generation(model=model, prompt=prompts[1])
    produce(variants[0].pk)
    assert [status_of(row) for row in (*variants, other)] == [Status.OK, Status.OK, Status.PENDING]


def test_the_rows_of_a_failed_batch_are_drawn_one_by_one(
    model: ImageModel, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [make_generation(model=model, prompt=prompt) for prompt in prompts[:3]]

    def fail(requests: list[GenerationRequest]) -> None:
        raise AdapterError(Outcome.TRANSIENT, "no")

    with monkeypatch.context() as patch:
        patch.setattr(ScriptedGenerator, "generate", lambda self, requests: fail(requests))
        produce(rows[0].pk)
    assert {(reload(row).status, reload(row).failures) for row in rows} == {(Status.PENDING, 1)}
    for row in rows:
        produce(row.pk)
    assert sizes_of_calls() == [1, 1, 1]
    assert {status_of(row) for row in rows} == {Status.OK}
