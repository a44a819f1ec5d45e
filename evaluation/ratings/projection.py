"""Projection of one of our models to a public board that does not rate it.

Model: the public board and ours share K baselines, and ``published_k - ours_k = shift + disagreement_k + error_k``.
The disagreements (other prompts, other raters) are independent and normal with variance τ², the errors have the known
covariance ``diag(published standard errors²) + our covariance``. Two results follow:

- given τ, the best linear prediction of the new model's difference from the K observed ones ("ordinary kriging":
  Cressie 1993, Statistics for Spatial Data, section 3.2). It weights baselines by their precision and uses the
  correlation of the new model's error with theirs. Unlike a weighted mean, it does not depend on the anchor;
- a confidence distribution of τ. Cochran's statistic Q(τ²) = rᵀV(τ²)⁻¹r of the centered differences is χ² with K-1
  degrees of freedom at the true τ², for any known covariance (Viechtbauer 2007, Statistics in Medicine 26:37).

The interval is that of the predictions averaged over the confidence distribution of τ (Nagashima, Noma & Furukawa 2019,
Statistical Methods in Medical Research 28:1689), by quadrature. Without known errors it is exactly Student's t with K-1
degrees of freedom; the more of the scatter the known errors explain, the narrower it gets. With few baselines it is
wide, because τ is poorly known: for exact ratings, 12.7 standard errors to each side with two, 4.3 with three.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.ratings import Ratings, check_confidence, quantile
from evaluation.ratings.scales import Scale

Array = NDArray[np.float64]

# A variance below this part of the largest is a rounding error.
ROUNDING = 1e-12
# The smallest standard error used, in points.
EXACT = 1e-9


@dataclass(frozen=True, eq=False)
class PublishedBoard:
    """A published leaderboard: ``values`` (P,) in points, 400 for odds of 10 to 1, and ``standard_errors`` (P,).

    A standard error of 0 is an exact rating. Raises ValueError for wrong shapes, numbers that are not finite, negative
    errors, and models that are named twice.
    """

    models: tuple[str, ...]
    values: Array
    standard_errors: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", tuple(self.models))
        if not self.models:
            raise ValueError("A board needs at least 1 model, got none.")
        if twice := sorted({str(name) for name in self.models if self.models.count(name) > 1}):
            raise ValueError(f"A board must name each model once; named more often: {', '.join(twice)}.")
        for name in ("values", "standard_errors"):
            object.__setattr__(self, name, self._column(name))
        if (self.standard_errors < 0).any():
            model = self.models[int((self.standard_errors < 0).argmax())]
            raise ValueError(
                f"Standard errors must be 0 or more, got {self.standard_errors.min()}, first for {model!r}."
            )

    def _column(self, name: str) -> Array:
        column = np.asarray(getattr(self, name))
        n = len(self.models)
        if column.shape != (n,) or column.dtype.kind not in "fiu":
            raise ValueError(f"Expected {n} numbers for {name}, got shape {column.shape} of {column.dtype}.")
        finite = np.isfinite(column)
        if not finite.all():
            raise ValueError(
                f"Expected finite {name}, got {column[~finite][0]} for {self.models[int(finite.argmin())]!r}."
            )
        return column.astype(np.float64)

    @classmethod
    def of_intervals(
        cls, models: Sequence[str], values: ArrayLike, half_widths: ArrayLike, confidence: float = 0.95
    ) -> "PublishedBoard":
        """A board from published normal intervals ``values ± half_widths`` at level ``confidence``; all (P,)."""
        widths = np.asarray(half_widths)
        if widths.dtype.kind not in "fiu":
            raise ValueError(f"Half-widths must be numbers, got {widths.dtype}.")
        return cls(tuple(models), np.asarray(values), widths / quantile(confidence))

    def index(self, model: str) -> int:
        """Position of a model. Raises ValueError if the board does not have it."""
        if model not in self.models:
            raise ValueError(f"{model!r} is not on the board, which has {', '.join(self.models)}.")
        return self.models.index(model)

    def without(self, model: str) -> "PublishedBoard":
        """The board without this model. Use it to project a model that the board has, and compare."""
        keep = np.arange(len(self.models)) != self.index(model)
        others = tuple(name for name in self.models if name != model)
        return PublishedBoard(others, self.values[keep], self.standard_errors[keep])


@dataclass(frozen=True, eq=False)
class Projection:
    """One of our models on the public board's scale, in its points.

    ``value`` = our rating + ``shift``; ``standard_error`` is that of the prediction, taking ``tau`` as known;
    ``ci_low`` and ``ci_high`` also include the uncertainty of ``tau``, which has ``degrees_of_freedom`` =
    ``n_shared`` - 1. They are for the rating that the board would reach with many votes. An early rating has an
    additional error of its own.

    ``rank`` is 1 + the number of published ratings above ``value``; ``rank_best`` to ``rank_worst`` covers the rank
    with probability ``confidence`` or more; ``top[k - 1]`` (P + 1,) is the probability of rank k or better. ``tau`` is
    the disagreement between the boards (standard deviation for one model, Paule-Mandel); ``residuals`` maps our name
    of each shared baseline to its published rating minus (our rating + ``shift``).
    """

    model: Hashable
    value: float
    standard_error: float
    ci_low: float
    ci_high: float
    rank: int
    rank_best: int
    rank_worst: int
    top: Array
    shift: float
    tau: float
    degrees_of_freedom: int
    n_shared: int
    residuals: Mapping[Hashable, float]
    confidence: float

    def describe(self) -> str:
        """The rank in words: "9th, between 7th and 12th", or only "9th" if the interval has no other rank."""
        if self.rank_best == self.rank_worst:
            return _ordinal(self.rank)
        return f"{_ordinal(self.rank)}, between {_ordinal(self.rank_best)} and {_ordinal(self.rank_worst)}"

    __str__ = describe


def project(
    ratings: Ratings,
    model: Hashable,
    board: PublishedBoard,
    *,
    shared: Mapping[Hashable, str] | None = None,
    confidence: float = 0.95,
) -> Projection:
    """Place ``model`` on ``board`` through the baselines that both rate.

    ``shared`` maps our names to published ones; by default, models of the same name are the same. Ratings on another
    scale are converted to the board's points. Fit them as the board did (most count ties as half a win): another
    treatment stretches the scale, and a model stronger or weaker than all baselines is then projected too close to
    them, or too far away.

    The degrees of freedom of our ratings are not used: if their covariance is too small, the estimated disagreement is
    larger. The published errors are assumed independent, of each other and of the projection: if one baseline dominates
    the shift, the rank interval is slightly too wide, not too narrow. If all ratings are exact and the boards agree
    exactly, the interval has no width.

    Raises ValueError for fewer than 2 shared baselines (one gives the shift, but no disagreement), an unknown name, a
    published model that is shared twice, a model that the board already has (see ``PublishedBoard.without``), ratings
    that are not finite, and a covariance that is not positive semidefinite.
    """
    check_type("ratings", ratings, Ratings)
    check_type("board", board, PublishedBoard)
    check_confidence(confidence)
    pairs = _pair(ratings, model, board, shared)
    ours = [ratings.index(name) for name in pairs]
    theirs = [board.index(name) for name in pairs.values()]
    values, covariance = _take(ratings, [*ours, ratings.index(model)])
    differences = board.values[theirs] - values[:-1]
    contrasts = _contrast(differences, covariance, board.standard_errors[theirs] ** 2)
    tau2 = contrasts.solve(np.array([len(pairs) - 1.0]))
    center, error = contrasts.predict(tau2)
    shift = float(center[0])
    value = float(values[-1]) + shift
    components, weights = _average(contrasts, float(values[-1]))
    tail = (1.0 - confidence) / 2.0
    ci_low, ci_high = _mixture_quantiles(components, weights, np.array([tail, 1.0 - tail]))
    rank = 1 + int((board.values > value).sum())
    top = _rank_distribution(board, components, weights).cumsum().clip(max=1.0)
    # Sums of probabilities differ from 1 by rounding.
    best, worst = (1 + int((top < level - ROUNDING).sum()) for level in (tail, 1.0 - tail))
    return Projection(
        model=model,
        value=value,
        standard_error=float(error[0]),
        ci_low=float(ci_low),
        ci_high=float(ci_high),
        rank=rank,
        rank_best=min(best, rank),
        rank_worst=max(worst, rank),
        top=top,
        shift=shift,
        tau=math.sqrt(tau2[0]),
        degrees_of_freedom=len(pairs) - 1,
        n_shared=len(pairs),
        residuals=dict(zip(pairs, (differences - shift).tolist(), strict=True)),
        confidence=confidence,
    )


def _pair(
    ratings: Ratings, model: Hashable, board: PublishedBoard, shared: Mapping[Hashable, str] | None
) -> dict[Hashable, str]:
    """Our name and published name of each baseline, checked."""
    ratings.index(model)
    if model in board.models or (shared is not None and model in shared):
        raise ValueError(f"{model!r} is already on the board. Project it to board.without({model!r}) instead.")
    if shared is None:
        pairs: dict[Hashable, str] = {name: str(name) for name in ratings.models if name in board.models}
    else:
        pairs = dict(shared)
    if len(set(pairs.values())) != len(pairs):
        raise ValueError(f"Each published model must be shared once, got {', '.join(map(str, pairs.values()))}.")
    if len(pairs) < 2:
        raise ValueError(
            f"A projection needs at least 2 shared baselines, got {len(pairs)}: "
            "one gives the shift between the boards, but not their disagreement."
        )
    return pairs


def _take(ratings: Ratings, chosen: list[int]) -> tuple[Array, Array]:
    """Values and covariance of the chosen models in the board's points."""
    unit = Scale().unit / ratings.scale.unit
    m = len(ratings.models)
    if np.shape(ratings.values) != (m,) or np.shape(ratings.covariance) != (m, m):
        shapes = f"{np.shape(ratings.values)} and {np.shape(ratings.covariance)}"
        raise ValueError(f"Ratings of {m} models need values ({m},) and a covariance ({m}, {m}), got {shapes}.")
    values = unit * ratings.values[chosen]
    covariance = unit**2 * ratings.covariance[np.ix_(chosen, chosen)]
    if not (np.isfinite(values).all() and np.isfinite(covariance).all()):
        raise ValueError("The ratings of the model and its baselines, and their covariance, must be finite.")
    return values, (covariance + covariance.T) / 2.0


