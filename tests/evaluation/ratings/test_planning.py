"""Plans: followed in simulation they reach their width, and impossible ones are refused."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.ratings.bradley_terry import fit_bradley_terry, fit_davidson
from evaluation.ratings.counts import Counts, count_votes
from evaluation.ratings.information import find_information, update_covariance
from evaluation.ratings.planning import Plan, UnreachableWidthError, find_design_effect, plan_votes
from evaluation.ratings.ratings import Ratings, quantile
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes

M = 8


def draw_table(meetings: np.ndarray, theta: np.ndarray, rng: np.random.Generator, tie: float = 0.0) -> np.ndarray:
    """Votes (M, M, 4) by Davidson's model with parameter ``tie``, a third of the ties as both_bad."""
    half = np.exp((theta[:, None] - theta[None, :]) / 2.0)
    chances = np.stack([half, 1.0 / half, np.full_like(half, tie * 2 / 3), np.full_like(half, tie / 3)], axis=-1)
    return rng.multinomial(meetings, chances / chances.sum(axis=-1, keepdims=True))


def start(seed: int, tie: float = 0.0, per_pair: int = 60) -> tuple[np.random.Generator, np.ndarray, Counts]:
    rng = np.random.default_rng(seed)
    theta = rng.normal(0.0, 0.9, M)
    meetings = np.triu(rng.poisson(per_pair, (M, M)), 1)
    return rng, theta, Counts(tuple("abcdefgh"), draw_table(meetings, theta, rng, tie))


def count_planned(plan: Plan) -> np.ndarray:
    meetings = np.zeros((M, M), dtype=np.int64)
    for (a, b), n in plan.matchups.items():
        meetings[plan.models.index(a), plan.models.index(b)] += n
    return meetings


def width_of(ratings: Ratings, plan: Plan) -> float:
    if plan.pair:
        difference = ratings.difference(*plan.pair)
        return difference.ci_high - difference.ci_low
    widths = ratings.ci_high - ratings.ci_low
    return float(widths.max() if plan.model is None else widths[ratings.index(plan.model)])


@pytest.mark.parametrize("goal", [{"model": "c"}, {"pair": ("a", "f")}, {}])
@pytest.mark.parametrize("fit", [fit_bradley_terry, fit_davidson])
def test_following_the_plan_reaches_the_width(fit, goal: dict) -> None:
    reached = []
    for seed in range(3):
        rng, theta, counts = start(seed, tie=0.6)
        ratings = fit(counts)
        now = plan_votes(ratings, counts, width=1e6, **goal).width_now
        plan = plan_votes(ratings, counts, width=now / 2.0, **goal)
        after = fit(Counts(counts.models, counts.table + draw_table(count_planned(plan), theta, rng, tie=0.6)))
        reached.append(width_of(after, plan) / plan.width)
        assert plan.expected_width == pytest.approx(plan.width, rel=0.01)
    assert max(abs(ratio - 1.0) for ratio in reached) < 0.1


@pytest.mark.parametrize("goal", [{"model": "c"}, {"pair": ("a", "f")}, {}])
def test_the_plan_needs_fewer_votes_than_even_sampling(goal: dict) -> None:
    _, _, counts = start(3)
    ratings = fit_bradley_terry(counts)
    now = plan_votes(ratings, counts, width=1e6, **goal).width_now
    plan = plan_votes(ratings, counts, width=now / 2.0, **goal)
    evenly = np.triu(np.full((M, M), plan.n_votes / (M * (M - 1) / 2)), 1)
    covariance = ratings.covariance / ratings.scale.unit**2
    for i, j in np.argwhere(evenly):
        covariance = update_covariance(covariance, i, j, find_information(ratings.theta)[i, j], evenly[i, j])
    even = dataclasses.replace(ratings, covariance=covariance * ratings.scale.unit**2)
    assert width_of(even, plan) > 1.02 * plan.width


def test_dependent_votes_need_more_votes() -> None:
    """Each rater casts one vote three times: with clusters, the plan needs three times the votes."""
    rng, theta, counts = start(4)
    votes = clustered(counts)
    plain = fit_bradley_terry(counts)
    ratings = fit_bradley_terry(count_votes(votes), clusters=votes)
    assert find_design_effect(plain, counts) == pytest.approx(1.0, abs=0.15)
    assert find_design_effect(ratings, count_votes(votes)) == pytest.approx(3.0, abs=0.45)
    plan = plan_votes(ratings, count_votes(votes), width=60.0, model="b")
    once = plan_votes(plain, counts, width=60.0, model="b")
    assert plan.n_votes == pytest.approx(3 * once.n_votes, rel=0.25)
    more = clustered(
        Counts(counts.models, counts.table + draw_table(np.rint(count_planned(plan) / 3).astype(int), theta, rng))
    )
    after = fit_bradley_terry(count_votes(more), clusters=more)
    assert width_of(after, plan) == pytest.approx(60.0, rel=0.1)


def clustered(counts: Counts) -> Votes:
    """Every vote three times, each time by the same rater."""
    cells = np.repeat(np.argwhere(counts.table), counts.table[counts.table > 0], axis=0)
    rater = np.repeat(np.arange(len(cells)), 3)
    a, b, winner = (np.repeat(column, 3) for column in cells.T)
    return Votes(counts.models, a, b, winner, None, {"rater": rater})


