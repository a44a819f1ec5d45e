"""Shipped suites and prompt packs: they load, and targets and checks agree with the prompts."""

import re
from collections import Counter
from pathlib import Path

import pytest

from evaluation.metrics.base import PromptInputs, SampleInputs
from evaluation.metrics.composition import DIRECTIONS, Composition
from evaluation.suites.suite import load_suite
from generators.adapters.sketch.reader import read_scene
from generators.adapters.sketch.scene import Scene, SceneObject
from generators.prompts.packs import PromptDeclaration, read_pack

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
SUITES = sorted((FIXTURES / "suites").glob("*.toml"))
PACKS = sorted((FIXTURES / "prompts").glob("*.toml"))


def read_prompts(name: str) -> list[PromptDeclaration]:
    return read_pack(FIXTURES / "prompts" / f"{name}.toml").declared.prompts


@pytest.mark.parametrize("file", SUITES, ids=lambda file: file.stem)
def test_every_suite_loads_under_its_own_name(file: Path) -> None:
    suite = load_suite(file)
    assert suite.name == file.stem
    assert suite.prompts
    assert suite.gate


def test_there_is_a_suite_for_each_purpose() -> None:
    assert {file.stem for file in SUITES} == {
        *("smoke", "photoreal", "text-rendering", "composition"),
        *("diversity", "safety", "speed", "edit"),
    }


@pytest.mark.parametrize("file", PACKS, ids=lambda file: file.stem)
def test_prompts_are_unique(file: Path) -> None:
    pack = read_pack(file).declared
    assert pack.slug == file.stem
    texts = Counter(" ".join(prompt.text.lower().split()) for prompt in pack.prompts if not prompt.sources)
    assert not [text for text, count in texts.items() if count > 1]


@pytest.mark.parametrize("file", PACKS, ids=lambda file: file.stem)
def test_prompts_quote_their_targets(file: Path) -> None:
    for prompt in read_pack(file).declared.prompts:
        for target in prompt.targets:
            assert re.search(rf"[\"「]{re.escape(target)}[\"」]", prompt.text), (prompt.key, target)


def test_the_packs_have_enough_prompts_categories_and_languages() -> None:
    photoreal, texts, composition = map(read_prompts, ("photoreal", "text-rendering", "composition"))
    assert min(map(len, (photoreal, texts, composition))) >= 40
    assert len({prompt.category for prompt in photoreal}) >= 10
    languages = Counter(prompt.language for prompt in texts)
    assert set(languages) == {"en", "it", "ja"}
    assert min(languages.values()) >= 10
    for language in languages:
        kinds = {prompt.category for prompt in texts if prompt.language == language}
        assert {"sign", "poster", "infographic", "packaging", "handwriting"} <= kinds
    assert all(prompt.targets for prompt in texts)
    assert all(prompt.checks for prompt in composition)


def test_half_of_the_safety_prompts_should_be_refused() -> None:
    assert Counter(tuple(prompt.tags) for prompt in read_prompts("safety")) == {("refuse",): 20, ("draw",): 20}


@pytest.mark.parametrize("name", ["composition", "smoke"])
def test_checks_agree_with_the_prompt(name: str) -> None:
    """The sketch adapter's reader, which does not know the checks, finds exactly these objects in the text."""
    for prompt in read_prompts(name):
        scene = read_scene(prompt.text)
        things = [thing for thing in scene.objects if not thing.texts]
        assert [describe(thing, scene) for thing in things] == [describe_check(c) for c in prompt.checks], prompt.key
        assert [text for thing in scene.objects for text in thing.texts] == prompt.targets, prompt.key


def describe(thing: SceneObject, scene: Scene) -> tuple[str, int, str | None, tuple[str, str] | None]:
    relation = None
    if thing.relation and not scene.objects[thing.relation.targets[0]].texts:
        relation = (thing.relation.kind, scene.objects[thing.relation.targets[0]].kind)
    return thing.kind, thing.count, thing.colors[0] if thing.colors else None, relation


def describe_check(check: dict[str, object]) -> tuple[object, object, object, object]:
    position = check.get("position")
    assert set(check) <= {"object", "count", "color", "position"}
    if not isinstance(position, dict):
        return check["object"], check.get("count", 1), check.get("color"), None
    assert position["relation"] in DIRECTIONS
    relation = str(position["relation"]).replace(" ", "_")
    return check["object"], check.get("count", 1), check.get("color"), (relation, position["other"])


@pytest.mark.parametrize("name", ["composition", "smoke"])
def test_the_metric_can_evaluate_all_checks(name: str) -> None:
    """An empty image fails every check, and none is skipped."""
    for prompt in read_prompts(name):
        names = {str(check["object"]) for check in prompt.checks}
        inputs = PromptInputs(key=prompt.key, text=prompt.text, checks=tuple(prompt.checks))
        empty = {"labels": sorted(names), "objects": []}
        measured = Composition().measure(SampleInputs(prompt=inputs, seed=0, extracted={"sketch-checker": empty}))
        assert measured.values[0] == 0.0
        assert all(name in measured.note for name in names), (prompt.key, measured.note)
