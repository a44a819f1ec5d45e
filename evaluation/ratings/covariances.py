"""Covariances of the parameters of a fit to counts.

- inverse Hessian: valid if the model is right.
- sandwich H⁻¹ G H⁻¹ (White 1982, Huber 1967): valid for independent votes even if the model is wrong. G sums the
  squared slope of each vote.
- clustered: valid for votes that depend on each other within clusters (evaluation.ratings.jackknife).
"""

from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.families import Family
from evaluation.ratings.fitting import Optimum, Pairs, assemble, invert
from evaluation.ratings.jackknife import Clustered, Indices, Information, Rows, find_clustered
from evaluation.ratings.outcomes import BOTH_BAD, MODEL_A, MODEL_B, TIE, WINNERS
from evaluation.ratings.scales import Scale
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


def cluster_votes(
    family: Family,
    votes: Votes,
    pairs: Pairs,
    optimum: Optimum,
    *,
    ties: bool,
    both_bad: bool,
    side: bool,
    scale: Scale,
    confidence: float,
) -> Clustered:
    """The clustered covariance of a fit to ``votes``, counted in ``pairs``; dropped votes are in no cluster.

    Raises TooFewClustersError for votes of a single cluster.
    """
    counted = np.ones(len(WINNERS), dtype=bool)
    counted[TIE], counted[BOTH_BAD] = ties, both_bad
    kept = counted[votes.winner]
    if votes.weight is not None:
        kept &= votes.weight > 0
    left, right, winner = votes.model_a[kept], votes.model_b[kept], votes.winner[kept]
    weight = np.ones(len(winner)) if votes.weight is None else votes.weight[kept].astype(np.float64)
    m = len(votes.models)

    def read(rows: Indices) -> Rows:
        a, b, outcome = left[rows], right[rows], winner[rows]
        eta = optimum.theta[a] - optimum.theta[b] + (optimum.side if side else 0.0)
        outcomes = np.stack([outcome == MODEL_A, outcome == MODEL_B, outcome >= TIE]) * weight[rows]
        at, n = family.derive(eta, optimum.tau, outcomes), np.arange(len(rows))
        in_eta = np.zeros((len(rows), m + side + family.models_ties))
        in_eta[n, a], in_eta[n, b] = 1.0, -1.0
        in_eta[:, m : m + side] = 1.0
        root = np.sqrt(np.maximum(at.eta_eta, 0.0))
        if at.tau is None or at.eta_tau is None or at.tau_tau is None:
            return Rows(in_eta * at.eta[:, None], (in_eta * root[:, None])[:, None])
        in_tau = np.zeros_like(in_eta)
        in_tau[:, -1] = 1.0
        # Cholesky's factor of [[ηη, ητ], [ητ, ττ]].
        both = np.divide(at.eta_tau, root, out=np.zeros_like(root), where=root > 0)
        rest = np.sqrt(np.maximum(at.tau_tau - both**2, 0.0))
        roots = np.stack([in_eta * root[:, None] + in_tau * both[:, None], in_tau * rest[:, None]], axis=1)
        return Rows(in_eta * at.eta[:, None] + in_tau * at.tau[:, None], roots)

    inverse = invert(optimum.hessian, m)
    independent = find_sandwich(family, pairs, optimum)
    information = Information(inverse, independent, read, weight, scale.contrast(votes.models, len(inverse)))
    return find_clustered(information, {name: codes[kept] for name, codes in votes.clusters.items()}, confidence)
