"""A metric held against people's scores and choices."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation.metrics.agreement import (
    JudgedPair,
    correlate,
    find_agreement,
    find_agreement_by_category,
    find_disagreements,
)


def judge(prompt: str, score_a: float, score_b: float, votes: tuple[int, int], **fields: object) -> JudgedPair:
    defaults = {"a": f"{prompt} a", "b": f"{prompt} b", "prompt": prompt, "votes_a": votes[0], "votes_b": votes[1]}
    return JudgedPair(score_a=score_a, score_b=score_b, **{**defaults, **fields})


def test_clip_score_against_raters_has_the_known_correlations(shared_data: Path) -> None:
    """TIFA160: 800 images of 160 prompts by five models, CLIPScore ViT-B/32 against the mean of two raters."""
    with (shared_data / "metric_scores" / "tifa160_human_and_clipscore.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = correlate(
        [float(row["clipscore_vitb32"]) for row in rows],
        [float(row["human_avg"]) for row in rows],
        [row["text_id"] for row in rows],
    )
    assert (found.n, found.n_prompts) == (800, 160)
    assert found.pearson.value == pytest.approx(0.3318, abs=5e-5)
    assert found.kendall.value == pytest.approx(0.2314, abs=5e-5)
    assert found.spearman.value == pytest.approx(0.320, abs=5e-4)
    for estimate in (found.pearson, found.kendall, found.spearman):
        assert estimate.value - 0.12 < estimate.ci_low < estimate.value < estimate.ci_high < estimate.value + 0.12


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 5)), min_size=3, max_size=40))
def test_correlations_are_scipys(scores: list[tuple[int, int]]) -> None:
    x, y = np.array(scores, dtype=float).T
    found = correlate(x, y, [0] * len(x))
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert found.pearson.value is None
        assert found.kendall.note == "all images have the same score"
        return
    assert found.pearson.value == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-9)
    assert found.spearman.value == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)
    assert found.kendall.value == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-9)
    assert (found.pearson.ci_low, found.pearson.note) == (None, "an interval needs at least 2 prompts, got 1")


def test_images_of_one_prompt_are_not_independent() -> None:
    """Eight copies of the same image say no more than one."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 40))
    once = correlate(x, y, range(40)).pearson
    copies = correlate(np.repeat(x, 8), np.repeat(y, 8), np.repeat(np.arange(40), 8).tolist()).pearson
    assert (copies.ci_low, copies.ci_high) == pytest.approx((once.ci_low, once.ci_high), abs=1e-9)


def test_bad_scores_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \[2, 3\]"):
        correlate([1, 2], [1, 2], ["a", "b", "c"])
    with pytest.raises(ValueError, match="NaN or infinite"):
        correlate([1, float("nan")], [1, 2], ["a", "b"])
    assert correlate([], [], []).pearson.note == "too few images"


def test_the_rate_counts_decided_votes_and_level_scores_as_half() -> None:
    """3 of 4 right, 1 of 2 level, 0 of 1: 3 + 1 of 7."""
    pairs = [
        judge("a", 0.9, 0.1, (3, 1), n_undecided=5),
        judge("b", 0.5, 0.5, (0, 2)),
        judge("c", 0.1, 0.2, (1, 0)),
        judge("d", 0.1, 0.2, (0, 0), n_undecided=2),
    ]
    found = find_agreement(pairs)
    assert found.rate.value == pytest.approx(4 / 7)
    assert (found.n_decided, found.n_level, found.n_undecided, found.n_pairs, found.n_prompts) == (7, 2, 7, 3, 3)
    assert found.rate.ci_low < 4 / 7 < found.rate.ci_high


def test_where_lower_is_better_the_lower_score_is_preferred() -> None:
    pairs = [judge("a", 0.9, 0.1, (3, 1)), judge("b", 0.2, 0.3, (0, 2)), judge("c", 1.0, 1.0, (1, 0))]
    up, down = find_agreement(pairs), find_agreement(pairs, higher_is_better=False)
    assert up.rate.value + down.rate.value == pytest.approx(1.0)
    assert down.rate.value == pytest.approx((1 + 0 + 0.5) / 7)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 4), st.integers(0, 4), st.integers(0, 5)),
        min_size=1,
        max_size=12,
    )
)
def test_sides_carry_no_meaning(rows: list[tuple[int, int, int, int, int]]) -> None:
    pairs = [judge(f"p{p}", float(a), float(b), (va, vb)) for a, b, va, vb, p in rows]
    swapped = [judge(f"p{p}", float(b), float(a), (vb, va)) for a, b, va, vb, p in rows]
    found, mirrored = find_agreement(pairs), find_agreement(swapped)
    assert found.n_decided == sum(va + vb for _, _, va, vb, _ in rows)
    assert mirrored.n_level == found.n_level
    if found.n_decided > found.n_level:
        assert mirrored.rate.value == pytest.approx(found.rate.value)


def test_a_metric_that_was_always_right_is_not_certain_to_be() -> None:
    found = find_agreement([judge(f"p{i}", 1.0, 0.0, (1, 0)) for i in range(12)])
    assert (found.rate.value, found.rate.ci_high) == (1.0, 1.0)
    assert found.rate.ci_low == pytest.approx(0.025 ** (1 / 12))


def test_nothing_decided_has_no_rate() -> None:
    for pairs in ([], [judge("a", 1.0, 0.0, (0, 0), n_undecided=3)]):
        found = find_agreement(pairs)
        assert (found.rate.value, found.rate.note, found.n_decided) == (None, "no decided vote", 0)


def test_a_metric_that_tells_no_images_apart_has_no_rate() -> None:
    found = find_agreement([judge(f"p{i}", 0.5, 0.5, (1, 2)) for i in range(4)])
    assert (found.rate.value, found.rate.note) == (None, "both images always have the same score")
    assert (found.n_decided, found.n_level) == (12, 12)


def test_categories_are_told_apart_where_there_are_several() -> None:
    signs = [judge(f"s{i}", 1.0, 0.0, (1, 0), category="signs") for i in range(4)]
    people = [judge(f"p{i}", 0.0, 1.0, (1, 0), category="people") for i in range(3)]
    found = find_agreement_by_category([*signs, *people, judge("x", 1.0, 0.0, (1, 0))])
    assert {name: (part.rate.value, part.n_decided) for name, part in found.items()} == {
        "people": (0.0, 3),
        "signs": (1.0, 4),
    }
    assert find_agreement_by_category(signs) == {}


def test_the_largest_disagreements_come_first() -> None:
    pairs = [
        judge("right", 9.0, 0.0, (5, 0)),
        judge("small", 0.6, 0.5, (0, 3)),
        judge("large", 0.1, 0.9, (2, 1)),
        judge("level", 0.5, 0.5, (2, 0)),
        judge("split", 9.0, 0.0, (1, 1)),
    ]
    assert [pair.prompt for pair in find_disagreements(pairs)] == ["large", "small"]
    assert [pair.prompt for pair in find_disagreements(pairs, limit=1)] == ["large"]
    assert [pair.prompt for pair in find_disagreements(pairs, higher_is_better=False)] == ["right"]
