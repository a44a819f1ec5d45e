"""Sequential test of a preference: is B preferred to A with a probability above a threshold? May be read at every vote.

The evidence is a gambler's wealth. A ticket on the next vote costs m and pays y: 1 if B wins, 0 if A wins, 1/2 for a
tie. A wealth of 1, of which the share u is staked on tickets at every vote, becomes

    E_u = Π (1 - u + u y / m) = (1 + u (1 - m) / m)^wins (1 - u)^losses (1 + u (1/2 - m) / m)^ties.

Proof that E is an e-process. If E[y | past] <= m at every vote, each factor is nonnegative with conditional mean at
most 1, so E_u and every mixture E = Σ w_u E_u with Σ w_u = 1 are nonnegative supermartingales that start at 1.
By Ville's inequality P(E >= 1/a at some vote) <= a, without independence, a limit theorem or a fixed last vote.

With stake u the alternative is q = m + u (1 - m): E_u is the likelihood ratio of q to m. The other direction swaps wins
with losses and m with 1 - m. Each factor falls as m rises, so the m that are not rejected form an interval.

Sources: Ville (1939); Shafer, "Testing by betting" (JRSS A 2021); Waudby-Smith and Ramdas, "Estimating means of bounded
random variables by betting" (JRSS B 2024), section 4; Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and
safe anytime-valid inference" (Statistical Science 2023).
"""

import math
import operator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.ratings.outcomes import Treatment, check_treatment

Verdict = Literal["above", "below", "undecided"]

# Stakes a factor of two apart have the wealth of a continuous mixture to within a third. They range from the preference
# that a billion votes can detect to nearly 1. The weights are those of a Beta(1/2, 1), which makes the median number of
# votes about 1.1 to 1.2 times that of a fixed test with power 0.8, for small and for large preferences.
_STAKES: Final = 1.0 / (1.0 + 2.0 ** np.arange(30, -7, -1))
_WEIGHTS = np.sqrt(_STAKES) * (1.0 - _STAKES)
_LOG_WEIGHTS: Final = np.log(_WEIGHTS / _WEIGHTS.sum())

_WIN, _LOSS, _TIE = range(3)
_SWAPPED = [_LOSS, _WIN, _TIE]
_MOST_VOTES = 2**53
# Cells of (sequence, vote) evaluated at a time by ``watch``: their terms stay in the cache.
_BLOCK = 1 << 13


@dataclass(frozen=True)
class SequentialTest:
    """The state of the test after these votes; ``wins`` are those of B, ``ties`` include dropped ones.

    ``log_e_above`` is the natural log of the evidence against "at most ``threshold``", ``log_e_below`` against "at
    least"; a verdict needs log(2 / alpha). ``p_low`` to ``p_high`` is the always-valid interval of the preference
    probability at level 1 - alpha; it lies above (below) the threshold exactly when the verdict is "above" ("below").
    """

    threshold: float
    alpha: float
    ties_as: Treatment
    wins: int
    losses: int
    ties: int
    log_e_above: float
    log_e_below: float
    verdict: Verdict
    p_low: float
    p_high: float

    @property
    def confidence(self) -> float:
        """Level of the interval: 1 - alpha."""
        return 1.0 - self.alpha

    @property
    def e_above(self) -> float:
        """The evidence for "above" as an e-value; infinite beyond the range of a float."""
        return math.exp(self.log_e_above) if self.log_e_above < 709.0 else math.inf

    @property
    def e_below(self) -> float:
        """The evidence for "below" as an e-value; infinite beyond the range of a float."""
        return math.exp(self.log_e_below) if self.log_e_below < 709.0 else math.inf


@dataclass(frozen=True, eq=False)
class FirstVerdicts:
    """The first verdict of each of S sequences.

    ``votes`` (S,): the number of the vote, counted from 1 and including ties, or 0 for none; ``verdicts`` (S,):
    "above", "below" or "undecided".
    """

    threshold: float
    alpha: float
    ties_as: Treatment
    votes: NDArray[np.int64]
    verdicts: NDArray[np.str_]


