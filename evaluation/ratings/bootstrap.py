"""Bootstrap of Bradley-Terry ratings from counts, at a cost that does not grow with the number of votes.

A resample gives every vote a Poisson(1) weight (Hanley & MacGibbon 2006, "Creating non-parametric bootstrap samples
using Poisson frequencies"), so that a cell of the table with n votes gets Poisson(n) of them.
"""

import math
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.cores import count_cores
from evaluation.ratings.counts import Counts, count_votes
from evaluation.ratings.outcomes import MODEL_B, TIE, Treatment
from evaluation.ratings.poisson import draw_deviations, make_key, normal_pieces, small_thresholds
from evaluation.ratings.ranks import RankSets, conclude_rank_sets
from evaluation.ratings.ratings import Ratings, check_confidence
from evaluation.ratings.refitting import Array, Matchups, expand, refit, start_totals
from evaluation.ratings.scales import Scale
from evaluation.ratings.votes import Votes

# Numbers in a block of resamples, for each thread: 8 MB of float32.
BLOCK = 1 << 21
MOST_THREADS = 8
MOST_UNRATED = 0.1


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """``draws`` (B, M): ratings of each resample, in points. ``values`` (M,) are those of the votes themselves.

    ``ci_low`` and ``ci_high`` (M,) are percentiles at level ``confidence``. ``n_unrated`` resamples had no finite
    rating (a model won or lost everything, or is disconnected) and are left out. ``unit`` is what was resampled:
    "vote", or the name of the column of clusters.
    """

    models: tuple[Hashable, ...]
    draws: NDArray[np.float64]
    values: NDArray[np.float64]
    ci_low: NDArray[np.float64]
    ci_high: NDArray[np.float64]
    n_unrated: int
    unit: str
    ties: str
    both_bad: str
    n_votes: float
    scale: Scale
    confidence: float
    seed: int

    def rank_sets(self, level: float = 0.95) -> RankSets:
        """Rank sets that hold for all models at once, at ``level``: ranks.find_rank_sets, from these draws.

        The critical value is the quantile of the largest |d_ij^b - d_ij| / se_ij over all pairs, with se_ij from the
        draws (Mogstad, Romano, Shaikh & Wilhelm 2024, "Inference for ranks", section 3). Raises ValueError for a level
        that needs more draws.
        """
        check_confidence(level)
        _check_size(len(self.draws), 1.0 / (1.0 - level), level)
        noise = np.ascontiguousarray((self.draws - self.values).T, dtype=np.float32)
        covariance = np.cov(self.draws, rowvar=False)
        return conclude_rank_sets(self.models, self.values, covariance, noise, level, self.seed)


@dataclass(frozen=True)
class _Resampling:
    """How resamples are drawn. ``unit`` is what is drawn, ``size`` how many numbers one resample takes.

    ``block(first, width)`` returns totals (P, width) and slopes (M, width) for ``refit``; ``votes(b)`` returns the
    votes (P, 3) of one resample.
    """

    unit: str
    size: int
    block: Callable[[int, int], tuple[Array, Array]]
    votes: Callable[[int], NDArray[np.float64]]


def bootstrap_ratings(
    counts: Counts,
    *,
    n: int = 1000,
    seed: int = 0,
    ties: Treatment = "half",
    both_bad: Treatment = "half",
    scale: Scale = Scale(),
    confidence: float = 0.95,
) -> Bootstrap:
    """Bootstrap with ``n`` resamples of independent votes. A seed gives the same draws with any number of threads.

    The other arguments are those of fit_bradley_terry.

    Raises:
        DisconnectedModelsError: As for fit_bradley_terry.
        ValueError: Weighted counts, a seed or confidence out of range, fewer resamples than 2 / (1 - confidence), or
            more than a tenth of the resamples without a finite rating.
    """
    from evaluation.ratings.kernels.resampling import draw_votes

    key = _check(n, seed, confidence)
    check_type("counts", counts, Counts)
    if counts.squares is not None:
        raise ValueError("Weighted votes cannot be resampled one by one: use bootstrap_clusters.")
    ratings = fit_bradley_terry(counts, ties=ties, both_bad=both_bad, scale=scale, confidence=confidence)
    matchups = expand(counts, ratings.theta, ties=ties, both_bad=both_bad)
    votes = matchups.votes.astype(np.int64)
    tables = small_thresholds(), normal_pieces()

    def draw_block(first: int, width: int) -> tuple[Array, Array]:
        totals, slopes = start_totals(matchups, width)
        draw_votes(votes, matchups.left, matchups.right, matchups.p, key, first, *tables, totals, slopes)
        return totals, slopes

    def redraw(b: int) -> NDArray[np.float64]:
        deviations = draw_deviations(votes.ravel(), np.arange(votes.size), key, b, 1)
        return votes.astype(np.float64) + deviations.reshape(votes.shape)

    resampling = _Resampling("vote", len(votes), draw_block, redraw)
    return _bootstrap(ratings, matchups, resampling, n, seed)


