"""The sequential test against its martingale property, exact arithmetic, simulation, and refused input."""

import math
from decimal import MAX_EMAX, MIN_EMIN, Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.ratings.sequential import judge_preference, watch

COUNTS = st.integers(0, 60)
THRESHOLDS = st.floats(0.02, 0.98)


def exact_log_evidence(wins: int, losses: int, ties: int, price: float) -> float:
    """ln E of the documented mixture, term by term in 60 digits."""
    with localcontext() as context:
        context.prec, context.Emax, context.Emin = 60, MAX_EMAX, MIN_EMIN
        m, one = Decimal(price), Decimal(1)
        total = norm = Decimal(0)
        for k in range(-30, 7):
            stake = one / (one + Decimal(2) ** -k)
            weight = stake.sqrt() * (one - stake)
            factors = ((one - stake + stake * y / m).ln() for y in (one, Decimal(0), one / 2))
            log_wealth = sum((n * f for n, f in zip((wins, losses, ties), factors, strict=True)), Decimal(0))
            total, norm = total + weight * log_wealth.exp(), norm + weight
        return float((total / norm).ln())


@settings(max_examples=60)
@given(wins=COUNTS, losses=COUNTS, ties=COUNTS, threshold=THRESHOLDS, share=st.floats(0, 1))
def test_the_evidence_is_a_martingale_at_the_threshold(
    wins: int, losses: int, ties: int, threshold: float, share: float
) -> None:
    """From any state, one more vote with mean ``threshold`` leaves the expected evidence unchanged."""
    tied = 2 * share * min(threshold, 1 - threshold)
    chances = {(1, 0, 0): threshold - tied / 2, (0, 1, 0): 1 - threshold - tied / 2, (0, 0, 1): tied}
    now = judge_preference(wins, losses, ties, threshold=threshold)
    above = below = 0.0
    for (win, loss, tie), chance in chances.items():
        after = judge_preference(wins + win, losses + loss, ties + tie, threshold=threshold)
        above += chance * math.exp(after.log_e_above - now.log_e_above)
        below += chance * math.exp(after.log_e_below - now.log_e_below)
    assert (above, below) == (pytest.approx(1.0, abs=1e-9), pytest.approx(1.0, abs=1e-9))


@pytest.mark.parametrize("ties_as", ["half", "drop"])
def test_no_votes_are_no_evidence(ties_as: Any) -> None:
    test = judge_preference(0, 0, 0 if ties_as == "half" else 500, ties_as=ties_as)
    assert (test.e_above, test.e_below) == (pytest.approx(1.0), pytest.approx(1.0))
    assert (test.verdict, test.p_low, test.p_high, test.confidence) == ("undecided", 0.0, 1.0, 0.95)


@pytest.mark.parametrize(
    "votes",
    [
        (7, 3, 2, 0.5),
        (60, 10, 5, 0.8),
        (10**9, 10**9 - 200_000, 0, 0.5),
        (10**9, 10**9, 10**8, 0.4999),
        (3, 10**9, 9, 0.3),
    ],
)
def test_the_evidence_agrees_with_exact_arithmetic(votes: tuple[int, int, int, float]) -> None:
    wins, losses, ties, threshold = votes
    test = judge_preference(wins, losses, ties, threshold=threshold)
    assert test.log_e_above == pytest.approx(exact_log_evidence(wins, losses, ties, threshold), rel=1e-9, abs=1e-6)
    mirrored = exact_log_evidence(losses, wins, ties, 1 - threshold)
    assert test.log_e_below == pytest.approx(mirrored, rel=1e-9, abs=1e-6)


@settings(max_examples=60)
@given(wins=COUNTS, losses=COUNTS, ties=COUNTS, threshold=THRESHOLDS, alpha=st.floats(0.001, 0.5))
def test_verdict_and_interval_agree(wins: int, losses: int, ties: int, threshold: float, alpha: float) -> None:
    test = judge_preference(wins, losses, ties, threshold=threshold, alpha=alpha)
    n = wins + losses + ties
    if n:
        assert test.p_low <= (wins + ties / 2) / n <= test.p_high
    if abs(test.p_low - threshold) > 1e-9 and abs(test.p_high - threshold) > 1e-9:
        expected = "above" if test.p_low > threshold else "below" if test.p_high < threshold else "undecided"
        assert test.verdict == expected
    swapped = judge_preference(losses, wins, ties, threshold=1 - threshold, alpha=alpha)
    assert (swapped.p_low, swapped.p_high) == (pytest.approx(1 - test.p_high), pytest.approx(1 - test.p_low))
    assert swapped.log_e_above == pytest.approx(test.log_e_below, rel=1e-6, abs=1e-6)
    stricter = judge_preference(wins, losses, ties, threshold=threshold, alpha=alpha / 2)
    assert stricter.p_low <= test.p_low
    assert stricter.p_high >= test.p_high


def test_at_the_ends_of_the_interval_the_evidence_is_just_enough() -> None:
    test = judge_preference(40, 25, 10, alpha=0.1)
    assert exact_log_evidence(40, 25, 10, test.p_low) == pytest.approx(math.log(20), abs=1e-9)
    assert exact_log_evidence(25, 40, 10, 1 - test.p_high) == pytest.approx(math.log(20), abs=1e-9)


