"""The bootstrap against exact refits, the sandwich, and its properties."""

import os

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evaluation.ratings.bootstrap import bootstrap_clusters, bootstrap_ratings
from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.components import DisconnectedModelsError, find_components
from evaluation.ratings.counts import Counts, count_rows
from evaluation.ratings.poisson import draw_deviations, make_key
from evaluation.ratings.ranks import find_rank_sets
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes
from tests.strategies import tables


def simulate(n_models: int, n_votes: int, seed: int = 0, spread: float = 1.0) -> Counts:
    """Models that meet unequally often; one vote in seven is a tie, one in seven both bad."""
    rng = np.random.default_rng(seed)
    theta, share = rng.normal(0, spread, n_models), 1 / rng.permutation(np.arange(1, n_models + 1))
    met = np.outer(share, share) * (1 - np.eye(n_models))
    votes = rng.multinomial(n_votes, (met / met.sum()).ravel())
    p = 1 / (1 + np.exp(theta[None, :] - theta[:, None])).ravel()
    outcomes = np.stack([p * 5 / 7, (1 - p) * 5 / 7, np.full_like(p, 1 / 7), np.full_like(p, 1 / 7)], axis=1)
    return Counts(tuple(range(n_models)), rng.multinomial(votes, outcomes).reshape(n_models, n_models, 4))


def resample(counts: Counts, b: int, seed: int = 0) -> Counts:
    """Resample b of bootstrap_ratings, drawn alone, with all undecided votes as ties."""
    m = len(counts.models)
    left, right = np.nonzero(np.triu(counts.meetings))
    votes = np.stack([counts.wins, counts.wins.T, counts.drawn(2) + counts.drawn(3)], axis=2)[left, right]
    deviations = draw_deviations(votes.ravel(), np.arange(votes.size), make_key(seed), b, 1).reshape(votes.shape)
    table = np.zeros((m, m, 4), dtype=int)
    table[left, right, :3] = votes + deviations.astype(int)
    return Counts(counts.models, table)


@pytest.mark.parametrize("n_votes", [1_000, 100_000, 10**10])
def test_each_draw_is_the_exact_fit_of_its_resample(n_votes: int) -> None:
    counts = simulate(12, n_votes)
    drawn, errors = bootstrap_ratings(counts, n=40), fit_bradley_terry(counts).standard_errors
    assert drawn.n_unrated == 0
    exact = np.array([fit_bradley_terry(resample(counts, b)).values for b in range(40)])
    assert (abs(drawn.draws - exact) / errors).max() < 2e-3
    assert drawn.values == pytest.approx(fit_bradley_terry(counts).values)


@settings(max_examples=25)
@given(tables(max_models=4, max_count=12), st.integers(0, 2**64 - 1))
def test_few_votes_are_fitted_exactly_or_counted_as_unrated(counts: Counts, seed: int) -> None:
    assume(len(counts.models) > 1 and not find_components(counts).unrated)
    resamples = [resample(counts, b, seed) for b in range(40)]
    rated = [r for r in resamples if not find_components(r).unrated]
    if len(rated) < 36:
        with pytest.raises(ValueError, match=f"{40 - len(rated)} of 40 resamples have no finite rating"):
            bootstrap_ratings(counts, n=40, seed=seed)
        return
    drawn = bootstrap_ratings(counts, n=40, seed=seed)
    errors = fit_bradley_terry(counts, interval="inverse_hessian").standard_errors
    assert (drawn.n_unrated, len(drawn.draws)) == (40 - len(rated), len(rated))
    exact = np.array([fit_bradley_terry(r).values for r in rated])
    assert (abs(drawn.draws - exact) <= 5e-3 * errors + 1e-6).all()


def test_resamples_far_from_the_full_fit_are_exact_or_unrated() -> None:
    # Three losses in 403: a resample has none (and no finite rating), or so many that the first step overshoots.
    counts = count_rows("abc", [("a", "b", "model_a", 400), ("a", "b", "model_b", 3), ("b", "c", "tie", 60)])
    drawn = bootstrap_ratings(counts, n=400)
    exact = [resample(counts, b) for b in range(400)]
    rated = [c for c in exact if not find_components(c).unrated]
    assert drawn.n_unrated == 400 - len(rated) > 0
    assert max(c.wins[1, 0] for c in rated) > 6
    assert drawn.draws == pytest.approx(np.array([fit_bradley_terry(c).values for c in rated]), abs=0.5)


