"""Davidson and Rao-Kupper against a general-purpose optimizer, and the treatment of ties and "both bad"."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from scipy.optimize import approx_fprime, minimize

from evaluation.ratings.bradley_terry import NoTiesError, fit_bradley_terry, fit_davidson, fit_rao_kupper
from evaluation.ratings.components import find_components
from evaluation.ratings.counts import Counts, count_rows
from evaluation.ratings.families import BRADLEY_TERRY, DAVIDSON, RAO_KUPPER, Family
from evaluation.ratings.fitting import NoFiniteFitError
from evaluation.ratings.scales import Scale
from tests.strategies import tables

NATURAL = Scale(1.0, np.e, 0.0)


def davidson_p(eta: np.ndarray, nu: float) -> list[np.ndarray]:
    left, right, tie = np.exp(eta / 2), np.exp(-eta / 2), nu
    return [left / (left + right + tie), right / (left + right + tie), tie / (left + right + tie)]


def rao_kupper_p(eta: np.ndarray, kappa: float) -> list[np.ndarray]:
    left, right = 1 / (1 + kappa * np.exp(-eta)), 1 / (1 + kappa * np.exp(eta))
    return [left, right, 1 - left - right]


def direct_optimum(counts: Counts, p_of, start: float) -> tuple[np.ndarray, float]:
    def loss(x: np.ndarray) -> float:
        with np.errstate(all="ignore"):
            eta = x[:-1, None] - x[None, :-1]
            log_p = np.log(np.stack(p_of(eta, np.exp(x[-1]) + (p_of is rao_kupper_p)), axis=-1))
        value = -np.where(counts.table[:, :, :3] > 0, counts.table[:, :, :3] * log_p, 0.0).sum()
        return float(value) if np.isfinite(value) else 1e300

    x = np.append(np.zeros(len(counts.models)), start)
    for _ in range(3):
        x = minimize(loss, x, method="BFGS", options={"gtol": 1e-9}).x
    return x[:-1] - x[:-1].mean(), np.exp(x[-1]) + (p_of is rao_kupper_p)


@settings(max_examples=25)
@given(tables(max_models=4, max_count=30))
@pytest.mark.parametrize(("fit", "p_of"), [(fit_davidson, davidson_p), (fit_rao_kupper, rao_kupper_p)])
def test_a_general_purpose_optimizer_agrees(fit, p_of, counts: Counts) -> None:
    assume(len(counts.models) > 1 and not find_components(counts, both_bad="drop").unrated)
    assume(counts.drawn(2).any() and counts.wins.any())
    try:
        found = fit(counts, scale=NATURAL)
    except NoFiniteFitError:
        return  # the next test covers these
    theta, tie = direct_optimum(counts, p_of, np.log(found.coefficients["tie"].value) if p_of is davidson_p else -1.0)
    assert found.values == pytest.approx(theta, abs=2e-4)
    assert found.coefficients["tie"].value == pytest.approx(tie, rel=2e-3)


@pytest.mark.parametrize("fit", [fit_davidson, fit_rao_kupper])
def test_a_ridge_to_infinity_is_reported(fit) -> None:
    # The win and the tie both get likelier without end as strength and tie parameter grow together.
    with pytest.raises(NoFiniteFitError):
        fit(count_rows("ab", [("a", "b", "model_a", 3), ("a", "b", "tie", 2)]))
    assert fit(count_rows("ab", [("a", "b", "model_a", 3), ("a", "b", "tie", 2), ("a", "b", "model_b", 1)]))


@pytest.mark.parametrize("outcome", range(3))
@pytest.mark.parametrize("family", [BRADLEY_TERRY, DAVIDSON, RAO_KUPPER], ids=lambda f: f.name)
def test_slopes_and_information_are_the_derivatives(family: Family, outcome: int) -> None:
    votes = np.eye(3)[:, [outcome]]
    for eta, tau in [(0.3, 0.2), (-2.0, 0.7), (5.0, 0.05)]:
        point = np.array([eta, tau])

        def log_likelihood(x: np.ndarray) -> float:
            return family.derive(x[:1], float(x[1]), votes).log_likelihood

        at = family.derive(point[:1], tau, votes)
        slope = [at.eta[0], *([at.tau[0]] if family.models_ties else [])]
        assert slope == pytest.approx(approx_fprime(point, log_likelihood, 1e-7)[: len(slope)], rel=1e-4, abs=1e-5)
        assert family.scores(point[:1], tau)[:, outcome, 0] == pytest.approx(slope)

        def find_slope(x: np.ndarray) -> np.ndarray:
            found = family.derive(x[:1], float(x[1]), votes)
            return np.array([found.eta[0], found.tau[0] if family.models_ties else 0.0])

        second = -np.array([(find_slope(point + h) - find_slope(point - h)) / 2e-5 for h in np.eye(2) * 1e-5])
        assert at.eta_eta[0] == pytest.approx(second[0, 0], rel=1e-4, abs=1e-4)
        if family.models_ties:
            assert at.eta_tau[0] == pytest.approx(second[0, 1], rel=1e-4, abs=1e-4)
            assert at.tau_tau[0] == pytest.approx(second[1, 1], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("fit", "share"), [(fit_davidson, lambda v: v / (2 + v)), (fit_rao_kupper, lambda k: (k - 1) / (k + 1))]
)
def test_equal_models_tie_at_the_rate_of_the_parameter(fit, share) -> None:
    found = fit(count_rows("ab", [("a", "b", "model_a", 40), ("a", "b", "model_b", 40), ("a", "b", "tie", 20)]))
    assert share(found.coefficients["tie"].value) == pytest.approx(0.2)
    assert found.values == pytest.approx([1000.0, 1000.0])


def test_davidson_recovers_strengths_that_half_wins_compress() -> None:
    theta = np.linspace(-1.5, 1.5, 7)
    left, right, tie = davidson_p(theta[:, None] - theta[None, :], 1.0)
    table = np.zeros((7, 7, 4), dtype=np.int64)
    table[:, :, :3] = np.round(1e6 * np.stack([left, right, tie], axis=-1))
    table[np.arange(7), np.arange(7)] = 0
    counts = Counts(tuple("abcdefg"), table)
    assert fit_davidson(counts, scale=NATURAL).values == pytest.approx(theta, abs=1e-5)
    assert fit_davidson(counts).coefficients["tie"].value == pytest.approx(1.0, abs=1e-5)
    half = fit_bradley_terry(counts, scale=NATURAL).values
    assert np.polyfit(theta, half, 1)[0] < 0.8


def test_dropping_ties_equals_fitting_the_other_votes() -> None:
    rows = [("a", "b", "model_a", 30), ("a", "b", "model_b", 10), ("a", "b", "tie", 50), ("b", "a", "both_bad", 7)]
    fit = fit_bradley_terry(count_rows("ab", rows), ties="drop", both_bad="drop", scale=NATURAL)
    assert fit.values[0] - fit.values[1] == pytest.approx(np.log(3))
    only_ties = fit_bradley_terry(count_rows("ab", rows), both_bad="drop", scale=NATURAL)
    assert only_ties.values[0] - only_ties.values[1] == pytest.approx(np.log(55 / 35))
    with pytest.raises(ValueError, match="both_bad must be 'half' or 'drop', got 'loss'"):
        fit_bradley_terry(count_rows("ab", rows), both_bad="loss")


@pytest.mark.parametrize("fit", [fit_davidson, fit_rao_kupper])
def test_a_tie_parameter_needs_ties_and_decided_votes(fit) -> None:
    with pytest.raises(NoTiesError):
        fit(count_rows("ab", [("a", "b", "model_a", 3), ("a", "b", "model_b", 3)]))
    with pytest.raises(NoTiesError):
        fit(count_rows("ab", [("a", "b", "tie", 3)]))


def test_the_first_side_gets_its_own_intercept() -> None:
    rng = np.random.default_rng(3)
    theta, side, n = np.array([-0.5, 0.0, 0.5]), 0.4, 20_000
    table = np.zeros((3, 3, 4), dtype=np.int64)
    for i, j in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)]:
        table[i, j, 0] = rng.binomial(n, 1 / (1 + np.exp(theta[j] - theta[i] - side)))
        table[i, j, 1] = n - table[i, j, 0]
    fit = fit_bradley_terry(Counts(tuple("abc"), table), side=True, scale=NATURAL)
    assert fit.values == pytest.approx(theta, abs=0.03)
    found = fit.coefficients["side"]
    assert found.ci_low < side < found.ci_high
    assert found.p_value < 1e-6
    swapped = Counts(tuple("abc"), table.transpose(1, 0, 2)[:, :, [1, 0, 2, 3]])
    mirrored = fit_bradley_terry(swapped, side=True, scale=NATURAL)
    assert mirrored.values == pytest.approx(fit.values, abs=1e-9)
    assert mirrored.coefficients["side"].value == pytest.approx(-found.value, abs=1e-9)
    with pytest.raises(ValueError, match="one side won every vote"):
        fit_bradley_terry(count_rows("ab", [("a", "b", "model_a", 3), ("b", "a", "model_a", 3)]), side=True)
