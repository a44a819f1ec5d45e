"""Choice of pairs: whether the order of votes looks as if pairs were chosen by looking at the ratings so far.

Intervals assume that a pair is chosen without regard to the outcomes, or by the information of matchmaking, which
regards them little. Two other rules break every interval, because a model that was unlucky at first keeps its error:

- **nearest rating**: a model meets the models whose ratings are closest at the time. The votes are cut into blocks, and
  each block's pairs are compared with the ratings from the blocks before: how often is a model's opponent its nearest,
  and how far apart are the two? As a reference, the outcomes of each pair are permuted over time, which keeps the pairs
  and the final ratings and breaks the dependence of later pairs on earlier outcomes. If pairs do not depend on
  outcomes, the permuted votes are as likely as the real ones, whatever the pairs are (a permutation test: Good 2005,
  "Permutation, Parametric and Bootstrap Tests of Hypotheses").
- **leader against challenger**: the two models in front meet each other. Soon there is nothing left to choose, so that
  a test cannot tell this rule from a plan to compare these two. What counts is the share of votes on the pair in front.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.outcomes import MODEL_A, MODEL_B
from evaluation.ratings.votes import Votes

Array = NDArray[np.float64]

# Fewer votes, or fewer models, are not judged. With three models every third vote is on the pair in front.
MIN_VOTES: Final = 100
MIN_MODELS: Final = 4
# Alarms: standard errors above the mean of the permuted votes, and share of votes on the pair in front.
MAX_NEARNESS: Final = 3.5
MAX_LEADERS: Final = 0.5

PERMUTATIONS: Final = 99
BLOCKS: Final = 100
# Numbers drawn for all pairs, blocks and permutations; with more pairs there are fewer blocks.
DRAWS: Final = 5 * 10**6
# Votes' worth of information of the prior on each model's strength, which is finite with any votes.
PRIOR: Final = 0.3


@dataclass(frozen=True)
class PairChoice:
    """How the pairs of ``n_votes`` votes relate to the ratings before them.

    ``nearness``: how much closer in rating the pairs are than in permuted votes, in standard deviations of these.
    ``leaders``: share of votes between the two models that were in front. Both are 0 for too few votes or models.
    """

    n_votes: int
    nearness: float
    leaders: float

    @property
    def rule(self) -> Literal["nearest rating", "leader against challenger", ""]:
        """The rule that the pairs seem to follow, "" if none."""
        if self.leaders > MAX_LEADERS:
            return "leader against challenger"
        return "nearest rating" if self.nearness > MAX_NEARNESS else ""


def judge_pair_choice(votes: Votes, *, seed: int = 0) -> PairChoice:
    """Compare each pair with the ratings from the votes before it. The votes must be in the order of their casting.

    An undecided vote is half a win for each side, and weights are not used. Takes 0.3 s for 1,500 votes on 8 models,
    and seconds for a million on 30. Raises TypeError for anything but Votes.
    """
    check_type("votes", votes, Votes)
    counts, left, right = _count_blocks(votes)
    if len(votes) < MIN_VOTES or len(np.union1d(left, right)) < MIN_MODELS:
        return PairChoice(len(votes), 0.0, 0.0)
    m, met = len(votes.models), counts.sum(axis=2)
    # A block's votes on each pair beyond the pair's share of all votes: what does not change tells nothing.
    excess = met - met.sum(axis=1, keepdims=True) * met.sum(axis=0) / met.sum()
    closest, gaps, in_front = np.zeros(PERMUTATIONS + 1), np.zeros(PERMUTATIONS + 1), 0.0
    for block, theta in enumerate(_follow_ratings(counts, left, right, m, seed), 1):
        gap = np.abs(theta[:, left] - theta[:, right])
        ordered, place = np.sort(theta, axis=1), np.argsort(np.argsort(theta, axis=1), axis=1)
        steps = np.pad(np.diff(ordered, axis=1), ((0, 0), (1, 1)), constant_values=np.inf)
        nearest = np.take_along_axis(np.minimum(steps[:, 1:], steps[:, :-1]), place, axis=1)
        closest += ((gap <= nearest[:, left]).astype(float) + (gap <= nearest[:, right])) @ excess[block]
        gaps -= gap @ excess[block]
        in_front += met[block] @ (np.minimum(place[0, left], place[0, right]) >= m - 2)
    return PairChoice(len(votes), max(_standardize(closest), _standardize(gaps)), float(in_front / met[1:].sum()))


def _standardize(statistic: Array) -> float:
    """The first value, in standard deviations of the others from their mean."""
    others = statistic[1:]
    return float((statistic[0] - others.mean()) / max(others.std(), 1e-9))


def _count_blocks(votes: Votes) -> tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.intp]]:
    """(K, P, 3): losses, undecided votes and wins of each pair's left model, by block; and the P pairs' models."""
    m, a, b = len(votes.models), votes.model_a.astype(np.int64), votes.model_b.astype(np.int64)
    pairs, pair = np.unique(np.minimum(a, b) * m + np.maximum(a, b), return_inverse=True)
    a_won, b_won = votes.winner == MODEL_A, votes.winner == MODEL_B
    outcome = np.where(a < b, a_won.astype(int) - b_won, b_won.astype(int) - a_won) + 1
    n_blocks = max(8, min(BLOCKS, len(votes) // 4, DRAWS // (2 * PERMUTATIONS * max(len(pairs), 1))))
    block = np.arange(len(votes)) * n_blocks // max(len(votes), 1)
    cells = (block * len(pairs) + pair) * 3 + outcome
    counts = np.bincount(cells, minlength=n_blocks * len(pairs) * 3).reshape(n_blocks, len(pairs), 3)
    return counts, pairs // m, pairs % m


def _follow_ratings(
    counts: NDArray[np.int64], left: NDArray[np.intp], right: NDArray[np.intp], m: int, seed: int
) -> Iterator[Array]:
    """Before each block but the first, θ (PERMUTATIONS + 1, M) from the blocks before: real, then permuted votes.

    θ is one Newton step of Bradley-Terry from equal strengths, with a normal prior.
    """
    rng = np.random.default_rng(seed)
    design = np.zeros((len(left), m))
    design[np.arange(len(left)), left], design[np.arange(len(left)), right] = 1.0, -1.0
    remaining = np.repeat(counts.sum(axis=0)[None], PERMUTATIONS, axis=0)
    scores, information = np.zeros((PERMUTATIONS + 1, m)), PRIOR * np.eye(m)
    for block in counts[:-1]:
        (met,) = np.nonzero(block.sum(axis=1))
        drawn = _draw(rng, remaining[:, met], block[met].sum(axis=1))
        remaining[:, met] -= drawn
        both = np.concatenate([block[None, met], drawn])
        scores += (both[:, :, 2] - both[:, :, 0]) / 2.0 @ design[met]
        information += design[met].T @ (block[met].sum(axis=1)[:, None] / 4.0 * design[met])
        theta: Array = np.linalg.solve(information, scores.T).T.astype(np.float64, copy=False)
        yield theta


def _draw(rng: np.random.Generator, remaining: NDArray[np.int64], n: NDArray[np.int64]) -> NDArray[np.int64]:
    """``n`` (P,) votes of each pair without replacement from ``remaining`` (B, P, 3), by outcome."""
    lost, undecided, won = np.moveaxis(remaining, 2, 0)
    wins = rng.hypergeometric(won, lost + undecided, np.broadcast_to(n, won.shape))
    ties = rng.hypergeometric(undecided, lost, n - wins)
    return np.stack([n - wins - ties, ties, wins], axis=2)