@dataclass(frozen=True, eq=False)
class _Contrasts:
    """The K observed differences, as their mean and K-1 contrasts whose errors are independent.

    ``spread``, ``noise`` and ``pull`` (K-1,): each contrast, its known variance, and its covariance with the new
    model's difference from the mean; ``variance`` is the known variance of that difference.
    """

    mean: float
    spread: Array
    noise: Array
    pull: Array
    variance: float

    def cochran(self, tau2: Array) -> Array:
        """Q(τ²), falling in τ²; shape of ``tau2``. A contrast whose spread and variance are 0 adds 0."""
        total = self.noise + tau2[:, None]
        q: Array = np.divide(self.spread**2, total, out=np.zeros_like(total), where=total > 0).sum(axis=1)
        return q

    @property
    def agreement(self) -> float:
        """Q(0): infinite if a contrast without error is not zero."""
        exact = self.noise == 0.0
        return math.inf if self.spread[exact].any() else float((self.spread[~exact] ** 2 / self.noise[~exact]).sum())

    def solve(self, q: Array) -> Array:
        """The τ² where Q(τ²) = q; 0 where Q(0) is not above q."""
        # Q(τ²) <= Σ spread² / τ² bounds the root.
        high = (self.spread**2).sum() / q
        root = _bisect(lambda tau2: -self.cochran(tau2), -q, np.zeros_like(q), high)
        return np.where(self.agreement > q, root, 0.0)

    def predict(self, tau2: Array) -> tuple[Array, Array]:
        """Prediction of the new model's difference and its standard error, for each τ²."""
        total = self.noise + tau2[:, None]
        weight = np.divide(self.pull, total, out=np.zeros_like(total), where=total > 0)
        variance = self.variance + tau2 * (1.0 + 1.0 / (len(self.spread) + 1)) - weight @ self.pull
        return self.mean + weight @ self.spread, np.sqrt(np.maximum(variance, 0.0))


