"""Covariances of the parameters of a fit.

- inverse Hessian: valid if the model is right.
- sandwich H⁻¹ G H⁻¹ (White 1982, Huber 1967): valid for independent votes even if the model is wrong. G sums the
  squared slope of each vote.
- clustered (Liang & Zeger 1986): the slopes are summed within a cluster before they are squared, so that votes of one
  rater, or on one prompt, may depend on each other. Two columns of clusters at once: Cameron, Gelbach & Miller 2011,
  "Robust inference with multiway clustering".
"""

from collections.abc import Callable, Mapping
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.families import Family
from evaluation.ratings.fitting import Optimum, Pairs, assemble, invert
from evaluation.ratings.outcomes import WINNERS
from evaluation.ratings.votes import Votes

Array = NDArray[np.float64]


def find_sandwich(family: Family, pairs: Pairs, optimum: Optimum) -> Array:
    """(Q, Q): H⁻¹ G H⁻¹ for independent votes."""
    eta = optimum.theta[pairs.left] - optimum.theta[pairs.right] + optimum.side
    scores = family.scores(eta, optimum.tau)
    squares = [
        (pairs.squares * scores[i] * scores[j]).sum(axis=0)
        for i, j in combinations_with_replacement(range(len(scores)), 2)
    ]
    middle = assemble(pairs, *squares)
    inverse = invert(optimum.hessian, pairs.n_models)
    return inverse @ middle @ inverse


def find_clustered(
    family: Family, votes: Votes, optimum: Optimum, *, ties: bool, both_bad: bool, side: bool
) -> tuple[Array, int]:
    """Covariance (Q, Q) and degrees of freedom for votes that depend on each other within each column of clusters.

    The middle is scaled by C / (C - 1), and intervals use Student's t with C - 1 degrees of freedom, where C is the
    number of clusters in the column with the fewest (Cameron & Miller 2015, "A practitioner's guide to cluster-robust
    inference", VI). Raises ValueError for fewer than two clusters.
    """
    slopes = _slopes(family, votes.models, optimum, ties=ties, both_bad=both_bad, side=side)
    inverse = invert(optimum.hessian, len(votes.models))

    def square(cluster: NDArray[np.intp]) -> Array:
        return _square_sums(votes, slopes, cluster, side=side, tie=family.models_ties)

    return combine_clusters(votes.clusters, inverse, square)


def combine_clusters(
    clusters: Mapping[str, NDArray[np.integer[Any]]], inverse: Array, square: Callable[[NDArray[np.intp]], Array]
) -> tuple[Array, int]:
    """H⁻¹ G H⁻¹ (Q, Q) and its degrees of freedom. ``square`` gives the G of one column of clusters 0, 1, ... (N,).

    Several columns are combined by inclusion and exclusion: each alone, minus each pair, plus each triple, ...
    Raises ValueError for fewer than two clusters.
    """
    columns = {name: np.unique(codes, return_inverse=True) for name, codes in clusters.items()}
    fewest, where = min((len(labels), name) for name, (labels, _) in columns.items())
    if fewest < 2:
        raise ValueError(f"Clustered intervals need at least 2 clusters, got {fewest} in {where!r}.")
    middle = np.zeros_like(inverse)
    for size in range(1, len(columns) + 1):
        for (_, code), *others in combinations(columns.values(), size):
            for labels, other in others:
                code = np.unique(code * len(labels) + other, return_inverse=True)[1]
            middle -= (-1) ** size * square(code)
    covariance = fewest / (fewest - 1) * inverse @ middle @ inverse
    if len(columns) == 1:
        return covariance, fewest - 1
    # A difference can have negative eigenvalues: the nearest covariance has none (CGM 2011, 2.3).
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2.0)
    return (vectors * np.maximum(values, 0.0)) @ vectors.T, fewest - 1


def _slopes(
    family: Family, models: tuple[object, ...], optimum: Optimum, *, ties: bool, both_bad: bool, side: bool
) -> Array:
    """(1 or 2, M, M, 4): the slope, in η (and in τ), of a vote of each cell; zero for votes that are dropped."""
    m = len(models)
    eta = optimum.theta[:, None] - optimum.theta[None, :] + (optimum.side if side else 0.0)
    won_a, won_b, drawn = np.moveaxis(family.scores(eta.ravel(), optimum.tau), 1, 0)
    return np.stack([won_a, won_b, ties * drawn, both_bad * drawn], axis=-1).reshape(-1, m, m, len(WINNERS))


def _square_sums(votes: Votes, slopes: Array, cluster: NDArray[np.intp], *, side: bool, tie: bool) -> Array:
    """(Q, Q): Σ over clusters of s sᵀ, where s is the sum of the slopes of a cluster's votes in the parameters."""
    from scipy.sparse import csr_array

    m = len(votes.models)
    found = slopes[:, votes.model_a, votes.model_b, votes.winner]
    if votes.weight is not None:
        found = found * votes.weight
    columns, values = [votes.model_a, votes.model_b], [found[0], -found[0]]
    if side:
        columns.append(np.full(len(votes), m))
        values.append(found[0])
    if tie:
        columns.append(np.full(len(votes), m + side))
        values.append(found[1])
    place = (np.tile(cluster, len(columns)), np.concatenate(columns).astype(np.intp))
    sums = csr_array((np.concatenate(values), place), shape=(int(cluster.max()) + 1, m + side + tie))
    product: Array = (sums.T @ sums).toarray()
    return product
