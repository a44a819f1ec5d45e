"""Agreement of metrics with human scores and votes."""

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


def test_correlations_of_clip_score_with_raters_equal_published_ones(shared_data: Path) -> None:
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


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 5)), min_size=3, max_size=40))
def test_correlations_equal_scipy(scores: list[tuple[int, int]]) -> None:
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


def test_copies_of_an_image_do_not_narrow_the_interval() -> None:
    """Eight copies of an image have the information of one."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 40))
    once = correlate(x, y, range(40)).pearson
    copies = correlate(np.repeat(x, 8), np.repeat(y, 8), np.repeat(np.arange(40), 8).tolist()).pearson
    assert (copies.ci_low, copies.ci_high) == pytest.approx((once.ci_low, once.ci_high), abs=1e-9)


def test_invalid_scores_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"got \[2, 3\]"):
        correlate([1, 2], [1, 2], ["a", "b", "c"])
    with pytest.raises(ValueError, match="NaN or infinite"):
        correlate([1, float("nan")], [1, 2], ["a", "b"])
    assert correlate([], [], []).pearson.note == "too few images"


def test_equal_scores_count_half() -> None:
    """3 of 4 right, 2 with equal scores, 0 of 1 right: (3 + 1) / 7."""
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


def test_the_lower_score_is_preferred_if_lower_is_better() -> None:
    pairs = [judge("a", 0.9, 0.1, (3, 1)), judge("b", 0.2, 0.3, (0, 2)), judge("c", 1.0, 1.0, (1, 0))]
    up, down = find_agreement(pairs), find_agreement(pairs, higher_is_better=False)
    assert up.rate.value + down.rate.value == pytest.approx(1.0)
    assert down.rate.value == pytest.approx((1 + 0 + 0.5) / 7)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 4), st.integers(0, 4), st.integers(0, 5)),
        min_size=1,
        max_size=12,
    )
)
def test_swapping_sides_does_not_matter(rows: list[tuple[int, int, int, int, int]]) -> None:
    pairs = [judge(f"p{p}", float(a), float(b), (va, vb)) for a, b, va, vb, p in rows]
    swapped = [judge(f"p{p}", float(b), float(a), (vb, va)) for a, b, va, vb, p in rows]
    found, mirrored = find_agreement(pairs), find_agreement(swapped)
    assert found.n_decided == sum(va + vb for _, _, va, vb, _ in rows)
    assert mirrored.n_level == found.n_level
    if found.n_decided > found.n_level:
        assert mirrored.rate.value == pytest.approx(found.rate.value)


def test_full_agreement_has_an_interval_with_a_width() -> None:
    found = find_agreement([judge(f"p{i}", 1.0, 0.0, (1, 0)) for i in range(12)])
    assert (found.rate.value, found.rate.ci_high) == (1.0, 1.0)
    assert found.rate.ci_low == pytest.approx(0.025 ** (1 / 12))


def test_without_decided_votes_there_is_no_rate() -> None:
    for pairs in ([], [judge("a", 1.0, 0.0, (0, 0), n_undecided=3)]):
        found = find_agreement(pairs)
        assert (found.rate.value, found.rate.note, found.n_decided) == (None, "no decided vote", 0)


def test_constant_scores_have_no_rate() -> None:
    found = find_agreement([judge(f"p{i}", 0.5, 0.5, (1, 2)) for i in range(4)])
    assert (found.rate.value, found.rate.note) == (None, "both images always have the same score")
    assert (found.n_decided, found.n_level) == (12, 12)


def test_agreement_is_reported_per_category_if_there_are_several() -> None:
    signs = [judge(f"s{i}", 1.0, 0.0, (1, 0), category="signs") for i in range(4)]
    people = [judge(f"p{i}", 0.0, 1.0, (1, 0), category="people") for i in range(3)]
    found = find_agreement_by_category([*signs, *people, judge("x", 1.0, 0.0, (1, 0))])
    assert {name: (part.rate.value, part.n_decided) for name, part in found.items()} == {
        "people": (0.0, 3),
        "signs": (1.0, 4),
    }
    assert find_agreement_by_category(signs) == {}


def test_disagreements_are_sorted_by_margin() -> None:
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
