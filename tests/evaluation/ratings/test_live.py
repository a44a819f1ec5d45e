"""Live ratings: votes without a refit, the bound on their error, and the exact refit."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.components import DisconnectedModelsError, find_components
from evaluation.ratings.counts import Counts, count_rows, count_votes
from evaluation.ratings.live import LiveRatings
from evaluation.ratings.outcomes import BOTH_BAD, MODEL_A, MODEL_B, TIE
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes
from tests.strategies import tables

CIRCLE = [("a", "b", "model_a", 6), ("b", "c", "model_a", 5), ("c", "a", "model_a", 3), ("a", "b", "tie", 2)]


def draw_counts(m: int, n_votes: float, seed: int = 0) -> Counts:
    rng = np.random.default_rng(seed)
    theta = rng.normal(0.0, 0.7, m)
    p = 1.0 / (1.0 + np.exp(theta - theta[:, None]))
    shares = np.stack([0.8 * p, 0.8 * (1.0 - p), 0.1 * np.ones((m, m)), 0.1 * np.ones((m, m))], axis=-1)
    shares[np.arange(m), np.arange(m)] = 0.0
    return Counts(tuple(range(m)), rng.poisson(shares * n_votes / (m * (m - 1))))


def draw_votes(m: int, n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, m, n)
    return a, (a + rng.integers(1, m, n)) % m, rng.choice(4, n, p=[0.5, 0.3, 0.1, 0.1])


def join(counts: Counts, **treatment: str) -> Counts:
    """The same counts, with a circle of wins added if they do not rate every model."""
    if not find_components(counts, **treatment).unrated:
        return counts
    circle = np.zeros_like(counts.table)
    models = np.arange(len(circle))
    circle[models, np.roll(models, 1), MODEL_A] = 1
    return counts + Counts(counts.models, circle)


@st.composite
def live_votes(draw: st.DrawFn) -> tuple[Counts, Scale, dict[str, str], list[tuple[int, int, int]]]:
    treatment = {name: draw(st.sampled_from(["half", "drop"])) for name in ("ties", "both_bad")}
    counts = draw(tables(max_models=5, max_count=60).filter(lambda counts: len(counts.models) > 1))
    counts, m = join(counts, **treatment), len(counts.models)
    vote = st.tuples(st.integers(0, m - 1), st.integers(0, m - 1), st.integers(0, 3)).filter(lambda v: v[0] != v[1])
    votes = draw(st.lists(vote, min_size=1, max_size=30))
    return counts, Scale(anchor=draw(st.sampled_from([None, 0]))), treatment, votes


@settings(max_examples=50)
@given(live_votes())
def test_the_drift_is_within_its_bound_and_a_refit_is_exact(case: tuple) -> None:
    counts, scale, treatment, votes = case
    live = LiveRatings(counts, scale=scale, **treatment)
    for vote in votes:
        live.add(*vote)
    exact = fit_bradley_terry(live.counts, scale=scale, **treatment)
    assert np.abs(live.values - exact.values).max() <= live.drift() + 1e-7
    refit = live.refit()
    assert refit.values == pytest.approx(exact.values, abs=1e-8, rel=1e-11)
    assert refit.covariance == pytest.approx(exact.covariance, rel=1e-8, abs=1e-6)
    assert (refit.parameters, refit.n_votes) == (exact.parameters, exact.n_votes)
    assert live.values == pytest.approx(refit.values, abs=1e-9)
    assert live.drift() < 1e-5
    assert live.counts.n_votes == counts.n_votes + len(votes)


@pytest.mark.parametrize(("n_base", "n_live", "most"), [(1e7, 10_000, 1e-3), (1e5, 3_000, 0.5), (3e3, 300, 10.0)])
def test_the_bound_is_close_to_the_drift(n_base: float, n_live: int, most: float) -> None:
    live = LiveRatings(draw_counts(60, n_base))
    before = live.values
    live.add(*draw_votes(60, n_live))
    exact = fit_bradley_terry(live.counts).values
    drift = np.abs(live.values - exact).max()
    assert drift < most
    assert drift < np.abs(before - exact).max() / 5.0
    assert drift * 0.99999 <= live.drift() <= drift * 1.2


def test_one_vote_moves_the_ratings_by_its_influence() -> None:
    live = LiveRatings(count_rows("abc", CIRCLE))
    before = live.theta
    p = 1.0 / (1.0 + np.exp(before - before[:, None]))
    weights = live.counts.meetings * p * (1.0 - p)
    inverse = np.linalg.pinv(np.diag(weights.sum(axis=1)) - weights)
    for outcome, share in ((MODEL_A, 1.0), (MODEL_B, 0.0), (TIE, 0.5), (BOTH_BAD, 0.5)):
        live = LiveRatings(count_rows("abc", CIRCLE))
        live.add(2, 1, outcome)
        moved = (inverse[2] - inverse[1]) * (share - p[2, 1])
        assert live.theta - before == pytest.approx(moved, abs=1e-10)


def test_each_of_many_votes_moves_the_ratings_by_its_influence() -> None:
    counts = draw_counts(20, 1e4)
    theta = LiveRatings(counts).theta
    p = 1.0 / (1.0 + np.exp(theta - theta[:, None]))
    weights = counts.meetings * p * (1.0 - p)
    inverse = np.linalg.pinv(np.diag(weights.sum(axis=1)) - weights)
    votes, live = draw_votes(20, 500), LiveRatings(counts)
    live.add(*votes)
    table = counts.table.copy()
    for a, b, outcome in zip(*votes, strict=True):
        theta = theta + (inverse[a] - inverse[b]) * ((1.0, 0.0, 0.5, 0.5)[outcome] - expit(theta[a] - theta[b]))
        table[a, b, outcome] += 1
    assert live.theta == pytest.approx(theta - theta.mean(), abs=1e-9)
    assert (live.counts.table == table).all()


def test_dropped_votes_are_counted_and_move_nothing() -> None:
    live = LiveRatings(count_rows("abc", CIRCLE), both_bad="drop")
    before = live.values
    live.add(0, 1, BOTH_BAD)
    live.add(np.array([2, 1]), np.array([1, 0]), np.array([BOTH_BAD, BOTH_BAD]))
    assert (live.values == before).all()
    assert live.counts.n_votes == 19
    assert live.counts.drawn(BOTH_BAD)[0, 1] == 2
    live.add(0, 1, TIE)
    assert (live.values != before).all()


def test_votes_one_at_a_time_and_in_a_batch_are_the_same() -> None:
    counts, votes = draw_counts(10, 1e3), draw_votes(10, 200)
    single, batch = LiveRatings(counts), LiveRatings(counts)
    batch.add(*(column.astype(np.uint8) for column in votes))
    for vote in zip(*votes, strict=True):
        single.add(*map(np.int8, vote))
    assert (single.values == batch.values).all()
    assert (single.counts.table == batch.counts.table).all()


def test_unweighted_votes_can_be_added_to_weighted_counts() -> None:
    a, b, winner = draw_votes(6, 400)
    weight = np.random.default_rng(2).uniform(0.5, 2.0, 400)
    live = LiveRatings(count_votes(Votes(tuple("abcdef"), a, b, winner, weight)))
    live.add(a[:50], b[:50], winner[:50])
    both = [np.concatenate([column, column[:50]]) for column in (a, b, winner)]
    exact = fit_bradley_terry(count_votes(Votes(tuple("abcdef"), *both, np.concatenate([weight, np.ones(50)]))))
    assert np.abs(live.values - exact.values).max() <= live.drift() < 5.0
    refit = live.refit()
    assert refit.values == pytest.approx(exact.values, abs=1e-8)
    assert refit.covariance == pytest.approx(exact.covariance, rel=1e-8)


def test_a_drift_too_far_for_a_bound_is_infinite_until_a_refit() -> None:
    chain = [(i, i + 1, "tie", 1) for i in range(39)]
    live = LiveRatings(count_rows(range(40), chain))
    live.add(np.zeros(30, int), np.full(30, 39), np.zeros(30, int))
    assert live.drift() == math.inf
    assert live.refit().values == pytest.approx(fit_bradley_terry(live.counts).values, abs=1e-8)
    assert live.drift() < 1e-8


def test_a_drift_too_far_for_any_curvature_is_infinite() -> None:
    one = np.zeros(2, int), np.ones(2, int), np.array([MODEL_A, MODEL_B])
    live = LiveRatings(count_votes(Votes(("a", "b"), *one, np.full(2, 1e-3))))
    live.add(0, 1, MODEL_A)  # weighs so much more than the votes before that it moves the ratings by 1,000 log-odds
    assert np.ptp(live.theta) > 900
    assert live.drift() == math.inf
    assert live.refit().values == pytest.approx(fit_bradley_terry(live.counts).values, abs=1e-6)


def test_disconnected_counts_and_invalid_parameters_are_refused() -> None:
    with pytest.raises(DisconnectedModelsError):
        LiveRatings(count_rows("ab", [("a", "b", "model_a", 5)]))
    with pytest.raises(DisconnectedModelsError):
        LiveRatings(count_rows("ab", [("a", "b", "tie", 5)]), ties="drop")
    with pytest.raises(ValueError, match="anchor 'z' is not among"):
        LiveRatings(count_rows("abc", CIRCLE), scale=Scale(anchor="z"))
    with pytest.raises(ValueError, match="both_bad must be"):
        LiveRatings(count_rows("abc", CIRCLE), both_bad="maybe")


@pytest.mark.parametrize(
    ("vote", "message"),
    [
        ((0, 3, 0), "models 0 and 3; expected 0 to 2. To add a model, build new LiveRatings"),
        ((-1, 2, 0), "models -1 and 2"),
        ((1, 1, 0), "model 1 meets itself"),
        ((0, 1, 4), "winner is 4"),
        ((0, 1, -1), "winner is -1"),
    ],
)
def test_a_code_out_of_range_is_refused_and_no_vote_is_added(vote: tuple[int, int, int], message: str) -> None:
    live = LiveRatings(count_rows("abc", CIRCLE))
    with pytest.raises(ValueError, match=message):
        live.add(*vote)
    with pytest.raises(ValueError, match=f"Row 1: {message}"):
        live.add(*(np.array([good, bad]) for good, bad in zip((0, 1, 0), vote, strict=True)))
    assert live.counts.n_votes == 16
    assert live.drift() < 1e-9


@pytest.mark.parametrize(
    "votes",
    [
        (np.array([0, 1]), np.array([1]), np.array([0, 0])),
        (np.array([[0]]), np.array([[1]]), np.array([[0]])),
        (np.array([0.0]), np.array([1]), np.array([0])),
        (0, 1, np.array([0])),
        (0.5, 1, 0),
        ("a", "b", "model_a"),
        ([0], [1], [0]),
    ],
)
def test_votes_of_another_shape_or_type_are_refused(votes: tuple) -> None:
    live = LiveRatings(count_rows("abc", CIRCLE))
    with pytest.raises(ValueError, match="whole numbers"):
        live.add(*votes)
    assert live.counts.n_votes == 16


def test_an_empty_batch_changes_nothing() -> None:
    live = LiveRatings(count_rows("abc", CIRCLE))
    live.add(*(np.array([], dtype=np.int64) for _ in range(3)))
    assert live.counts.n_votes == 16
