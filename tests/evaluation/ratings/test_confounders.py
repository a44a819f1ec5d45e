"""Confounder control against dense regressions by scipy, simulations with a known truth, and properties."""

import os
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.confounders import Controlled, fit_controlled
from evaluation.ratings.counts import count_votes
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes

LOG_ODDS = Scale(1.0, np.e, 0.0)
Columns = dict[str, np.ndarray]


def simulate(
    seed: int, n: int, theta: np.ndarray, gamma: Mapping[str, float], *, side: float = 0.0, undecided: float = 0.0
) -> tuple[Votes, Columns]:
    """Votes of a known model, with standard normal covariates."""
    rng, m = np.random.default_rng(seed), len(theta)
    a = rng.integers(0, m, n)
    b = (a + rng.integers(1, m, n)) % m
    columns = {name: rng.standard_normal(n) for name in gamma}
    eta = theta[a] - theta[b] + side + sum((gamma[name] * z for name, z in columns.items()), np.zeros(n))
    winner = np.where(rng.random(n) < 1 / (1 + np.exp(-eta)), 0, 1)
    winner = np.where(rng.random(n) < undecided, rng.integers(2, 4, n), winner)
    return Votes(tuple(range(m)), a, b, winner), columns


def pick(votes: Votes, rows: np.ndarray, **changes: object) -> Votes:
    columns = {name: getattr(votes, name)[rows] for name in ("model_a", "model_b", "winner")}
    return Votes(**({"models": votes.models} | columns | changes))


def regress(votes: Votes, columns: Columns, prior_sd: float = np.inf) -> tuple[np.ndarray, ...]:
    """A dense regression by scipy: θ (mean zero), side and γ; their inverse Hessian; each vote's gradient and root."""
    n, m = len(votes), len(votes.models)
    x = np.zeros((n, m + 1 + len(columns)))
    x[np.arange(n), votes.model_a], x[np.arange(n), votes.model_b], x[:, m] = 1.0, -1.0, 1.0
    for k, z in enumerate(columns.values()):
        x[:, m + 1 + k] = z / np.sqrt((z**2).mean())
    y = np.array([1.0, 0.0, 0.5, 0.5])[votes.winner]
    precision = np.zeros(x.shape[1])
    precision[m + 1 :] = prior_sd**-2.0

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        p = 1 / (1 + np.exp(-x @ beta))
        value = np.logaddexp(0, x @ beta).sum() - y @ x @ beta + 0.5 * precision @ beta**2
        return value, x.T @ (p - y) + precision * beta

    beta = minimize(loss, np.zeros(x.shape[1]), jac=True, method="BFGS", options={"gtol": 1e-9}).x
    p = 1 / (1 + np.exp(-x @ beta))
    inverse = np.linalg.pinv((x.T * (p * (1 - p))) @ x + np.diag(precision))
    beta[:m] -= beta[:m].mean()
    return beta, inverse, (y - p)[:, None] * x, np.sqrt(p * (1 - p))[:, None] * x


def beta_of(fit: Controlled) -> np.ndarray:
    return np.concatenate([fit.theta, [c.value for c in fit.coefficients.values()]])


def errors_of(fit: Controlled) -> np.ndarray:
    return np.concatenate([fit.standard_errors / fit.scale.unit, [c.standard_error for c in fit.coefficients.values()]])


@pytest.mark.parametrize("prior_sd", [None, 0.05])
def test_a_dense_regression_by_scipy_agrees(prior_sd: float | None) -> None:
    votes, columns = simulate(1, 400, np.linspace(-1, 1, 5), {"x": 0.5, "y": -0.3}, side=0.2, undecided=0.2)
    beta, inverse, gradients, _ = regress(votes, columns, prior_sd or np.inf)
    sandwich = inverse @ gradients.T @ gradients @ inverse
    fit = fit_controlled(votes, columns, prior_sd=prior_sd)
    assert beta_of(fit) == pytest.approx(beta, abs=1e-7)
    assert errors_of(fit) == pytest.approx(np.sqrt(np.diag(sandwich)), rel=1e-6)
    assert fit.covariance == pytest.approx(sandwich[:5, :5] * fit.scale.unit**2, rel=1e-6, abs=1e-6)
    by_hessian = fit_controlled(votes, columns, prior_sd=prior_sd, interval="inverse_hessian")
    assert errors_of(by_hessian) == pytest.approx(np.sqrt(np.diag(inverse)), rel=1e-6)


