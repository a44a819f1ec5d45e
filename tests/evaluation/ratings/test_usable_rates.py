"""Usable rates from "both bad" votes."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from scipy.optimize import minimize

from evaluation.ratings.counts import Counts, count_rows, count_votes
from evaluation.ratings.families import sigmoid
from evaluation.ratings.jackknife import TooFewClustersError
from evaluation.ratings.usable_rates import fit_usable_rates
from evaluation.ratings.votes import Votes
from tests.strategies import tables


def simulate(usable: np.ndarray, n: int, rng: np.random.Generator) -> Counts:
    m = len(usable)
    table = np.zeros((m, m, 4), dtype=np.int64)
    for i, j in zip(*np.triu_indices(m, 1), strict=True):
        table[i, j, 3] = rng.binomial(n, (1 - usable[i]) * (1 - usable[j]))
        table[i, j, 0] = rng.binomial(n - table[i, j, 3], 0.5)
        table[i, j, 1] = n - table[i, j, 3] - table[i, j, 0]
    return Counts(tuple(range(m)), table)


def test_large_arenas_recover_the_truth() -> None:
    usable = np.array([0.95, 0.8, 0.6, 0.4])
    fit = fit_usable_rates(simulate(usable, 200_000, np.random.default_rng(0)))
    assert fit.values == pytest.approx(usable, abs=0.01)


def test_intervals_cover_the_rates() -> None:
    usable = np.array([0.95, 0.9, 0.8, 0.6, 0.5])
    rng = np.random.default_rng(1)
    fits = [fit_usable_rates(simulate(usable, 80, rng)) for _ in range(400)]
    covered = np.mean([(fit.ci_low <= usable) & (usable <= fit.ci_high) for fit in fits])
    assert 0.935 <= covered <= 0.975


@settings(max_examples=40)
@given(tables(max_models=4, max_count=20))
def test_a_general_purpose_optimizer_agrees(counts: Counts) -> None:
    assume(counts.n_votes > 0)
    bad = counts.drawn(3)
    other = counts.meetings - bad
    upper = np.triu_indices(len(counts.models), 1)

    def loss(logit: np.ndarray) -> float:
        phi = -np.logaddexp(0, logit)
        both = (phi[:, None] + phi[None, :])[upper]
        value = (bad[upper] * both + other[upper] * np.log(-np.expm1(both))).sum()
        return float(-value - 0.5 * (phi + np.log(-np.expm1(phi))).sum())

    found = minimize(loss, np.zeros(len(counts.models)), method="BFGS", options={"gtol": 1e-9})
    fit = fit_usable_rates(counts)
    met = counts.meetings.any(axis=1)
    assert fit.values[met] == pytest.approx(1 / (1 + np.exp(-found.x[met])), abs=1e-4)
    assert np.isnan(fit.values[~met]).all()


def test_a_model_never_in_a_both_bad_has_a_high_rate_with_an_interval() -> None:
    fit = fit_usable_rates(count_rows("abc", [("a", "b", "model_a", 40), ("a", "c", "tie", 40), ("b", "c", "tie", 40)]))
    assert (fit.values > 0.8).all()
    assert (fit.ci_low > 0.1).all()
    assert (fit.ci_high < 1.0).all()
    always = fit_usable_rates(count_rows("ab", [("a", "b", "both_bad", 500)]))
    assert (always.values < 0.01).all()


def test_models_without_votes_have_no_rate() -> None:
    with pytest.raises(ValueError, match="need votes"):
        fit_usable_rates(count_rows("ab", []))
    fit = fit_usable_rates(count_rows("abz", [("a", "b", "tie", 5)]))
    assert np.isnan([fit.values[2], fit.ci_low[2], fit.ci_high[2]]).all()
    assert fit.n_votes.tolist() == [5.0, 5.0, 0.0]


def draw_strict_raters(seed: int, activity: np.ndarray, strictness: float) -> Votes:
    """1,000 votes on three models, by raters some of whom are stricter than others."""
    rng = np.random.default_rng(seed)
    rater = rng.choice(len(activity), 1000, p=activity / activity.sum())
    a = rng.integers(0, 3, 1000)
    b = (a + rng.integers(1, 3, 1000)) % 3
    logit = np.array([0.5, 1.0, 1.5]), rng.normal(0.0, strictness, len(activity))
    bad = np.all([rng.random(1000) > sigmoid(logit[0][side] + logit[1][rater]) for side in (a, b)], axis=0)
    return Votes(tuple("abc"), a, b, np.where(bad, 3, rng.integers(0, 2, 1000)), None, {"rater": rater})


@pytest.mark.parametrize("activity", [np.ones(10), 1.0 / np.arange(1, 13)])
def test_clustered_intervals_are_close_to_refits_without_each_rater(activity: np.ndarray) -> None:
    votes = draw_strict_raters(0, activity, 0.3)
    rater = votes.clusters["rater"]

    def fit_logits(rows: np.ndarray) -> np.ndarray:
        columns = (votes.model_a[rows], votes.model_b[rows], votes.winner[rows])
        values = fit_usable_rates(count_votes(Votes(votes.models, *columns))).values
        return np.log(values / (1 - values))

    whole = fit_logits(rater >= 0)
    moved = np.array([fit_logits(rater != code) - whole for code in np.unique(rater)])
    exact = (1 - 1 / len(moved)) * moved.T @ moved
    found = fit_usable_rates(count_votes(votes), clusters=votes)
    assert np.diag(found.covariance) == pytest.approx(np.diag(exact), rel=0.25)
    assert found.values == pytest.approx(fit_usable_rates(count_votes(votes)).values)


def test_clustered_intervals_hold_if_raters_differ_and_one_casts_half_of_the_votes() -> None:
    """The interval for independent votes holds in less than 80 %."""
    activity = np.r_[9.0, np.ones(9)]
    large = [draw_strict_raters(seed, np.ones(1000), 0.7) for seed in range(1000, 1150)]
    table = np.sum([count_votes(votes).table for votes in large], axis=0)
    truth = fit_usable_rates(Counts(tuple("abc"), table)).values
    held = []
    for seed in range(100):
        votes = draw_strict_raters(seed, activity, 0.7)
        fits = (fit_usable_rates(count_votes(votes), clusters=clusters) for clusters in (None, votes))
        held.append([(fit.ci_low <= truth) & (truth <= fit.ci_high) for fit in fits])
    naive, clustered = np.mean(held, axis=(0, 2))
    assert naive < 0.8
    assert 0.91 <= clustered <= 0.99


def test_clusters_never_narrow_an_interval_and_need_two() -> None:
    votes = draw_strict_raters(3, np.ones(30), 0.0)
    never_bad = Votes(
        (*votes.models, "d"),
        np.r_[votes.model_a, 3, 3],
        np.r_[votes.model_b, 0, 1],
        np.r_[votes.winner, 0, 1],
        None,
        {"rater": np.r_[votes.clusters["rater"], 0, 1]},
    )
    counts = count_votes(never_bad)
    naive, clustered = fit_usable_rates(counts), fit_usable_rates(counts, clusters=never_bad)
    assert (clustered.ci_low <= naive.ci_low + 1e-9).all()
    assert (clustered.ci_high >= naive.ci_high - 1e-9).all()
    one = Votes(votes.models, votes.model_a, votes.model_b, votes.winner, None, {"rater": np.zeros(1000, int)})
    with pytest.raises(TooFewClustersError, match="'rater'"):
        fit_usable_rates(count_votes(one), clusters=one)
    with pytest.raises(ValueError, match="same models"):
        fit_usable_rates(count_rows("ab", [("a", "b", "tie", 5)]), clusters=votes)
