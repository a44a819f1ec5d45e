"""Covariances of independent votes, and the intervals, differences and p-values that follow from a covariance."""

import math

import numpy as np
import pytest
from scipy import stats

from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.components import DisconnectedModelsError, Unrated
from evaluation.ratings.counts import Counts, count_rows, count_votes
from evaluation.ratings.ratings import estimate, quantile
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes


def test_the_inverse_hessian_and_the_sandwich_agree_if_the_model_is_right() -> None:
    rng = np.random.default_rng(5)
    theta = np.linspace(-1, 1, 5)
    table = np.zeros((5, 5, 4), dtype=np.int64)
    i, j = np.triu_indices(5, 1)
    table[i, j, 0] = rng.binomial(100_000, 1 / (1 + np.exp(theta[j] - theta[i])))
    table[i, j, 1] = 100_000 - table[i, j, 0]
    counts = Counts(tuple("abcde"), table)
    sandwich, hessian = (fit_bradley_terry(counts, interval=kind) for kind in ("sandwich", "inverse_hessian"))
    assert sandwich.covariance == pytest.approx(hessian.covariance, rel=0.02, abs=0.02)
    with pytest.raises(ValueError, match="interval must be 'sandwich' or 'inverse_hessian', got 'bootstrap'"):
        fit_bradley_terry(counts, interval="bootstrap")


def test_weights_scale_the_votes_but_not_their_number() -> None:
    """Weights that are all 3 do not change the estimate or its sandwich, because no vote was added."""
    rng = np.random.default_rng(2)
    counts = Counts(tuple("abc"), rng.integers(1, 30, (3, 3, 4)) * (1 - np.eye(3, dtype=int))[:, :, None])
    a, b, winner = (np.repeat(axis, counts.table[counts.table > 0]) for axis in np.nonzero(counts.table))
    heavy = Votes(counts.models, a, b, winner, np.full(len(a), 3.0))
    fit, weighted = fit_bradley_terry(counts), fit_bradley_terry(count_votes(heavy))
    assert weighted.values == pytest.approx(fit.values, abs=1e-9)
    assert weighted.covariance == pytest.approx(fit.covariance, rel=1e-9)


def test_votes_of_weight_zero_do_not_count() -> None:
    rows = np.array([0, 1, 2, 0]), np.array([1, 0, 0, 2]), np.array([0, 0, 0, 0])
    counts = count_votes(Votes(tuple("abc"), *rows, np.array([1.0, 2.0, 0.0, 0.0])))
    with pytest.raises(DisconnectedModelsError) as caught:
        fit_bradley_terry(counts)
    assert caught.value.unrated == {"c": Unrated.NO_VOTES}
    rated = fit_bradley_terry(counts.select([0, 1]), scale=Scale(1.0, np.e))
    assert rated.values[1] - rated.values[0] == pytest.approx(np.log(2))


def test_differences_and_contrasts_use_the_whole_covariance() -> None:
    counts = count_rows("abc", [("a", "b", "model_a", 30), ("a", "b", "model_b", 10), ("b", "c", "tie", 9)])
    fit = fit_bradley_terry(counts)
    found = fit.difference("a", "b")
    unit = 400 / np.log(10)
    assert found.value == pytest.approx(unit * np.log(3))
    assert found.standard_error == pytest.approx(unit / np.sqrt(40 * 0.75 * 0.25))
    assert found.p_value == pytest.approx(2 * stats.norm.sf(found.value / found.standard_error))
    assert fit.contrast({"a": 1.0, "b": -0.5, "c": -0.5}).value == pytest.approx(fit.values @ [1, -0.5, -0.5])
    for wrong, message in [
        ({"a": 1.0}, "sum to 0"),
        ({"a": np.nan, "b": 1.0}, "finite"),
        ({"a": 1.0, "z": -1.0}, "'z' is not among the rated models"),
    ]:
        with pytest.raises(ValueError, match=message):
            fit.contrast(wrong)
    with pytest.raises(ValueError, match="twice"):
        fit.difference("a", "a")


def test_the_covariance_follows_the_anchor() -> None:
    counts = count_rows("abc", [("a", "b", "model_a", 30), ("a", "b", "model_b", 10), ("b", "c", "tie", 9)])
    mean, fixed = fit_bradley_terry(counts), fit_bradley_terry(counts, scale=Scale(center=978.0, anchor="b"))
    assert fixed.values[1] == 978.0
    assert fixed.ci_low[1] == fixed.ci_high[1] == 978.0
    assert vars(fixed.difference("a", "c")) == pytest.approx(vars(mean.difference("a", "c")))
    assert fixed.standard_errors[0] == pytest.approx(mean.difference("a", "b").standard_error)
    assert fixed.theta == pytest.approx(mean.theta, abs=1e-12)
    with pytest.raises(ValueError, match="The anchor 'z' is not among the rated models: a, b, c"):
        fit_bradley_terry(counts, scale=Scale(anchor="z"))


def test_quantiles_and_p_values_agree_with_scipy() -> None:
    assert quantile(0.95) == pytest.approx(1.959964, abs=1e-6)
    assert quantile(0.95, 9) == pytest.approx(stats.t.ppf(0.975, 9))
    few = estimate(2.0, 1.0, 0.9, 9)
    assert few.p_value == pytest.approx(2 * stats.t.sf(2.0, 9))
    assert (few.ci_low, few.ci_high) == pytest.approx(stats.t.interval(0.9, 9, 2.0, 1.0))
    assert estimate(0.0, 0.0).p_value == 1.0
    assert estimate(1.0, 0.0).p_value == 0.0
    assert math.isfinite(estimate(1e300, 1e-3).p_value)
    with pytest.raises(ValueError, match="confidence"):
        quantile(1.0)