@pytest.mark.parametrize("names", [("rater",), ("rater", "prompt")])
def test_clusters_are_those_of_a_dense_regression(names: tuple[str, ...]) -> None:
    votes, columns = simulate(2, 500, np.linspace(-1, 1, 4), {"x": 0.5}, side=0.2, undecided=0.2)
    rng = np.random.default_rng(0)
    clusters = {name: rng.integers(0, size, 500) for name, size in {"rater": 20, "prompt": 60}.items() if name in names}
    votes = pick(votes, np.arange(500), clusters=clusters)
    _, _, gradients, roots = regress(votes, columns)
    # Without a cluster: one Newton step from the regression of all votes, with a dense Hessian.
    hessian = roots.T @ roots

    def leave_out(codes: np.ndarray) -> np.ndarray:
        steps = []
        for label in np.unique(codes):
            rows = codes == label
            left = hessian - roots[rows].T @ roots[rows]
            steps.append(np.linalg.pinv(left, rcond=1e-9) @ gradients[rows].sum(axis=0))
        return (1 - 1 / len(steps)) * np.array(steps).T @ np.array(steps)

    covariance = sum(leave_out(codes) for codes in clusters.values())
    if len(clusters) > 1:
        covariance -= leave_out(clusters["rater"] * 60 + clusters["prompt"])
    fit = fit_controlled(votes, columns, clustered=True)
    assert errors_of(fit) == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-6)
    assert fit.interval == "+".join(names)
    assert (fit.model_degrees > 15).all()
    assert (fit.model_degrees < 19).all()


@pytest.mark.parametrize("side", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
def test_without_covariates_it_is_bradley_terry(side: bool, clustered: bool) -> None:
    votes, _ = simulate(3, 3000, np.linspace(-1, 1, 6), {}, side=0.3, undecided=0.3)
    weight, clusters = np.random.default_rng(0).random(3000), {"rater": np.arange(3000) % 40}
    votes = pick(votes, np.arange(3000), weight=weight, clusters=clusters)
    fit = fit_controlled(votes, side=side, both_bad="drop", clustered=clustered)
    peer = fit_bradley_terry(
        count_votes(votes), side=side, both_bad="drop", clusters=votes if clustered else None, confidence=0.95
    )
    assert fit.values == pytest.approx(peer.values, abs=1e-8)
    assert fit.covariance == pytest.approx(peer.covariance, rel=1e-7, abs=1e-7)
    assert fit.ci_low == pytest.approx(peer.ci_low, abs=1e-6)
    assert list(fit.coefficients) == list(peer.coefficients)
    assert fit.n_votes == pytest.approx(peer.n_votes)


def swap(votes: Votes, columns: Columns, rows: np.ndarray) -> tuple[Votes, Columns]:
    """The same votes, with A and B swapped where ``rows`` is true."""
    a, b = np.where(rows, [votes.model_b, votes.model_a], [votes.model_a, votes.model_b])
    winner = np.where(rows, np.array([1, 0, 2, 3])[votes.winner], votes.winner)
    return Votes(votes.models, a, b, winner), {name: np.where(rows, -z, z) for name, z in columns.items()}


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 6), st.sampled_from([None, 0.1]))
def test_swapping_the_sides_changes_nothing(seed: int, m: int, prior_sd: float | None) -> None:
    votes, columns = simulate(seed, 120 * m, np.linspace(-0.5, 0.5, m), {"x": 0.4, "y": 0.0}, side=0.5, undecided=0.2)
    # A mean that centering would remove.
    columns["x"] += 1.0
    every, some = np.ones(120 * m, dtype=bool), np.random.default_rng(seed).random(120 * m) < 0.5
    for side, rows in ((True, every), (False, every), (False, some)):
        fit = fit_controlled(votes, columns, prior_sd=prior_sd, side=side)
        turned = fit_controlled(*swap(votes, columns, rows), prior_sd=prior_sd, side=side)
        assert turned.values == pytest.approx(fit.values, abs=1e-9)
        assert turned.covariance == pytest.approx(fit.covariance, rel=1e-9, abs=1e-9)
        for name, coefficient in fit.coefficients.items():
            sign = -1 if name == "side" else 1
            assert turned.coefficients[name].value == pytest.approx(sign * coefficient.value, abs=1e-12)


def test_a_simulated_effect_is_recovered() -> None:
    """The prior is on the sum of the log-likelihood: on its mean, it would shrink 0.25 to 0.046."""
    votes, columns = simulate(4, 50_000, np.linspace(-0.8, 0.8, 8), {"sharpness": 0.25}, side=0.1)
    for prior_sd in (None, 1.0):
        fit = fit_controlled(votes, {"sharpness": 40.0 * columns["sharpness"]}, prior_sd=prior_sd)
        effect, side = fit.coefficients["sharpness"], fit.coefficients["side"]
        assert abs(effect.value - 0.25 * fit.scales["sharpness"] / 40.0) < 3 * effect.standard_error < 0.04
        assert abs(side.value - 0.1) < 3 * side.standard_error
    assert fit.parameters["prior_sd"] == 1.0
    assert fit.parameters["scales"] == {"sharpness": pytest.approx(40.0, rel=0.02)}


