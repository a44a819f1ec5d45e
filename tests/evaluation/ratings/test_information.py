"""Information of a vote against inverted matrices, a general-purpose optimizer and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.counts import Counts
from evaluation.ratings.information import approximate_posterior, find_information, predict_reduction, update_covariance


def laplacian(weights: np.ndarray) -> np.ndarray:
    return np.diag(weights.sum(axis=1)) - weights


def one_vote(m: int, i: int, j: int) -> np.ndarray:
    vote = np.zeros((m, m))
    vote[i, j] = vote[j, i] = 1.0
    return laplacian(vote)


@st.composite
def states(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A covariance of 2 to 6 models with mean zero, from votes on all pairs, and the information of a vote."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    m = draw(st.integers(2, 6))
    information = find_information(rng.normal(0.0, 1.5, m))
    votes = np.triu(rng.integers(1, 200, (m, m)), 1)
    return np.linalg.pinv(laplacian((votes + votes.T) * information), hermitian=True), information


@settings(max_examples=40)
@given(states(), st.data())
def test_the_reduction_is_that_of_the_inverted_information(state: tuple, data: st.DataObject) -> None:
    covariance, information = state
    m = len(covariance)
    contrasts = np.random.default_rng(data.draw(st.integers(0, 999))).normal(size=(data.draw(st.integers(1, 4)), m))
    contrasts -= contrasts.mean(axis=1, keepdims=True)
    reduction = predict_reduction(covariance, information, contrasts)
    precision = np.linalg.pinv(covariance, hermitian=True)
    for i, j in np.argwhere(~np.eye(m, dtype=bool)):
        after = np.linalg.pinv(precision + information[i, j] * one_vote(m, i, j), hermitian=True)
        expected = np.trace(contrasts @ (covariance - after) @ contrasts.T)
        assert reduction[i, j] == pytest.approx(expected, rel=1e-5, abs=1e-12)
    assert not reduction.diagonal().any()


@settings(max_examples=40)
@given(states(), st.floats(0.0, 1e4), st.data())
def test_the_update_is_the_inverted_information(state: tuple, n_votes: float, data: st.DataObject) -> None:
    covariance, information = state
    i, j = data.draw(st.permutations(range(len(covariance))))[:2]
    updated = update_covariance(covariance, i, j, information[i, j], n_votes)
    precision = np.linalg.pinv(covariance, hermitian=True)
    vote = one_vote(len(covariance), i, j)
    expected = np.linalg.pinv(precision + n_votes * information[i, j] * vote, hermitian=True)
    assert updated == pytest.approx(expected, rel=1e-6, abs=1e-10 * np.abs(covariance).max())


@given(states(), st.integers(1, 50))
def test_several_votes_are_the_same_as_one_at_a_time(state: tuple, n_votes: int) -> None:
    covariance, information = state
    at_once, one_by_one = update_covariance(covariance, 0, 1, information[0, 1], n_votes), covariance
    for _ in range(n_votes):
        one_by_one = update_covariance(one_by_one, 1, 0, information[0, 1])
    assert at_once == pytest.approx(one_by_one, rel=1e-6, abs=1e-12)


@given(states())
def test_the_origin_of_the_scale_changes_nothing(state: tuple) -> None:
    covariance, information = state
    m = len(covariance)
    anchored = covariance - covariance[0] - covariance[:, [0]] + covariance[0, 0]
    contrast = np.eye(m)[[m - 1]] - np.eye(m)[[0]]
    expected = predict_reduction(covariance, information, contrast)
    assert predict_reduction(anchored, information, np.eye(m)[[m - 1]]) == pytest.approx(expected, rel=1e-8, abs=1e-15)


def test_infinitely_many_votes_make_a_difference_known() -> None:
    covariance = np.eye(3) - 1.0 / 3.0
    known = update_covariance(covariance, 0, 1, 0.25, math.inf)
    assert known[0, 0] - 2.0 * known[0, 1] + known[1, 1] == pytest.approx(0.0, abs=1e-15)
    assert known[2, 2] == pytest.approx(covariance[2, 2])
    assert (update_covariance(known, 0, 1, 0.25, 1000) == known).all()
    assert (update_covariance(covariance, 0, 1, 0.25, 0) == covariance).all()


def test_a_vote_on_equal_models_by_hand() -> None:
    """Two models, difference of variance 4: a vote of information 1/4 halves it."""
    covariance = np.array([[1.0, -1.0], [-1.0, 1.0]])
    information = find_information(np.zeros(2))
    assert information.tolist() == [[0.0, 0.25], [0.25, 0.0]]
    assert predict_reduction(covariance, information, np.array([[1.0, -1.0]]))[0, 1] == pytest.approx(2.0)
    assert predict_reduction(covariance, information, np.eye(2))[0, 1] == pytest.approx(1.0)


def test_information_is_the_variance_of_a_vote() -> None:
    theta = np.array([0.0, 1.0, -800.0])
    p = expit(1.0)
    assert find_information(theta)[0, 1] == pytest.approx(p * (1.0 - p))
    assert find_information(theta)[0, 2] == 0.0


def test_without_votes_the_posterior_is_the_prior() -> None:
    posterior = approximate_posterior(np.zeros((5, 5)), prior_sd=1.5)
    assert posterior.theta == pytest.approx(np.zeros(5))
    assert posterior.covariance == pytest.approx(2.25 * (np.eye(5) - 0.2))


def test_the_posterior_is_the_optimum_with_the_stated_prior() -> None:
    wins = np.array([[0.0, 7.5, 3.0, 0.0], [2.5, 0.0, 4.0, 0.0], [0.0, 1.0, 0.0, 0.0], [9.0, 0.0, 0.0, 0.0]])
    prior = 4.0 / (4.0 * 0.8**2) / 2.0 * (1.0 - np.eye(4))

    def loss(theta: np.ndarray) -> float:
        return float(-((wins + prior) * log_expit(theta[:, None] - theta[None, :])).sum())

    found = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-7}).x
    posterior = approximate_posterior(wins, prior_sd=0.8)
    assert posterior.theta == pytest.approx(found - found.mean(), abs=1e-5)
    assert posterior.prior_sd == 0.8


def test_unbeaten_unrated_and_disconnected_models_have_finite_strengths() -> None:
    wins = np.zeros((5, 5))
    wins[0, 1], wins[3, 4] = 50.0, 1.0
    posterior = approximate_posterior(wins)
    assert posterior.theta[0] > posterior.theta[2] > posterior.theta[1]
    assert np.isfinite(posterior.covariance).all()
    assert posterior.covariance[2, 2] == posterior.covariance.diagonal().max()


def test_with_many_votes_the_prior_has_no_effect() -> None:
    rng = np.random.default_rng(5)
    table = np.zeros((6, 6, 4), dtype=np.int64)
    table[:, :, :2] = rng.integers(1000, 5000, (6, 6, 2)) * (1 - np.eye(6, dtype=np.int64))[:, :, None]
    counts = Counts(tuple(range(6)), table)
    fit = fit_bradley_terry(counts, interval="inverse_hessian")
    posterior = approximate_posterior(counts.wins.astype(float))
    assert posterior.theta == pytest.approx(fit.theta, abs=1e-3)
    assert posterior.covariance == pytest.approx(fit.covariance / fit.scale.unit**2, rel=1e-3)


def test_the_predicted_reduction_is_the_average_one() -> None:
    """Simulated: a hundred votes on one matchup, a hundred times, and the fitted variance afterwards."""
    rng = np.random.default_rng(8)
    theta = np.array([0.7, 0.0, -0.7])
    p = expit(theta[:, None] - theta[None, :])
    table = np.zeros((3, 3, 4), dtype=np.int64)
    table[:, :, 0] = np.rint(200 * p * (1 - np.eye(3)))
    before = fit_bradley_terry(Counts((0, 1, 2), table), interval="inverse_hessian")
    scaled = before.covariance / before.scale.unit**2
    predicted = update_covariance(scaled, 0, 1, find_information(before.theta)[0, 1], 100)
    after = []
    for won in rng.binomial(100, p[0, 1], 100):
        more = table.copy()
        more[0, 1, 0] += won
        more[0, 1, 1] += 100 - won
        fit = fit_bradley_terry(Counts((0, 1, 2), more), interval="inverse_hessian")
        after.append(fit.covariance / fit.scale.unit**2)
    assert np.mean(after, axis=0) == pytest.approx(predicted, rel=0.01, abs=1e-5)


SQUARE, ONES = np.eye(3), np.ones((3, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: approximate_posterior(np.zeros((1, 1))), "at least 2 models"),
        (lambda: approximate_posterior(np.eye(3)), "0 on the diagonal"),
        (lambda: approximate_posterior(-ONES), "0 or more"),
        (lambda: approximate_posterior(np.full((3, 3), np.nan)), "finite"),
        (lambda: approximate_posterior(np.zeros((3, 2))), r"\(3, 2\)"),
        (lambda: approximate_posterior(np.array([["a"]])), "<U1"),
        (lambda: approximate_posterior(np.zeros((3, 3)), prior_sd=0.0), "standard deviation"),
        (lambda: find_information(ONES), r"\(3, 3\)"),
        (lambda: find_information(np.array([0.0, np.inf])), "finite"),
        (lambda: predict_reduction(SQUARE, -ONES, SQUARE), "0 or more"),
        (lambda: predict_reduction(SQUARE, np.ones((2, 2)), SQUARE), r"\(3, 3\)"),
        (lambda: predict_reduction(SQUARE, ONES, np.ones(3)), r"got \(3,\)"),
        (lambda: update_covariance(SQUARE, 1, 1, 0.25), "two different models"),
        (lambda: update_covariance(SQUARE, 0, 3, 0.25), "0 to 2"),
        (lambda: update_covariance(SQUARE, 0, 1, -0.25), "0 or more"),
        (lambda: update_covariance(SQUARE, 0, 1, 0.25, math.nan), "0 or more"),
    ],
)
def test_invalid_input_is_refused(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