def _contrast(differences: Array, covariance: Array, published: Array) -> _Contrasts:
    """``differences`` (K,), our ``covariance`` (K + 1, K + 1) with the new model last, ``published`` variances (K,)."""
    k = len(differences)
    known = covariance[:-1, :-1] + np.diag(published)
    # Orthonormal columns with sum 0: Helmert's, up to a rotation.
    basis = np.linalg.qr(np.ones((k, 1)), mode="complete")[0][:, 1:]
    noise, rotation = np.linalg.eigh(basis.T @ known @ basis)
    basis = basis @ rotation
    pull = basis.T @ (covariance[:-1, -1] - known.mean(axis=1))
    variance = float(covariance[-1, -1] - 2.0 * covariance[:-1, -1].mean() + known.mean())
    size = float(np.abs(covariance).max() + published.max())
    real = noise > ROUNDING * size
    if min(noise.min(), variance - float((pull[real] ** 2 / noise[real]).sum())) < -1e-6 * size:
        raise ValueError("The covariance is not positive semidefinite: some difference has a negative variance.")
    # A contrast without variance has no covariance either.
    noise, pull = np.where(real, noise, 0.0), np.where(real, pull, 0.0)
    return _Contrasts(float(differences.mean()), basis.T @ differences, noise, pull, variance)


