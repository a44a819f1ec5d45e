"""Loaded suites: their prompts, seeds, metrics and digest."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from evaluation.metrics.speed import Latency
from evaluation.suites.gate import Rule
from evaluation.suites.suite import Suite, declare_prompts, load_suite
from generators.models import Prompt, PromptSet
from tests.evaluation.suites.suite_files import PACK, write_suite
from tests.generators.test_declarations import save_image


def test_a_suite_has_the_values_of_its_file(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path))
    assert (suite.name, suite.version, suite.title, suite.confidence) == ("signs", "1", "Signs", 0.95)
    assert (suite.width, suite.height, suite.budget) == (256, 128, Decimal("2.5"))
    assert suite.gate[1] == Rule(metric="latency-p95", at_most=30)


def test_metrics_are_built_with_their_parameters(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path))
    assert [(metric.metric, metric.label) for metric in suite.metrics] == [
        ("text-ned", "text-ned"),
        ("latency", "latency-p95"),
    ]
    assert suite.metrics[1].build() == Latency(percentile=95)


def test_samples_are_the_included_prompts_times_the_seeds(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path))
    assert [prompt.key for prompt in suite.prompts] == ["p0", "p1", "p2", "p3"]
    assert list(suite.seeds) == [3, 4, 5, 6, 7]
    assert suite.n_samples == 20


def test_without_tags_all_prompts_are_included(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path, ('tags = ["street"]\n', "")))
    assert len(suite.prompts) == 5
    assert suite.picks([])


def test_a_suite_can_be_restored_from_a_spec_without_its_files(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path))
    again = Suite.model_validate(suite.model_dump(mode="json"))
    assert [metric.build() for metric in again.metrics] == [metric.build() for metric in suite.metrics]
    assert (again.gate, again.seeds, again.budget, again.picks(["indoors"])) == (
        suite.gate,
        suite.seeds,
        suite.budget,
        False,
    )
    assert again.packs == ()


def digest(folder: Path, *changes: tuple[str, str], **kwargs: Any) -> str:
    return load_suite(write_suite(folder, *changes, **kwargs)).digest


@pytest.mark.parametrize(
    "change",
    [
        ("samples_per_prompt = 5", "samples_per_prompt = 6"),
        ("first_seed = 3", "first_seed = 4"),
        ("width = 256", "width = 257"),
        ("percentile = 95", "percentile = 96"),
        ("max_loss = 0.1", "max_loss = 0.2"),
        ("at_most = 30", 'at_most = 30\non = "value"'),
        ('tags = ["street"]', 'tags = ["street", "indoors"]'),
        ("height = 128", "height = 128\nconfidence = 0.9"),
        ('version = "1"', 'version = "1.1"'),
    ],
)
def test_everything_that_changes_a_number_changes_the_digest(tmp_path: Path, change: tuple[str, str]) -> None:
    assert digest(tmp_path, change) != digest(tmp_path)


def test_a_changed_prompt_changes_the_digest(tmp_path: Path) -> None:
    before = digest(tmp_path)
    assert digest(tmp_path, pack=PACK.replace("says", "reads", 1)) != before
    assert digest(tmp_path, pack=PACK.replace('targets = ["STOP p0"]', 'targets = ["STOP"]')) != before
    # The suite does not include this prompt.
    assert digest(tmp_path, pack=PACK.replace('says "STOP p4"', 'reads "STOP p4"')) == before


def test_titles_and_comments_do_not_change_the_digest(tmp_path: Path) -> None:
    before = digest(tmp_path)
    words = ('title = "Signs"', '# a comment\ntitle = "Street signs"\ndescription = "Signs in a street."')
    assert digest(tmp_path, words) == before
    assert digest(tmp_path, ("percentile = 95", "percentile = 95.0")) == before


def test_a_source_image_is_part_of_the_digest(tmp_path: Path) -> None:
    pack = PACK.replace('tags = ["street"]', 'tags = ["street"]\nsources = ["source.png"]', 1)
    save_image(tmp_path / "source.png", shade=100)
    before = digest(tmp_path, pack=pack)
    assert digest(tmp_path, pack=pack) == before
    save_image(tmp_path / "source.png", shade=101)
    assert digest(tmp_path, pack=pack) != before


@pytest.mark.django_db
def test_prompts_are_declared_once(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path))
    (declared,) = declare_prompts(suite)
    assert declare_prompts(suite) == [declared]
    assert str(PromptSet.objects.get()) == "signs 2"
    assert [p.key for p in Prompt.objects.order_by("pk") if suite.picks(p.tags)] == [p.key for p in suite.prompts]
    assert Prompt.objects.get(key="p0").targets == ["STOP p0"]