def bootstrap_clusters(
    votes: Votes,
    column: str,
    *,
    n: int = 1000,
    seed: int = 0,
    ties: Treatment = "half",
    both_bad: Treatment = "half",
    scale: Scale = Scale(),
    confidence: float = 0.95,
) -> Bootstrap:
    """Bootstrap with ``n`` resamples of whole clusters: all votes of a rater (or prompt) share one Poisson(1) weight.

    ``column`` names one of ``votes.clusters``. Votes may be weighted; merge equal rows first (Votes.merge) for speed.
    With few clusters (about 30) the intervals are too narrow, like all intervals based on clusters.

    Raises the errors of bootstrap_ratings, and ValueError for an unknown column or fewer than two clusters.
    """
    from evaluation.ratings.kernels.resampling import add_votes

    key = _check(n, seed, confidence)
    check_type("votes", votes, Votes)
    check_type("column", column, str)
    if column not in votes.clusters:
        raise ValueError(f"The votes have no clusters {column!r}; they have {', '.join(votes.clusters) or 'none'}.")
    labels, codes = np.unique(votes.clusters[column], return_inverse=True)
    if len(labels) < 2:
        raise ValueError(f"A bootstrap needs at least 2 clusters, got {len(labels)} in {column!r}.")
    counts = count_votes(votes)
    ratings = fit_bradley_terry(counts, ties=ties, both_bad=both_bad, scale=scale, confidence=confidence)
    matchups = expand(counts, ratings.theta, ties=ties, both_bad=both_bad)
    cells = _sum_clusters(votes, codes, matchups, ties, both_bad)
    ones, clusters = np.ones(len(labels), dtype=np.int64), np.arange(len(labels))

    def draw_block(first: int, width: int) -> tuple[Array, Array]:
        totals, slopes = start_totals(matchups, width)
        deviations = draw_deviations(ones, clusters, key, first, width)
        for outcome, cell in enumerate(cells):
            changed = (cell @ deviations).astype(np.float32)
            add_votes(matchups.left, matchups.right, matchups.p, outcome, changed, totals, slopes)
        return totals, slopes

    def redraw(b: int) -> NDArray[np.float64]:
        weights = 1.0 + draw_deviations(ones, clusters, key, b, 1)[:, 0].astype(np.float64)
        return np.stack([cell @ weights for cell in cells], axis=1)

    resampling = _Resampling(column, max(3 * len(matchups.left), 4 * len(labels)), draw_block, redraw)
    return _bootstrap(ratings, matchups, resampling, n, seed)


def _bootstrap(ratings: Ratings, matchups: Matchups, resampling: _Resampling, n: int, seed: int) -> Bootstrap:
    # Blocks depend on the votes alone, not on the number of threads. Their number is even, to keep two threads busy.
    widest = min(max(BLOCK // resampling.size, 32), 256)
    width = math.ceil(n / (2 * math.ceil(n / (2 * widest))))

    def refit_block(first: int) -> NDArray[np.float64]:
        totals, slopes = resampling.block(first, min(width, n - first))
        return refit(matchups, totals, slopes, lambda b: resampling.votes(first + b))

    with ThreadPoolExecutor(min(count_cores(), MOST_THREADS)) as pool:
        thetas = np.concatenate(list(pool.map(refit_block, range(0, n, width))))
    n_unrated = n - len(thetas)
    if n_unrated > MOST_UNRATED * n:
        raise ValueError(
            f"{n_unrated} of {n} resamples have no finite rating, because some models have too few votes, wins or "
            "losses. Leave those models out (Counts.select, Votes.select) or collect more votes."
        )
    scale = ratings.scale
    origin = thetas.mean(axis=1) if scale.anchor is None else thetas[:, ratings.index(scale.anchor)]
    draws = scale.center + scale.unit * (thetas - origin[:, None])
    tail = (1.0 - ratings.confidence) / 2.0
    low, high = np.quantile(draws, [tail, 1.0 - tail], axis=0)
    return Bootstrap(
        models=ratings.models,
        draws=draws,
        values=ratings.values,
        ci_low=low,
        ci_high=high,
        n_unrated=n_unrated,
        unit=resampling.unit,
        ties=ratings.ties,
        both_bad=ratings.both_bad,
        n_votes=ratings.n_votes,
        scale=scale,
        confidence=ratings.confidence,
        seed=seed,
    )


def _check(n: int, seed: int, confidence: float) -> np.uint64:
    check_confidence(confidence)
    _check_size(n, 2.0 / (1.0 - confidence), confidence)
    return make_key(seed)


def _check_size(n: int, least: float, confidence: float) -> None:
    if n < least - 1e-6:
        raise ValueError(f"Level {confidence} needs at least {math.ceil(least - 1e-6)} resamples, got {n}.")


def _sum_clusters(votes: Votes, codes: NDArray[np.intp], matchups: Matchups, ties: str, both_bad: str) -> list[Any]:
    """Sparse matrices (P, C), for left won, right won and drawn: the votes of each cluster in each matchup."""
    from scipy.sparse import csr_array

    number = np.zeros((len(votes.models),) * 2, dtype=np.int64)
    number[matchups.left, matchups.right] = number[matchups.right, matchups.left] = np.arange(len(matchups.left))
    matchup = number[votes.model_a, votes.model_b]
    weight = np.ones(len(votes)) if votes.weight is None else votes.weight.astype(np.float64)
    counted = (weight > 0) & np.array([True, True, ties == "half", both_bad == "half"])[votes.winner]
    swapped = votes.model_a > votes.model_b
    outcome = np.where(votes.winner >= TIE, 2, (votes.winner == MODEL_B) ^ swapped)
    shape = (len(matchups.left), int(codes.max()) + 1)
    chosen = [counted & (outcome == k) for k in range(3)]
    return [csr_array((weight[rows], (matchup[rows], codes[rows])), shape=shape) for rows in chosen]