def test_many_draws_have_the_covariance_of_the_sandwich() -> None:
    counts = simulate(30, 300_000)
    drawn, ratings = bootstrap_ratings(counts, n=4000), fit_bradley_terry(counts)
    errors, bias = drawn.draws.std(axis=0), drawn.draws.mean(axis=0) - drawn.values
    # A standard deviation from 4,000 draws has a standard error of 1 / sqrt(8,000), 1.1 %: 4.5 of those.
    assert abs(errors / ratings.standard_errors - 1).max() < 0.05
    assert (abs(bias) / ratings.standard_errors).max() < 4.5 / np.sqrt(4000) + 0.02
    scaled = np.corrcoef(drawn.draws, rowvar=False) - ratings.covariance / np.outer(*[ratings.standard_errors] * 2)
    assert abs(scaled).max() < 4.5 / np.sqrt(4000)
    width = (drawn.ci_high - drawn.ci_low) / (ratings.ci_high - ratings.ci_low)
    assert abs(width - 1).max() < 0.1


@pytest.mark.parametrize("n_votes", [3_000, 300_000])
def test_a_seed_gives_the_same_draws_on_any_number_of_threads(monkeypatch: pytest.MonkeyPatch, n_votes: int) -> None:
    counts = simulate(20, n_votes)
    first = bootstrap_ratings(counts, n=300, seed=7)
    for cores in (1, 3):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        assert (bootstrap_ratings(counts, n=300, seed=7).draws == first.draws).all()
    assert not (bootstrap_ratings(counts, n=300, seed=8).draws == first.draws).any()


def test_with_many_votes_rank_sets_are_those_of_normal_draws() -> None:
    counts = simulate(25, 30_000, spread=0.6)
    ratings = fit_bradley_terry(counts)
    ours, normal = bootstrap_ratings(counts, n=4000).rank_sets(0.9), find_rank_sets(ratings, confidence=0.9, draws=4000)
    assert ours.critical_value == pytest.approx(normal.critical_value, rel=0.05)
    assert abs(ours.best - normal.best).max() <= 1
    assert abs(ours.worst - normal.worst).max() <= 1
    assert (ours.worst - ours.best).max() > 3
    ranks = np.argsort(np.argsort(-ratings.values)) + 1
    assert ((ours.best <= ranks) & (ranks <= ours.worst)).all()


def test_the_critical_value_is_a_quantile_of_the_largest_studentized_difference() -> None:
    drawn = bootstrap_ratings(simulate(6, 3_000), n=300)
    left, right = np.triu_indices(6, 1)
    draws = drawn.draws[:, left] - drawn.draws[:, right]
    noise = abs(draws - (drawn.values[left] - drawn.values[right])) / draws.std(axis=0, ddof=1)
    critical_value = np.quantile(noise.max(axis=1), 0.9, method="higher")
    assert drawn.rank_sets(0.9).critical_value == pytest.approx(critical_value, rel=1e-4)


def test_rank_sets_hold_for_all_models_at_once() -> None:
    held = 0
    rng = np.random.default_rng(1)
    theta = np.linspace(-0.5, 0.5, 8)
    p = 1 / (1 + np.exp(theta[None, :] - theta[:, None]))
    for seed in range(200):
        table = np.zeros((8, 8, 4), dtype=int)
        for i, j in zip(*np.triu_indices(8, 1), strict=True):
            table[i, j, 0] = rng.binomial(40, p[i, j])
            table[i, j, 1] = 40 - table[i, j, 0]
        sets = bootstrap_ratings(Counts(tuple(range(8)), table), n=200, seed=seed).rank_sets(0.9)
        truth = np.arange(8, 0, -1)
        held += ((sets.best <= truth) & (truth <= sets.worst)).all()
    assert held >= 174  # at least 180 expected, with a standard deviation of 4