def test_counts_of_a_billion_are_accepted() -> None:
    close = judge_preference(10**9, 10**9 - 200_000)
    assert close.verdict == "above"
    # The interval reaches 3 to 5 standard errors to each side: the cost of watching, not of the grid of stakes.
    for margin in (close.p_high - 0.50005, 0.50005 - close.p_low):
        assert 3 < margin * 2 * math.sqrt(2e9) < 5
    sure = judge_preference(10**9, 0, threshold=0.9)
    assert (sure.verdict, sure.e_above, sure.e_below, sure.p_high) == ("above", math.inf, pytest.approx(0, abs=1e-4), 1)
    assert 1 - 2e-8 < sure.p_low < 1
    rare = judge_preference(1, 10**9)
    assert 0 < rare.p_low < 1e-9 < rare.p_high < 2e-8
    assert judge_preference(10**15, 10**15, 10**15).verdict == "undecided"


def test_ties_are_evidence_for_indifference() -> None:
    half, drop = (judge_preference(60, 40, 400, ties_as=ties_as) for ties_as in ("half", "drop"))
    assert half.p_high - half.p_low < drop.p_high - drop.p_low
    assert (drop.log_e_above, drop.ties) == (judge_preference(60, 40).log_e_above, 400)


@pytest.mark.parametrize("ties_as", ["half", "drop"])
def test_watching_equals_judging_after_every_vote(ties_as: Any) -> None:
    rng = np.random.default_rng(3)
    chances = ([0.1, 0.3, 0.6], [0.6, 0.2, 0.2], [0.4, 0.2, 0.4], [0.0, 0.0, 1.0])
    outcomes = np.array([rng.choice([0.0, 0.5, 1.0], size=90, p=p) for p in chances])
    # So many sequences are evaluated 20 votes at a time.
    watched = watch(np.tile(outcomes, (100, 1)), threshold=0.55, ties_as=ties_as)
    votes, verdicts = watched.votes[:4], watched.verdicts[:4]
    assert (watched.votes.reshape(100, 4) == votes).all()
    assert (watched.verdicts.reshape(100, 4) == verdicts).all()
    for row, vote, verdict in zip(outcomes, votes, verdicts, strict=True):
        wins, losses, ties = ((row == y).cumsum().tolist() for y in (1.0, 0.0, 0.5))
        looks = [
            judge_preference(*counts, threshold=0.55, ties_as=ties_as).verdict
            for counts in zip(wins, losses, ties, strict=True)
        ]
        first = next((i for i, look in enumerate(looks) if look != "undecided"), None)
        assert (vote, verdict) == ((0, "undecided") if first is None else (first + 1, looks[first]))
        alone = watch(row, threshold=0.55, ties_as=ties_as)
        assert (alone.votes.tolist(), alone.verdicts.tolist()) == ([vote], [verdict])
    assert set(watched.verdicts) == {"above", "below", "undecided"}


@pytest.mark.parametrize("case", [(0.5, 0.0), (0.5, 0.3), (0.8, 0.1)])
def test_false_alarms_under_constant_watching(case: tuple[float, float]) -> None:
    """If p is the threshold, both verdicts are wrong: their total rate stays below alpha."""
    threshold, tie = case
    rng = np.random.default_rng(20)
    chances = [1 - threshold - tie / 2, tie, threshold - tie / 2]
    outcomes = rng.choice([0.0, 0.5, 1.0], size=(2000, 1000), p=chances)
    watched = watch(outcomes, threshold=threshold)
    assert 0.005 < (watched.votes > 0).mean() <= 0.05


def test_power_compared_to_a_fixed_sample() -> None:
    rng = np.random.default_rng(21)
    watched = watch((rng.random((400, 1500)) < 0.6).astype(np.int8))
    fixed = ((1.95996 * 0.5 + 0.84162 * math.sqrt(0.24)) / 0.1) ** 2
    assert (watched.verdicts == "above").mean() > 0.98
    assert np.median(watched.votes) < 1.35 * fixed


def test_false_alarms_with_votes_that_depend_on_the_past() -> None:
    """The rate of ties depends on earlier votes, adversarially; only the mean of the next vote stays at 1/2."""
    rng = np.random.default_rng(22)
    outcomes = np.empty((2000, 600))
    lead = np.zeros(2000)
    for t in range(600):
        tie = rng.random(2000) < np.where(lead > 2, 0.95, 0.05)
        outcomes[:, t] = np.where(tie, 0.5, rng.random(2000) < 0.5)
        lead += outcomes[:, t] - 0.5
    assert 0 < (watch(outcomes).votes > 0).mean() <= 0.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"wins": -1}, "number of wins must be 0 to"),
        ({"losses": 2.0}, "number of losses must be a whole number, got 2.0"),
        ({"ties": 2**60}, "number of ties must be 0 to"),
        ({"threshold": 1.0}, "threshold from 1e-9"),
        ({"threshold": math.nan}, "threshold from 1e-9"),
        ({"alpha": 0.0}, "alpha < 1, got 0.0"),
        ({"ties_as": "win"}, "ties_as must be 'half' or 'drop', got 'win'"),
    ],
)
def test_counts_that_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        judge_preference(**({"wins": 3, "losses": 2} | arguments))


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        ([1.0, math.nan], "got nan"),
        ([1, 2], "got 2"),
        (["model_a"], "shape"),
        (np.zeros((2, 2, 2)), r"got \(2, 2, 2\)"),
        (1.0, "shape"),
    ],
)
def test_outcomes_that_are_refused(outcomes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        watch(outcomes)


def test_watching_no_votes_is_undecided() -> None:
    assert watch([]).verdicts.tolist() == ["undecided"]
    assert watch(np.zeros((0, 5))).votes.shape == (0,)