@settings(max_examples=25)
@given(st.integers(0, 99), st.floats(0.2, 0.95), st.sampled_from([{"model": "d"}, {"pair": ("h", "b")}, {}]))
def test_a_plan_is_consistent(seed: int, share: float, goal: dict) -> None:
    _, _, counts = start(seed, tie=0.3)
    ratings = fit_bradley_terry(counts)
    now = plan_votes(ratings, counts, width=1e6, **goal)
    assert now.n_votes == 0
    assert now.matchups == {}
    assert now.expected_width == now.width_now == pytest.approx(width_of(ratings, now))
    plan = plan_votes(ratings, counts, width=share * now.width_now, **goal)
    numbers = list(plan.matchups.values())
    assert numbers == sorted(numbers, reverse=True)
    assert min(numbers) > 0
    assert plan.n_votes == sum(numbers)
    assert plan.expected_width <= plan.width
    assert (plan.expected_widths <= ratings.ci_high - ratings.ci_low + 1e-9).all()
    covariance = ratings.covariance / ratings.scale.unit**2
    for i, j in np.argwhere(count_planned(plan)):
        information = find_information(ratings.theta)[i, j] / plan.design_effect
        covariance = update_covariance(covariance, i, j, information, count_planned(plan)[i, j])
    errors = ratings.scale.unit * np.sqrt(covariance.diagonal())
    assert plan.expected_widths == pytest.approx(2.0 * quantile(0.95) * errors, rel=1e-6)


def test_a_pair_is_planned_directly_with_no_more_votes_than_needed() -> None:
    """Precisions add up: that of the difference so far plus that of n votes is that of the requested width."""
    _, _, counts = start(5)
    ratings = fit_bradley_terry(counts)
    plan = plan_votes(ratings, counts, width=30.0, pair=("b", "a"))
    unit = ratings.scale.unit
    wanted, so_far = (unit / error for error in (15.0 / quantile(0.95), ratings.difference("b", "a").standard_error))
    information = find_information(ratings.theta)[0, 1] / plan.design_effect
    assert plan.matchups == {("a", "b"): math.ceil((wanted**2 - so_far**2) / information)}
    assert (plan.pair, plan.model, plan.width, plan.confidence) == (("b", "a"), None, 30.0, 0.95)


def test_few_clusters_widen_the_planned_interval() -> None:
    _, _, counts = start(5)
    ratings = fit_bradley_terry(counts)
    few = dataclasses.replace(ratings, degrees_of_freedom=4.0)
    plain, wider = (plan_votes(fitted, counts, width=60.0, model="b") for fitted in (ratings, few))
    assert wider.width_now == pytest.approx(width_of(few, wider))
    assert wider.n_votes > 1.5 * plain.n_votes


def test_with_an_anchor_the_intervals_are_relative_to_it() -> None:
    _, _, counts = start(6)
    ratings = fit_bradley_terry(counts, scale=Scale(anchor="a"), confidence=0.9)
    assert plan_votes(ratings, counts, width=1.0, model="a").n_votes == 0
    as_difference = plan_votes(ratings, counts, width=40.0, pair=("c", "a"))
    as_model = plan_votes(ratings, counts, width=40.0, model="c")
    assert as_model.matchups == as_difference.matchups
    assert (as_model.expected_widths[0], as_model.confidence) == (0.0, 0.9)


def test_models_of_weight_zero_get_no_votes() -> None:
    _, _, counts = start(7)
    ratings = fit_bradley_terry(counts)
    plan = plan_votes(ratings, counts, width=50.0, model="b", weights={"c": 0.0, "d": 2.0})
    assert any("c" in matchup for matchup in plan_votes(ratings, counts, width=50.0, model="b").matchups)
    assert not any("c" in matchup for matchup in plan.matchups)
    assert plan.weights == {"c": 0.0, "d": 2.0}
    with pytest.raises(UnreachableWidthError, match=r"stays at least .* points wide, above the requested 20"):
        plan_votes(ratings, counts, width=20.0, model="c", weights={"c": 0.0})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0.0}, "above 0"),
        ({"width": math.nan}, "above 0"),
        ({"width": math.inf}, "above 0"),
        ({"width": 1e-7}, "1,000,000,000 votes"),
        ({"width": 9.0, "model": "z"}, "not among the rated models"),
        ({"width": 9.0, "pair": ("a", "z")}, "not among the rated models"),
        ({"width": 9.0, "pair": ("a", "a")}, "twice"),
        ({"width": 9.0, "model": "a", "pair": ("a", "b")}, "not both"),
        ({"width": 9.0, "weights": {"a": -1.0}}, "0 or more"),
        ({"width": 9.0, "weights": {"a": math.nan}}, "0 or more"),
        ({"width": 9.0, "weights": {"z": 1.0}}, "not among the rated models"),
        ({"width": 9.0, "weights": dict.fromkeys("abcdefg", 0.0)}, "At least 2"),
    ],
)
def test_invalid_input_is_refused(arguments: dict, message: str) -> None:
    _, _, counts = start(1)
    with pytest.raises(ValueError, match=message):
        plan_votes(fit_bradley_terry(counts), counts, **arguments)


def test_counts_of_other_models_are_refused() -> None:
    _, _, counts = start(1)
    with pytest.raises(ValueError, match="same models in the same order"):
        plan_votes(fit_bradley_terry(counts), counts.select(range(7, -1, -1)), width=9.0)