def _average(contrasts: _Contrasts, rating: float) -> tuple[tuple[Array, Array], Array]:
    """The prediction of ``rating`` on the board as a mixture of normals: (means, standard deviations), weights; (J,).

    τ² = 0 has a weight of its own. The rest is Gauss-Legendre quadrature over the cube root of the probability of χ²
    below Q(0), which puts many nodes where τ² is large, at the ends of the interval.
    """
    from scipy.special import gammainc, gammaincinv

    half = len(contrasts.spread) / 2.0
    above_zero = float(gammainc(half, contrasts.agreement / 2.0))
    tau2, weights = np.zeros(1), np.ones(1)
    if above_zero > EXACT:
        root, parts = _find_nodes()
        q: Array = np.asarray(2.0 * gammaincinv(half, above_zero * root**3), dtype=np.float64)
        tau2 = np.append(contrasts.solve(q), 0.0)
        weights = np.append(above_zero * 3.0 * root**2 * parts, 1.0 - above_zero)
    means, errors = contrasts.predict(tau2)
    return (rating + means, np.maximum(errors, EXACT)), weights


@cache
def _find_nodes() -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights between 0 and 1."""
    nodes, weights = np.polynomial.legendre.leggauss(64)
    return (nodes + 1.0) / 2.0, weights / 2.0


def _mixture_cdf(components: tuple[Array, Array], weights: Array, points: Array) -> Array:
    from scipy.special import ndtr

    means, errors = components
    cdf: Array = ndtr((points[:, None] - means) / errors) @ weights
    return cdf


def _mixture_quantiles(components: tuple[Array, Array], weights: Array, levels: Array) -> Array:
    from scipy.special import ndtri

    means, errors = components
    own = means + ndtri(levels)[:, None] * errors
    # The mixture's quantile lies between the smallest and the largest quantile of its components.
    return _bisect(lambda z: _mixture_cdf(components, weights, z), levels, own.min(axis=1), own.max(axis=1))


def _rank_distribution(board: PublishedBoard, components: tuple[Array, Array], weights: Array) -> Array:
    """P(rank = 1), ..., P(rank = P + 1); shape (P + 1,).

    Given the new rating z, the published models are above it independently, so that their number is Poisson-binomial,
    computed by recursion over the models. It changes only near published ratings: z is cut there and where the mixture
    is dense, and each cell is weighted by the mixture's exact probability.
    """
    from scipy.special import ndtr

    means, errors = components
    published = np.maximum(board.standard_errors, EXACT)
    grid = np.arange(-4.0, 4.5)[:, None]
    thick = slice(None, None, 4)
    cuts = np.unique(np.append(board.values + grid * board.standard_errors, means[thick] + grid * errors[thick]))
    chance = np.diff(_mixture_cdf(components, weights, cuts), prepend=0.0, append=1.0)
    points = np.concatenate([cuts[:1] - 1.0, (cuts[:-1] + cuts[1:]) / 2.0, cuts[-1:] + 1.0])
    points, chance = points[chance > EXACT], chance[chance > EXACT]
    distribution = np.zeros((len(board.models) + 1, len(points)))
    distribution[0] = 1.0
    for k, above in enumerate(ndtr((board.values[:, None] - points) / published[:, None])):
        moved = distribution[: k + 1] * above
        distribution[: k + 1] -= moved
        distribution[1 : k + 2] += moved
    ranks: Array = distribution @ (chance / chance.sum())
    return ranks


def _bisect(rising: Callable[[Array], Array], target: Array, low: Array, high: Array) -> Array:
    """The points where ``rising`` reaches ``target``, each between its ``low`` and ``high``; all of one shape."""
    for _ in range(64):
        middle = (low + high) / 2.0
        below = rising(middle) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2.0


def _ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th, ..., 11th, 12th, 13th, ..., 21st."""
    ending = "th" if n % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
