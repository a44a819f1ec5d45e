"""Win rate and rating from votes on the images of a run."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from evaluation.metrics.base import Measurement, PromptInputs, SampleInputs, UnscoredError, VoteInputs
from evaluation.metrics.preference import POINTS, ArenaRating, WinRate
from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.counts import count_rows

PROMPT = PromptInputs(key="p", text="a cat")


def sample(*votes: tuple[str, float | None]) -> SampleInputs:
    inputs = tuple(VoteInputs(outcome=outcome, opponent="other", opponent_rating=rating) for outcome, rating in votes)
    return SampleInputs(prompt=PROMPT, seed=0, votes=inputs)


def rate(*samples: SampleInputs) -> float:
    return ArenaRating().compute(ArenaRating().summarize(samples))


def test_a_tie_and_both_bad_are_half_a_win() -> None:
    voted = sample(("win", None), ("win", None), ("tie", None), ("both_bad", None), ("loss", None))
    assert WinRate().measure(voted) == Measurement((0.6, 3.0, 5.0), "2 win, 1 tie, 1 both bad, 1 loss")


def test_the_win_rate_counts_votes_and_not_images() -> None:
    rows = [WinRate().measure(sample(*[("win", None)] * 9)), WinRate().measure(sample(("loss", None)))]
    assert WinRate().aggregate(np.array([row.values for row in rows])) == 0.9


def test_an_image_without_votes_is_unscored() -> None:
    with pytest.raises(UnscoredError, match="no votes on it"):
        WinRate().measure(sample())
    with pytest.raises(UnscoredError, match="no votes on it"):
        ArenaRating().check(sample())


def test_the_rating_against_one_opponent_follows_from_the_odds() -> None:
    votes = [("win", 1100.0)] * 10 + [("loss", 1100.0)]
    assert rate(sample(*votes)) == pytest.approx(1100 + 400 * np.log10(10), abs=1e-6)
    assert rate(sample(("tie", 1234.5))) == pytest.approx(1234.5, abs=1e-6)


VOTES = st.lists(
    st.tuples(st.sampled_from(["win", "loss", "tie", "both_bad"]), st.sampled_from([800.0, 1000.0, 1150.0, 1420.0])),
    min_size=1,
    max_size=30,
).filter(lambda votes: 0 < sum(POINTS[outcome] for outcome, _ in votes) < len(votes))


@given(votes=VOTES)
def test_the_rating_has_maximum_likelihood(votes: list[tuple[str, float]]) -> None:
    points, ratings = np.array([POINTS[outcome] for outcome, _ in votes]), np.array([rating for _, rating in votes])

    def loss(strength: float) -> float:
        eta = (strength - ratings) * np.log(10) / 400
        return float((points * np.logaddexp(0, -eta) + (1 - points) * np.logaddexp(0, eta)).sum())

    best = minimize_scalar(loss, bounds=(-1500, 4000), method="bounded", options={"xatol": 1e-7})
    assert rate(sample(*votes)) == pytest.approx(best.x, abs=1e-2)


def test_the_rating_equals_the_fit_of_the_board() -> None:
    rows = [("new", "old", "model_a", 31), ("new", "old", "model_b", 17), ("old", "new", "tie", 5)]
    fitted = fit_bradley_terry(count_rows(("new", "old"), rows)).values
    votes = [("win", fitted[1])] * 31 + [("loss", fitted[1])] * 17 + [("tie", fitted[1])] * 5
    assert rate(sample(*votes)) == pytest.approx(fitted[0], abs=1e-6)


@given(votes=VOTES, cut=st.integers(0, 30))
def test_merged_parts_give_the_value_of_the_whole(votes: list[tuple[str, float]], cut: int) -> None:
    metric = ArenaRating()
    one, other = metric.summarize([sample(*votes[:cut])]), metric.summarize([sample(*votes[cut:])])
    assert metric.compute(one + other) == pytest.approx(rate(sample(*votes)), abs=1e-9)


def test_only_wins_or_only_losses_have_no_rating() -> None:
    with pytest.raises(UnscoredError, match="no upper bound"):
        rate(sample(("win", 1000.0), ("win", 1300.0)))
    with pytest.raises(UnscoredError, match="no lower bound"):
        rate(sample(("loss", 1000.0)))


def test_votes_against_unrated_opponents_are_ignored_and_counted() -> None:
    mixed = sample(("win", 1000.0), ("loss", 1000.0), ("win", None), ("win", None))
    ArenaRating().check(mixed)
    assert ArenaRating().summarize([mixed]).n_unrated == 2
    assert rate(mixed) == pytest.approx(1000.0, abs=1e-6)
    with pytest.raises(UnscoredError, match="none of its opponents has a rating"):
        ArenaRating().check(sample(("win", None)))
