"""Rank ranges, simultaneous rank sets, and rank probabilities."""

import numpy as np
import pytest
from scipy import stats

from evaluation.ratings.ranks import find_rank_probabilities, find_rank_sets, rank_ranges
from evaluation.ratings.ratings import Ratings


def ratings_of(values: list[float], covariance: np.ndarray, dof: float = np.inf) -> Ratings:
    return Ratings(
        models=tuple(range(len(values))),
        values=np.array(values, dtype=float),
        covariance=covariance,
        method="given",
        ties="half",
        both_bad="half",
        interval="given",
        n_votes=0,
        degrees_of_freedom=dof,
    )


def test_rank_ranges_follow_the_published_rule() -> None:
    low, high = np.array([90.0, 60.0, 55.0, 10.0]), np.array([110.0, 85.0, 95.0, 20.0])
    best, worst = rank_ranges(low, high)
    assert best.tolist() == [1, 2, 1, 4]
    assert worst.tolist() == [2, 3, 3, 4]
    with pytest.raises(ValueError, match="ci_low <= ci_high"):
        rank_ranges(high, low)


def test_two_models_have_the_normal_answer() -> None:
    ratings = ratings_of([3.0, 0.0], np.diag([2.0, 2.0]))
    found = find_rank_probabilities(ratings, draws=200_000)
    assert found.best[0] == pytest.approx(stats.norm.cdf(1.5), abs=0.003)
    assert found.top(2) == pytest.approx([1.0, 1.0])
    assert find_rank_sets(ratings, draws=200_000).critical_value == pytest.approx(1.96, abs=0.02)


@pytest.mark.parametrize("dof", [1.0, 2.5, 5.0, 40.0, np.inf])
def test_two_models_have_students_answer(dof: float) -> None:
    """The sets split where the lead exceeds the t interval, and the lead has Student's probability."""
    limit = stats.t.ppf(0.975, dof) * np.sqrt(2.0)
    sets = [find_rank_sets(ratings_of([lead * limit, 0], np.eye(2), dof), draws=100_000) for lead in (0.93, 1.07)]
    assert [found.worst[0] for found in sets] == [2, 1]
    first = find_rank_probabilities(ratings_of([2.0, 0.0], np.eye(2), dof), draws=100_000).best[0]
    assert first == pytest.approx(stats.t.cdf(np.sqrt(2.0), dof), abs=0.005)


def test_a_model_of_few_raters_does_not_widen_the_sets_of_the_others() -> None:
    """Four models of many raters and a new one with a single degree of freedom."""
    values, covariance = [9.0, 4.5, 0.0, -4.5, -9.0], np.eye(5)
    few = np.array([100.0, 100.0, 100.0, 100.0, 1.0])
    sets, many = (find_rank_sets(ratings_of(values, covariance, dof), draws=20_000) for dof in (few, 100.0))
    assert many.worst.tolist() == [1, 2, 3, 4, 5]
    assert sets.worst.tolist() == [2, 3, 4, 5, 5]
    assert sets.best.tolist() == [1, 2, 3, 4, 1]
    first = find_rank_probabilities(ratings_of([0.0] * 5, covariance, few), draws=100_000).best
    assert first[4] > 1.3 * first[0]


def test_the_critical_value_is_tukeys_for_equal_models() -> None:
    """Independent equal errors: the largest studentized difference is Tukey's range, over √2."""
    ratings = ratings_of([0.0] * 6, np.eye(6))
    expected = stats.studentized_range.ppf(0.95, 6, 1e6) / np.sqrt(2)
    assert find_rank_sets(ratings, draws=40_000).critical_value == pytest.approx(expected, abs=0.03)


def test_sets_are_narrow_for_well_separated_ratings() -> None:
    ratings = ratings_of([300.0, 200.0, 199.0, 100.0], np.diag([4.0, 4.0, 4.0, 4.0]))
    sets = find_rank_sets(ratings)
    assert sets.best.tolist() == [1, 2, 2, 4]
    assert sets.worst.tolist() == [1, 3, 3, 4]
    probabilities = find_rank_probabilities(ratings)
    assert probabilities.at.sum(axis=0) == pytest.approx(np.ones(4))
    assert probabilities.at.sum(axis=1) == pytest.approx(np.ones(4))
    assert probabilities.best.tolist() == [1.0, 0.0, 0.0, 0.0]


def test_an_anchor_changes_no_rank() -> None:
    rng = np.random.default_rng(0)
    half = rng.normal(size=(5, 5))
    covariance = half @ half.T
    shift = np.eye(5) - np.eye(5)[2]
    free, anchored = (
        find_rank_sets(ratings_of([9, 7, 5, 3, 1], c), draws=20_000) for c in (covariance, shift @ covariance @ shift.T)
    )
    assert free.best.tolist() == anchored.best.tolist()
    assert free.critical_value == pytest.approx(anchored.critical_value, abs=0.05)


def test_perfectly_correlated_models_have_certain_ranks() -> None:
    sets = find_rank_sets(ratings_of([1.0, 0.0], np.ones((2, 2))))
    assert sets.worst.tolist() == [1, 2]
    one = find_rank_sets(ratings_of([1.0], np.zeros((1, 1))))
    assert (one.best.tolist(), one.worst.tolist()) == ([1], [1])


def test_rank_sets_cover_all_ranks_at_once() -> None:
    """1,000 arenas of 8 models, some equal: all ranks in their sets in at least 95 %, less Monte Carlo error."""
    rng = np.random.default_rng(7)
    truth = np.array([3.0, 2.0, 2.0, 1.0, 1.0, 1.0, 0.0, -2.0])
    highest, lowest = 1 + (truth[None] > truth[:, None]).sum(1), (truth[None] >= truth[:, None]).sum(1)
    held = marginal = 0
    for seed in range(1000):
        ratings = ratings_of(list(truth + rng.normal(size=8)), np.eye(8))
        sets = find_rank_sets(ratings, draws=1000, seed=seed)
        # Equal models share a range of ranks: all of it must be in the set.
        held += bool(((sets.best <= highest) & (lowest <= sets.worst)).all())
        best, worst = rank_ranges(ratings.ci_low, ratings.ci_high)
        marginal += bool(((best <= highest) & (lowest <= worst)).all())
    assert held / 1000 >= 0.935
    assert held >= marginal


@pytest.mark.parametrize(("call", "message"), [
    (lambda r: find_rank_sets(r, confidence=0.0), "confidence"),
    (lambda r: find_rank_sets(r, draws=10), "at least 100 draws"),
    (lambda r: find_rank_probabilities(r).top(0), "k must be 1 to 2"),
    (lambda r: find_rank_probabilities(r).top(3), "k must be 1 to 2"),
])  # fmt: skip
def test_invalid_parameters_are_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(ratings_of([1.0, 0.0], np.eye(2)))