def judge_preference(
    wins: int,
    losses: int,
    ties: int = 0,
    *,
    threshold: float = 0.5,
    alpha: float = 0.05,
    ties_as: Treatment = "half",
) -> SequentialTest:
    """Test whether B is preferred to A with probability above or below ``threshold``, from the counts so far.

    A tie counts as half a win, or with ``ties_as="drop"`` not at all: the probability is then that of B among decided
    votes. The test may be read at any time and any number of times: the probability of ever giving a wrong verdict is
    at most ``alpha`` if the truth is the threshold itself, where both verdicts are wrong, and at most alpha / 2
    elsewhere. So pass alpha = 0.1 for a one-sided gate at 5 %. The interval covers the truth at all times with
    probability 1 - alpha or more, provided that the probability of a win does not change.

    The verdict is that of the current counts. A test that is watched stops at its first verdict, which stands even if
    later votes would reduce the evidence again; ``watch`` finds it. Without votes the verdict is "undecided" and the
    interval 0 to 1.

    Votes may depend on each other as long as the mean of each vote, given all votes before it, is at most (for "above";
    at least, for "below") the threshold. Several votes of one rater violate this if raters differ in taste: after some
    votes for B by one rater, another vote for B by the same rater is more likely. Then ask each rater once, or count
    one vote for each rater. The same holds for a prompt that is used repeatedly.

    Raises ValueError for counts that are not whole numbers from 0 to 2^53, a threshold outside [1e-9, 1 - 1e-9], an
    alpha outside (0, 1), or an unknown treatment.
    """
    _check_parameters(threshold, alpha, ties_as)
    wins, losses, ties = _check_count("wins", wins), _check_count("losses", losses), _check_count("ties", ties)
    counts = np.array([[wins], [losses], [ties if ties_as == "half" else 0]], dtype=np.float64)
    above = _log_evidence(counts, (1.0 - threshold) / threshold).item()
    below = _log_evidence(counts[_SWAPPED], threshold / (1.0 - threshold)).item()
    bar = _bar(alpha)
    verdict: Verdict = "above" if above >= bar else "below" if below >= bar else "undecided"
    p_low, p_high = _lowest(counts, bar), 1.0 - _lowest(counts[_SWAPPED], bar)
    return SequentialTest(threshold, alpha, ties_as, wins, losses, ties, above, below, verdict, p_low, p_high)


