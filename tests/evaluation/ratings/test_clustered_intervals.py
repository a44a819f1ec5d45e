"""Clustered intervals: the one-step cluster jackknife against refits, dense algebra and arenas with a known truth."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evaluation.ratings.bradley_terry import fit_bradley_terry, fit_davidson, fit_rao_kupper
from evaluation.ratings.components import find_components
from evaluation.ratings.counts import Counts, count_rows, count_votes
from evaluation.ratings.families import sigmoid
from evaluation.ratings.jackknife import TooFewClustersError
from evaluation.ratings.ratings import Ratings
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes
from tests.strategies import tables

LOG_ODDS = Scale(1.0, np.e, 0.0)
FITS = (fit_bradley_terry, fit_davidson, fit_rao_kupper)


def expand(counts: Counts, clusters: dict[str, np.ndarray] | None = None) -> Votes:
    """One row for each vote of a table."""
    a, b, w = (np.repeat(axis, counts.table[counts.table > 0]) for axis in np.nonzero(counts.table))
    rows = {name: codes[: len(a)] for name, codes in (clusters or {"vote": np.arange(len(a))}).items()}
    return Votes(counts.models, a, b, w, None, rows)


def draw(
    seed: int,
    activity: np.ndarray,
    *,
    n: int = 1500,
    m: int = 5,
    taste: float = 0.5,
    tied: float = 0.0,
    both_bad: float = 0.0,
    weighted: bool = False,
) -> Votes:
    """Votes of raters with tastes of their own, as active as ``activity`` says."""
    rng = np.random.default_rng(seed)
    rater = rng.choice(len(activity), n, p=np.asarray(activity) / np.sum(activity))
    a = rng.integers(0, m, n)
    b = (a + rng.integers(1, m, n)) % m
    tastes = np.linspace(-0.6, 0.6, m) + rng.normal(0.0, taste, (len(activity), m))
    winner = (rng.random(n) >= sigmoid(tastes[rater, a] - tastes[rater, b])).astype(int)
    winner = np.where(rng.random(n) < tied, 2, winner)
    winner = np.where(rng.random(n) < both_bad, 3, winner)
    weight = rng.uniform(0.2, 2.0, n) if weighted else None
    return Votes(tuple("abcdefgh"[:m]), a, b, winner, weight, {"rater": rater})


def pick(votes: Votes, rows: Any, **changes: Any) -> Votes:
    """Some rows of the votes, in any order."""
    columns = {name: getattr(votes, name)[rows] for name in ("model_a", "model_b", "winner")}
    columns["weight"] = None if votes.weight is None else votes.weight[rows]
    columns["clusters"] = {name: codes[rows] for name, codes in votes.clusters.items()}
    return Votes(**({"models": votes.models} | columns | changes))


def fit(votes: Votes, how: Callable[..., Ratings] = fit_bradley_terry, **arguments: Any) -> Ratings:
    return how(count_votes(votes), clusters=votes, scale=LOG_ODDS, **arguments)


def refit_without_each(votes: Votes, how: Callable[..., Ratings], **arguments: Any) -> np.ndarray:
    """(C - 1) / C Σ (refit without a cluster - fit)², with every refit carried to its end."""
    codes = votes.clusters["rater"]
    whole = how(count_votes(votes), scale=LOG_ODDS, **arguments).theta
    moved = np.array([
        how(count_votes(pick(votes, codes != code)), scale=LOG_ODDS, **arguments).theta - whole
        for code in np.unique(codes)
    ])  # fmt: skip
    return (1.0 - 1.0 / len(moved)) * moved.T @ moved


@pytest.mark.parametrize("how", FITS)
@pytest.mark.parametrize("activity", [np.ones(12), 1.0 / np.arange(1, 13)])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_close_to_refits_without_each_cluster(how: Any, activity: np.ndarray, weighted: bool) -> None:
    votes = draw(1, activity, n=3000, tied=0.15, both_bad=0.1, weighted=weighted)
    arguments = {"both_bad": "drop", "side": True}
    exact = refit_without_each(votes, how, **arguments)
    errors = np.sqrt(np.diag(exact))
    assert fit(votes, how, **arguments).standard_errors == pytest.approx(errors, rel=0.05)
    assert fit(votes, how, **arguments).covariance == pytest.approx(exact, abs=0.1 * errors.max() ** 2)


@pytest.mark.parametrize("activity", [np.ones(9), 2.0 ** -np.arange(9), np.r_[40.0, np.ones(40)]])
@pytest.mark.parametrize("m", [2, 5, 8])
def test_it_is_the_dense_formula(activity: np.ndarray, m: int) -> None:
    """Clusters of all sizes: one vote, fewer votes than models, many."""
    votes = draw(2, activity, n=900, m=m, weighted=True)
    found = fit(votes)
    x = np.eye(m)[votes.model_a] - np.eye(m)[votes.model_b]
    p = sigmoid(x @ found.theta)
    slopes = x * (votes.weight * ((votes.winner == 0) - p))[:, None]
    roots = x * np.sqrt(votes.weight * p * (1 - p))[:, None]
    steps = []
    for code in np.unique(votes.clusters["rater"]):
        rows = votes.clusters["rater"] == code
        left = roots.T @ roots - roots[rows].T @ roots[rows]
        steps.append(np.linalg.pinv(left, rcond=1e-9, hermitian=True) @ slopes[rows].sum(axis=0))
    covariance = (1 - 1 / len(steps)) * np.array(steps).T @ np.array(steps)
    assert found.covariance == pytest.approx(covariance, rel=1e-6, abs=1e-10)


@settings(max_examples=40)
@given(tables(max_models=5, max_count=20))
def test_clusters_of_one_vote_are_the_jackknife_of_single_votes(counts: Counts) -> None:
    """Wider than the sandwich, by the leverage of the votes, and the same for many votes."""
    assume(len(counts.models) > 1 and counts.n_votes > 1 and not find_components(counts).unrated)
    many = Counts(counts.models, counts.table * 500)
    clustered, plain = (fit_bradley_terry(many, clusters=c) for c in (expand(many), None))
    assert clustered.covariance == pytest.approx(plain.covariance, rel=0.05, abs=1e-3)
    assert (clustered.standard_errors >= plain.standard_errors * (1 - 1e-3)).all()
    assert (clustered.model_degrees <= many.n_votes - 1).all()
    assert clustered.interval == "vote"


@settings(max_examples=25)
@given(tables(max_models=4, max_count=8), st.integers(2, 5))
def test_copied_votes_of_a_rater_do_not_narrow_the_interval(counts: Counts, copies: int) -> None:
    """Every vote is repeated by its rater: the naive interval shrinks, the clustered one stays."""
    assume(len(counts.models) > 1 and counts.n_votes > 1 and not find_components(counts).unrated)
    once = expand(counts)
    again = Votes(
        once.models,
        *(np.tile(column, copies) for column in (once.model_a, once.model_b, once.winner)),
        None,
        {"rater": np.tile(np.arange(len(once)), copies)},
    )
    more = Counts(counts.models, counts.table * copies)
    clustered, naive = fit_bradley_terry(more, clusters=again), fit_bradley_terry(more)
    alone = fit_bradley_terry(counts, clusters=expand(counts))
    # A contrast that one vote alone tells about has the variance of one vote, however often it is repeated.
    assert clustered.covariance == pytest.approx(alone.covariance, rel=1e-5, abs=1e-5)
    assert clustered.model_degrees == pytest.approx(alone.model_degrees, rel=1e-5)
    assert naive.covariance == pytest.approx(fit_bradley_terry(counts).covariance / copies, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("how", FITS)
def test_merged_shuffled_and_relabeled_votes_give_the_same_interval(how: Any) -> None:
    votes = draw(3, 1.0 / np.arange(1, 15), n=600, tied=0.2, both_bad=0.1)
    votes.clusters["prompt"] = np.random.default_rng(0).integers(0, 7, 600)
    counts = count_votes(votes)
    whole = how(counts, clusters=votes, scale=LOG_ODDS, side=True)
    rng = np.random.default_rng(1)
    labels = rng.permutation(1000)
    for other in (
        votes.merge(),
        pick(votes, rng.permutation(600)),
        pick(votes, slice(None), clusters={name: labels[codes] - 500 for name, codes in votes.clusters.items()}),
        pick(votes, slice(None), weight=np.ones(600)),
    ):
        same = how(counts, clusters=other, scale=LOG_ODDS, side=True)
        assert same.covariance == pytest.approx(whole.covariance, rel=1e-8, abs=1e-12)
        assert same.model_degrees == pytest.approx(whole.model_degrees, rel=1e-4)
        for name, estimate in whole.coefficients.items():
            assert same.coefficients[name].standard_error == pytest.approx(estimate.standard_error, rel=1e-8)
    assert whole.interval == "rater+prompt"


def test_an_anchor_has_the_shares_of_its_differences() -> None:
    votes = draw(4, 1.0 / np.arange(1, 9))
    free, fixed = fit(votes), fit_bradley_terry(count_votes(votes), clusters=votes, scale=Scale(anchor="b"))
    assert fixed.standard_errors[0] / fixed.scale.unit == pytest.approx(free.difference("a", "b").standard_error)
    assert (fixed.ci_high - fixed.ci_low)[1] == 0.0
    assert (fixed.model_degrees[[0, 2, 3, 4]] > 2.0).all()


def test_two_columns_add_up_minus_their_intersection() -> None:
    rng = np.random.default_rng(1)
    votes = draw(5, np.ones(20), n=800, m=3)
    rater, prompt = votes.clusters["rater"], rng.integers(0, 20, 800)
    one = {
        name: fit(pick(votes, slice(None), clusters={name: codes}))
        for name, codes in {"rater": rater, "prompt": prompt, "both": rater * 20 + prompt}.items()
    }
    two = fit(pick(votes, slice(None), clusters={"rater": rater, "prompt": prompt}))
    expected = one["rater"].covariance + one["prompt"].covariance - one["both"].covariance
    assert np.linalg.eigvalsh(expected)[1] > 0  # nothing to project
    assert two.covariance == pytest.approx(expected, rel=1e-9, abs=1e-12)
    fewest = np.minimum(one["rater"].model_degrees, one["prompt"].model_degrees)
    assert two.model_degrees == pytest.approx(fewest)


def test_a_two_way_covariance_is_positive_semidefinite() -> None:
    """Each rater repeats one vote on each prompt: the intersection takes more away than both columns add."""
    rng = np.random.default_rng(0)
    negative = 0
    for seed in range(40):
        votes = draw(seed, np.ones(4), n=40, m=4, taste=0.0)
        votes.clusters["prompt"] = rng.integers(0, 4, 40)
        counts = count_votes(votes)
        if find_components(counts).unrated:
            continue
        parts = [fit(pick(votes, slice(None), clusters={"x": codes})).covariance for codes in (
            votes.clusters["rater"], votes.clusters["prompt"], votes.clusters["rater"] * 4 + votes.clusters["prompt"]
        )]  # fmt: skip
        negative += np.linalg.eigvalsh(parts[0] + parts[1] - parts[2])[0] < -1e-6
        assert np.linalg.eigvalsh(fit(votes).covariance)[0] > -1e-9
    assert negative > 3


@pytest.mark.parametrize("votes_each", [4, 40])
@pytest.mark.parametrize("how", FITS)
def test_a_model_that_one_rater_alone_voted_on_has_a_wider_interval_not_a_narrower_one(
    how: Any, votes_each: int
) -> None:
    """The votes of that rater on it count as one: what the others cannot confirm might be taste."""
    others = draw(6, np.ones(10), n=1000, m=4, tied=0.1)
    rows = [("e", "a", "model_a"), ("e", "b", "model_b"), ("e", "c", "tie"), ("d", "e", "model_a")]
    a, b, winner = (np.array([column[k] for column in rows] * (votes_each // 4)) for k in range(3))
    models = {name: k for k, name in enumerate("abcde")}
    winners = {"model_a": 0, "model_b": 1, "tie": 2}
    votes = Votes(
        tuple("abcde"),
        np.r_[others.model_a, [models[x] for x in a]],
        np.r_[others.model_b, [models[x] for x in b]],
        np.r_[others.winner, [winners[x] for x in winner]],
        None,
        {"rater": np.r_[others.clusters["rater"], np.zeros(len(a), int)]},
    )
    found, naive = fit(votes, how), how(count_votes(votes), scale=LOG_ODDS, interval="inverse_hessian")
    assert found.standard_errors[4] > 0.9 * np.sqrt(votes_each) * naive.standard_errors[4]
    assert (found.ci_high - found.ci_low)[4] < 100.0
    assert (found.standard_errors > naive.standard_errors).all()
    # The difference of two models that all raters know is not affected.
    without = fit(others, how).difference("a", "b").standard_error
    assert found.difference("a", "b").standard_error == pytest.approx(without, rel=0.1)


def test_a_new_model_of_few_raters_has_fewer_degrees_of_freedom_than_the_others() -> None:
    many = draw(7, np.ones(40), n=1200, m=6)
    new = (many.model_a == 5) | (many.model_b == 5)
    found = fit(pick(many, ~new | (many.clusters["rater"] < 3)))
    assert found.model_degrees[5] == pytest.approx(2.0, abs=0.7)
    assert (found.model_degrees[:5] > 8).all()
    old = found.difference("a", "b")
    assert old.ci_high - old.value < 2.4 * old.standard_error
    few = found.difference("f", "a")
    assert few.ci_high - few.value > 3.0 * few.standard_error


@pytest.mark.parametrize("raters", [2, 3, 6])
def test_raters_who_cast_the_same_votes_have_the_interval_of_independent_votes(raters: int) -> None:
    """No difference between raters is seen, but their votes are few."""
    one = draw(9, np.ones(1), n=60, m=3)
    votes = pick(one, np.tile(np.arange(60), raters), clusters={"rater": np.repeat(np.arange(raters), 60)})
    found, naive = fit(votes), fit_bradley_terry(count_votes(votes), scale=LOG_ODDS)
    assert found.ci_low == pytest.approx(naive.ci_low, rel=1e-6)
    assert found.ci_high == pytest.approx(naive.ci_high, rel=1e-6)


def test_votes_that_do_not_count_make_no_cluster() -> None:
    votes = draw(8, np.ones(6), n=600)
    idle = Votes(
        votes.models,
        np.r_[votes.model_a, 0, 1],
        np.r_[votes.model_b, 1, 0],
        np.r_[votes.winner, 3, 0],
        np.r_[np.ones(600), 1.0, 0.0],
        {"rater": np.r_[votes.clusters["rater"], 6, 7]},
    )
    some, all_of_them = (fit(v, both_bad="drop") for v in (votes, idle))
    assert all_of_them.covariance == pytest.approx(some.covariance, rel=1e-9)
    assert all_of_them.model_degrees == pytest.approx(some.model_degrees)


def test_invalid_clusters_are_refused() -> None:
    counts = count_rows("ab", [("a", "b", "model_a", 3), ("a", "b", "model_b", 2)])
    votes = expand(counts)
    with pytest.raises(ValueError, match="different votes: 5 in the clusters, 10 in the counts"):
        fit_bradley_terry(counts + counts, clusters=votes)
    with pytest.raises(ValueError, match="same models in the same order"):
        fit_bradley_terry(count_rows("ba", [("a", "b", "tie", 5)]), clusters=votes)
    with pytest.raises(TooFewClustersError, match="at least 2 clusters with votes, got 1 in 'rater'") as caught:
        fit_bradley_terry(counts, clusters=expand(counts, {"vote": np.arange(5), "rater": np.zeros(5, int)}))
    assert caught.value.column == "rater"
    with pytest.raises(ValueError, match="have no clusters"):
        fit_bradley_terry(counts, clusters=Votes(votes.models, votes.model_a, votes.model_b, votes.winner))


@pytest.mark.parametrize(("activity", "least", "most"), [
    (np.ones(5), 0.90, 0.99),
    (1.0 / np.arange(1, 13) ** 1.5, 0.91, 0.995),
    (np.r_[11.0, np.ones(11)], 0.91, 0.995),
])  # fmt: skip
def test_intervals_cover_the_truth_if_few_raters_cast_most_votes(
    activity: np.ndarray, least: float, most: float
) -> None:
    """80 arenas of three models of equal strength; the interval for independent votes covers it in less than 60 %."""
    covered, naive = [], []
    for seed in range(80):
        votes = draw(seed, activity, n=600, m=3)
        votes = pick(votes, slice(None), winner=_prefer(seed, votes, len(activity)))
        for found, held in ((fit(votes), covered), (fit_bradley_terry(count_votes(votes), scale=LOG_ODDS), naive)):
            held.append((found.ci_low <= 0.0) & (found.ci_high >= 0.0))
    assert np.mean(naive) < 0.6
    assert least <= np.mean(covered) <= most


def _prefer(seed: int, votes: Votes, n_raters: int) -> np.ndarray:
    rng = np.random.default_rng(seed + 1000)
    tastes = rng.normal(0.0, 0.7, (n_raters, 3))
    rater = votes.clusters["rater"]
    lead = tastes[rater, votes.model_a] - tastes[rater, votes.model_b]
    return (rng.random(len(votes)) >= sigmoid(lead)).astype(int)
