"""Worst samples of a metric: which are shown, and what is said of ties."""

from dataclasses import replace

import pytest

from evaluation.reports.html import to_html
from evaluation.reports.markdown import to_markdown
from evaluation.reports.report import SampleScore, describe_ties, find_worst
from tests.evaluation.reports.sample_reports import make_outcome, make_report, make_sample, read_image


def score_samples(*values: float | None) -> tuple:
    return tuple(
        make_sample(prompt_key=f"p{i}", scores={"text-sentence-accuracy": SampleScore(value=value)})
        for i, value in enumerate(values)
    )


def test_the_worst_samples_are_those_with_the_worst_values() -> None:
    report = make_report(samples=score_samples(0.5, 1.0, None, 0.0, 1.0))
    higher, lower = make_outcome(), make_outcome(higher_is_better=False)
    assert [sample.prompt_key for sample in find_worst(report, higher, 5)] == ["p3", "p0"]
    assert [sample.prompt_key for sample in find_worst(report, lower, 5)] == ["p1", "p4", "p0"]
    assert [sample.prompt_key for sample in find_worst(report, lower, 1)] == ["p1"]
    assert find_worst(report, make_outcome(higher_is_better=None), 5) == []
    assert find_worst(report, make_outcome(label="fid"), 5) == []


def test_the_worst_samples_hold_each_prompt_once() -> None:
    samples = tuple(replace(sample, prompt_key="same") for sample in score_samples(0.1, 0.2, 0.3))
    (worst,) = find_worst(make_report(samples=samples), make_outcome(), 5)
    assert worst.scores["text-sentence-accuracy"].value == 0.1


@pytest.mark.parametrize(
    ("values", "changes", "text"),
    [
        ((0.0, 0.0, None), {}, "All 2 samples have the same value, 0 %."),
        ((0.4,) * 6, {}, "All 6 samples have the same value, 40 %."),
        ((3.0, 3.0), {"unit": "s", "higher_is_better": False}, "All 2 samples have the same value, 3 s."),
        ((1.0, 1.0), {"unit": "different images"}, "All 2 samples have the same value, 1 different images."),
        ((1.0, 1.0), {"higher_is_better": False}, "All 2 samples have the same value, 100 %."),
    ],
)
def test_if_all_values_are_equal_that_is_said_instead_of_samples(values: tuple, changes: dict, text: str) -> None:
    outcome = make_outcome(**changes)
    report = make_report(samples=score_samples(*values), outcomes=(outcome,), policy=())
    assert find_worst(report, outcome, 5) == []
    assert describe_ties(report, outcome, 5) == text
    assert f"Worst samples by Text: sentence accuracy: {text}" in to_markdown(report)
    page = to_html(report, read_image)
    assert text in page
    assert '<figure class="sample">' not in page.partition('id="worst"')[2].partition("</section>")[0]


@pytest.mark.parametrize(
    ("values", "changes"),
    [
        ((1.0, 1.0), {}),
        ((1.0, 1.0), {"unit": ""}),
        ((0.0, 0.0), {"unit": "s", "higher_is_better": False}),
        ((1.0,), {}),
        ((0.5, 0.5), {"higher_is_better": None}),
        ((None, None), {}),
    ],
)
def test_if_all_values_are_the_best_possible_nothing_is_said(values: tuple, changes: dict) -> None:
    outcome = make_outcome(**changes)
    report = make_report(samples=score_samples(*values), outcomes=(outcome,), policy=())
    assert find_worst(report, outcome, 5) == []
    assert describe_ties(report, outcome, 5) == ""
    assert "Worst samples" not in to_markdown(report)
    assert 'id="worst"' not in to_html(report, read_image)


def test_more_samples_with_the_worst_value_than_shown_are_counted() -> None:
    report = make_report(samples=score_samples(*[0.0] * 7, 0.5, 1.0), policy=())
    assert describe_ties(report, make_outcome(), 7) == ""
    assert describe_ties(report, make_outcome(), 6) == "7 of 9 samples have the worst value, 0 %."
    text = to_markdown(report)
    assert "Worst samples by Text: sentence accuracy: 7 of 9 samples have the worst value, 0 %.\n" in text
    assert "7 of 9 samples have the worst value, 0 %." in to_html(report, read_image)


def test_the_only_sample_is_the_worst() -> None:
    report = make_report(samples=score_samples(0.5, None))
    assert [sample.prompt_key for sample in find_worst(report, make_outcome(), 5)] == ["p0"]
    assert describe_ties(report, make_outcome(), 5) == ""