def test_known_differences_have_no_spread() -> None:
    counts = count_rows("ab", [("a", "b", "tie", 50)])
    drawn = bootstrap_ratings(counts)
    assert (drawn.draws == 1000).all()
    sets = drawn.rank_sets()
    assert (sets.best.tolist(), sets.worst.tolist(), sets.critical_value) == ([1, 1], [2, 2], 0.0)


def test_options_have_the_effect_they_have_in_a_fit() -> None:
    counts = simulate(6, 5000)
    scale = Scale(center=978, anchor=3)
    drawn = bootstrap_ratings(counts, n=400, both_bad="drop", ties="drop", scale=scale, confidence=0.9)
    fit = fit_bradley_terry(counts, both_bad="drop", ties="drop", scale=scale, confidence=0.9)
    assert (drawn.draws[:, 3] == 978).all()
    assert drawn.values == pytest.approx(fit.values)
    assert drawn.ci_low == pytest.approx(fit.ci_low, abs=0.4 * fit.standard_errors.max())
    assert drawn.ci_high == pytest.approx(fit.ci_high, abs=0.4 * fit.standard_errors.max())
    assert (drawn.unit, drawn.ties, drawn.confidence, drawn.seed) == ("vote", "drop", 0.9, 0)


def spread_over_raters(counts: Counts, votes_per_rater: int, times: float) -> Votes:
    a, b, winner = (np.repeat(index, counts.table.ravel()) for index in np.indices(counts.table.shape).reshape(3, -1))
    order = np.random.default_rng(0).permutation(len(a))
    raters = {"rater": np.arange(len(a)) // votes_per_rater}
    return Votes(counts.models, a[order], b[order], winner[order], np.full(len(a), times), raters)


def test_clusters_of_one_vote_are_votes_and_copied_votes_add_no_information() -> None:
    counts = simulate(6, 4000)
    errors = bootstrap_ratings(counts, n=2000).draws.std(axis=0)
    for votes in (spread_over_raters(counts, 1, 1.0), spread_over_raters(counts, 1, 9.0)):
        drawn = bootstrap_clusters(votes, "rater", n=2000)
        assert drawn.draws.std(axis=0) == pytest.approx(errors, rel=0.1)
        assert drawn.unit == "rater"


@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_cluster_draws_are_exact_fits(seed: int) -> None:
    votes = spread_over_raters(simulate(5, 600), 20, 1.5)
    drawn = bootstrap_clusters(votes, "rater", n=40, seed=seed)
    raters = np.arange(30)
    times = 1 + draw_deviations(np.ones(30, int), raters, make_key(seed), 0, 1)[:, 0]
    table = np.zeros((5, 5, 4))
    np.add.at(table, (votes.model_a, votes.model_b, votes.winner), 1.5 * times[votes.clusters["rater"]])
    exact = fit_bradley_terry(Counts(votes.models, table, table))
    assert (abs(drawn.draws[0] - exact.values) / exact.standard_errors).max() < 5e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 39}, "at least 40 resamples, got 39"),
        ({"seed": -1}, "seed is a whole number"),
        ({"confidence": 1.0}, "0 < confidence < 1"),
        ({"ties": "win"}, "ties must be 'half' or 'drop'"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bootstrap_ratings(simulate(4, 1000), **options)


def test_votes_that_cannot_be_resampled_are_refused() -> None:
    counts = simulate(4, 1000)
    with pytest.raises(ValueError, match="use bootstrap_clusters"):
        bootstrap_ratings(Counts(counts.models, counts.table * 0.5, counts.table * 0.25))
    with pytest.raises(DisconnectedModelsError):
        bootstrap_ratings(count_rows("abc", [("a", "b", "tie", 5)]))
    votes = spread_over_raters(counts, 1000, 1.0)
    with pytest.raises(ValueError, match="no clusters 'prompt'; they have rater"):
        bootstrap_clusters(votes, "prompt")
    with pytest.raises(ValueError, match="at least 2 clusters, got 1 in 'rater'"):
        bootstrap_clusters(votes, "rater")
    with pytest.raises(ValueError, match=r"Level 0\.99 needs at least 100 resamples, got 40"):
        bootstrap_ratings(counts, n=40).rank_sets(0.99)