def test_larger_images_do_not_raise_an_adjusted_rating() -> None:
    """Three equal models. One draws images twice as large as the others' on average, and raters like them large."""
    rng, n = np.random.default_rng(5), 20_000
    a = rng.integers(0, 3, n)
    b = (a + rng.integers(1, 3, n)) % 3
    larger = rng.normal(np.array([0.0, 0.0, 1.0])[a], 1.0) - rng.normal(np.array([0.0, 0.0, 1.0])[b], 1.0)
    votes = Votes((0, 1, 2), a, b, np.where(rng.random(n) < 1 / (1 + np.exp(-0.6 * larger)), 0, 1))
    plain = fit_bradley_terry(count_votes(votes)).difference(2, 0)
    fair = fit_controlled(votes, {"size": larger.astype(np.float32)})
    assert plain.ci_low > 50.0
    assert fair.difference(2, 0).ci_low < 0.0 < fair.difference(2, 0).ci_high
    assert fair.coefficients["size"].value / fair.scales["size"] == pytest.approx(0.6, abs=0.05)


def test_intervals_cover_the_truth() -> None:
    """200 arenas of 5 models and 500 votes: 95 % intervals cover the truth in 92 to 98 %."""
    theta, covered = np.linspace(-0.6, 0.6, 5), []
    for seed in range(200):
        votes, columns = simulate(seed, 500, theta, {"x": 0.3}, side=0.1)
        fit = fit_controlled(votes, columns, scale=LOG_ODDS)
        effect, side = fit.coefficients["x"], fit.coefficients["side"]
        truth = 0.3 * fit.scales["x"]
        held = [effect.ci_low <= truth <= effect.ci_high, side.ci_low <= 0.1 <= side.ci_high]
        covered.append([*held, ((fit.ci_low <= theta) & (theta <= fit.ci_high)).mean()])
    assert np.all(np.abs(np.mean(covered, axis=0) - 0.95) < 0.03)


def test_the_prior_is_on_the_sum_of_the_likelihood() -> None:
    votes, columns = simulate(6, 2000, np.linspace(-0.5, 0.5, 4), {"x": 0.5})
    pulls = []
    for copies in (1, 2, 4):
        rows = np.tile(np.arange(2000), copies)
        many = pick(votes, rows), {"x": columns["x"][rows]}
        free, held = (fit_controlled(*many, prior_sd=sd).coefficients["x"].value for sd in (None, 0.1))
        pulls.append(free - held)
    assert pulls[0] > 0.05
    assert [pulls[0] / pulls[1], pulls[1] / pulls[2]] == pytest.approx([2.0, 2.0], rel=0.15)


def test_a_weight_of_two_is_the_same_vote_twice() -> None:
    votes, columns = simulate(7, 300, np.linspace(-0.5, 0.5, 4), {"x": 0.5}, undecided=0.2)
    weight = np.arange(300) % 3
    rows = np.repeat(np.arange(300), weight)
    repeated = fit_controlled(pick(votes, rows), {"x": columns["x"][rows]}, interval="inverse_hessian", prior_sd=0.5)
    weighted = fit_controlled(
        pick(votes, np.arange(300), weight=weight), columns, interval="inverse_hessian", prior_sd=0.5
    )
    assert beta_of(weighted) == pytest.approx(beta_of(repeated), abs=1e-9)
    assert errors_of(weighted) == pytest.approx(errors_of(repeated), rel=1e-9)
    assert weighted.scales == pytest.approx(repeated.scales)
    kept = votes.winner != 3
    dropped = fit_controlled(votes, columns, both_bad="drop")
    gone = fit_controlled(pick(votes, kept), {"x": columns["x"][kept]})
    assert beta_of(dropped) == pytest.approx(beta_of(gone), abs=1e-9)


@pytest.mark.parametrize("copies", [4, 60])
def test_blocks_samples_and_kinds_of_number_change_nothing(copies: int) -> None:
    """9,000 votes copied: several blocks, or so many votes that a sample is fitted first."""
    votes, columns = simulate(8, 9000, np.linspace(-0.5, 0.5, 4), {"x": 0.5, "y": 0.1}, side=0.1, undecided=0.3)
    votes = pick(votes, np.arange(9000), weight=np.arange(9000) % 3)
    columns = {name: np.round(100 * z) for name, z in columns.items()}
    once = fit_controlled(votes, columns, both_bad="drop")
    rows = np.random.default_rng(0).permutation(9000 * copies) % 9000
    many = pick(votes, rows, weight=votes.weight[rows])
    for kind in (np.int16, np.float32):
        fit = fit_controlled(many, {name: z[rows].astype(kind) for name, z in columns.items()}, both_bad="drop")
        assert fit.values == pytest.approx(once.values, abs=1e-9)
        assert errors_of(fit) == pytest.approx(errors_of(once) / np.sqrt(copies), rel=1e-9 if copies == 4 else 1e-5)


def test_the_number_of_cores_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    votes, columns = simulate(9, 150_000, np.linspace(-0.5, 0.5, 4), {"x": 0.5}, side=0.1)
    first = fit_controlled(votes, columns)
    for cores in (1, 3):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        fit = fit_controlled(votes, columns)
        assert (fit.values == first.values).all()
        assert (fit.covariance == first.covariance).all()