def watch(
    outcomes: ArrayLike, *, threshold: float = 0.5, alpha: float = 0.05, ties_as: Treatment = "half"
) -> FirstVerdicts:
    """The first verdict of ``judge_preference`` if it is read after every vote.

    ``outcomes`` (n,) or (S, n): the votes in their order, 1 if B won, 0 if A won, 0.5 for a tie. Each row is a
    sequence; one dimension is a single row (S = 1). Raises ValueError for any other shape or value.
    """
    _check_parameters(threshold, alpha, ties_as)
    votes = _check_outcomes(outcomes)
    first = np.zeros(len(votes), dtype=np.int64)
    verdicts = np.full(len(votes), "undecided")
    waiting, totals, start = np.arange(len(votes)), np.zeros((3, len(votes), 1)), 0
    while start < votes.shape[1] and len(waiting):
        block = votes[waiting, start : start + max(_BLOCK // len(waiting), 1)]
        ties = (block == 0.5) & (ties_as == "half")
        counts = totals + np.cumsum(np.stack([block == 1.0, block == 0.0, ties]), axis=2)
        ahead, log_evidence = _log_evidence_of_leader(counts, threshold)
        crossed = log_evidence >= _bar(alpha)
        found, vote = crossed.any(axis=1), crossed.argmax(axis=1)
        first[waiting[found]] = start + 1 + vote[found]
        verdicts[waiting[found]] = np.where(ahead[found, vote[found]], "above", "below")
        waiting, totals, start = waiting[~found], counts[:, ~found, -1:], start + block.shape[1]
    return FirstVerdicts(threshold, alpha, ties_as, first, verdicts)


def _bar(alpha: float) -> float:
    """The log evidence that a verdict needs: each of the two directions has half of alpha."""
    return math.log(2.0) - math.log(alpha)


def _log_evidence(counts: NDArray[np.float64], odds: float) -> NDArray[np.float64]:
    """(n,): ln E of wins, losses and ties (3, n), where a ticket of price m wins ``odds`` = (1 - m) / m."""
    bets = np.log1p(np.stack([_STAKES * odds, -_STAKES, _STAKES * (odds - 1.0) / 2.0], axis=1))
    terms = bets @ counts + _LOG_WEIGHTS[:, None]
    peak = terms.max(axis=0)
    terms -= peak
    np.exp(np.maximum(terms, -700.0, out=terms), out=terms)  # exp is ten times slower where it underflows
    total: NDArray[np.float64] = np.log(terms.sum(axis=0)) + peak
    return total


def _log_evidence_of_leader(
    counts: NDArray[np.float64], threshold: float
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """(...): whether B is ahead of the threshold, and the log evidence for that direction, for counts (3, ...).

    The other direction has no evidence: the log of a factor is concave in y, so that E <= 1 there.
    """
    ahead = counts[_WIN] + counts[_TIE] / 2.0 > threshold * counts.sum(axis=0)
    evidence = np.empty(ahead.shape)
    evidence[ahead] = _log_evidence(counts[:, ahead], (1.0 - threshold) / threshold)
    evidence[~ahead] = _log_evidence(counts[:, ~ahead][_SWAPPED], threshold / (1.0 - threshold))
    return ahead, evidence


def _lowest(counts: NDArray[np.float64], bar: float) -> float:
    """The largest price m that the evidence of ``counts`` (3, 1) rejects, or 0 for none, by bisection on its log-odds.

    The evidence falls as m rises and is at most 1 at the mean of the votes, so it crosses the bar once, below the mean.
    """
    rejected, accepted = 700.0, -50.0
    if _log_evidence(counts, math.exp(rejected)) < bar:
        return 0.0
    while rejected - accepted > 1e-12 * max(abs(accepted), 1.0):
        middle = (rejected + accepted) / 2.0
        if _log_evidence(counts, math.exp(middle)) >= bar:
            rejected = middle
        else:
            accepted = middle
    return 1.0 / (1.0 + math.exp(rejected))


def _check_parameters(threshold: float, alpha: float, ties_as: str) -> None:
    if not 1e-9 <= threshold <= 1.0 - 1e-9:
        raise ValueError(f"Expected a threshold from 1e-9 to 1 - 1e-9, got {threshold}.")
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"Expected 0 < alpha < 1, got {alpha}.")
    check_treatment(ties_as=ties_as)


def _check_count(name: str, count: Any) -> int:
    try:
        whole = operator.index(count)
    except TypeError:
        raise ValueError(f"The number of {name} must be a whole number, got {count!r}.") from None
    if not 0 <= whole <= _MOST_VOTES:
        raise ValueError(f"The number of {name} must be 0 to 2^53, got {whole}.")
    return whole


def _check_outcomes(outcomes: ArrayLike) -> NDArray[Any]:
    votes = np.asarray(outcomes)
    if votes.ndim not in {1, 2} or votes.dtype.kind not in "fiub":
        raise ValueError(f"Outcomes must be numbers of shape (n,) or (S, n), got {votes.shape} of {votes.dtype}.")
    unknown = ~((votes == 0) | (votes == 0.5) | (votes == 1))
    if unknown.any():
        raise ValueError(f"An outcome must be 1 (B won), 0 (A won) or 0.5 (a tie), got {votes[unknown][0]}.")
    return np.atleast_2d(votes)
