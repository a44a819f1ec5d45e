"""Usable rates from "both bad" votes."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from scipy.optimize import minimize

from evaluation.ratings.counts import Counts, count_rows
from evaluation.ratings.usable_rates import fit_usable_rates
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
