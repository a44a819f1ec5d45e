"""Ratings with their full covariance, as every fit returns them, and the estimates that follow from them."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.scales import Scale


@dataclass(frozen=True)
class Estimate:
    """A number with its interval. ``p_value`` is two-sided, for the hypothesis that the true value is zero."""

    value: float
    standard_error: float
    ci_low: float
    ci_high: float
    p_value: float
    confidence: float


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings on one scale: ``values`` (M,) in points and their ``covariance`` (M, M).

    Intervals are at level ``confidence``, by Student's t with ``degrees_of_freedom``: one number, or one for each model
    (M,); infinite: normal. ``interval`` names the method of the covariance. ``coefficients`` are the other fitted
    parameters: "tie", "side", covariates by name.
    """

    models: tuple[Hashable, ...]
    values: NDArray[np.float64]
    covariance: NDArray[np.float64]
    method: str
    ties: str
    both_bad: str
    interval: str
    n_votes: float
    scale: Scale = field(default_factory=Scale)
    confidence: float = 0.95
    degrees_of_freedom: NDArray[np.float64] | float = math.inf
    coefficients: Mapping[str, Estimate] = field(default_factory=dict)
    iterations: int = 0

    @property
    def shows_variance(self) -> bool:
        """False if all votes are ties: they give ratings, but do not tell how much these would vary."""
        return bool(np.abs(self.covariance).max() > 1e-20 * self.scale.unit**2)

    @cached_property
    def standard_errors(self) -> NDArray[np.float64]:
        """(M,), in points."""
        errors: NDArray[np.float64] = np.sqrt(np.maximum(np.diag(self.covariance), 0.0))
        return errors

    @cached_property
    def _margins(self) -> NDArray[np.float64]:
        margins: NDArray[np.float64] = find_quantiles(self.confidence, self.model_degrees) * self.standard_errors
        return margins

    @property
    def model_degrees(self) -> NDArray[np.float64]:
        """(M,): the degrees of freedom of each rating. A contrast has the fewest of its models."""
        return np.broadcast_to(np.asarray(self.degrees_of_freedom, dtype=np.float64), (len(self.models),))

    @cached_property
    def ci_low(self) -> NDArray[np.float64]:
        """(M,), in points."""
        low: NDArray[np.float64] = self.values - self._margins
        return low

    @cached_property
    def ci_high(self) -> NDArray[np.float64]:
        """(M,), in points."""
        high: NDArray[np.float64] = self.values + self._margins
        return high

    @property
    def theta(self) -> NDArray[np.float64]:
        """(M,): natural log-strengths with mean zero."""
        theta: NDArray[np.float64] = (self.values - self.values.mean()) / self.scale.unit
        return theta

    def index(self, model: Hashable) -> int:
        """Position of a model. Raises ValueError if it is not rated."""
        if model not in self.models:
            raise ValueError(f"{model!r} is not among the rated models: {', '.join(map(str, self.models))}.")
        return self.models.index(model)

    def contrast(self, weights: Mapping[Hashable, float]) -> Estimate:
        """The estimate of Σ weight × rating, in points.

        Raises ValueError for an unknown model, and for weights that are not finite or do not sum to zero (the origin of
        the scale is arbitrary).
        """
        check_type("weights", weights, Mapping)
        if not all(math.isfinite(weight) for weight in weights.values()):
            raise ValueError(f"The weights of a contrast must be finite, got {dict(weights)}.")
        if abs(math.fsum(weights.values())) > 1e-9 * max(map(abs, weights.values()), default=0.0):
            raise ValueError(f"The weights of a contrast must sum to 0, got {math.fsum(weights.values())}.")
        vector = np.zeros(len(self.models))
        for model, weight in weights.items():
            vector[self.index(model)] = weight
        variance = float(vector @ self.covariance @ vector)
        dof = float(self.model_degrees[vector != 0.0].min(initial=math.inf))
        return estimate(float(vector @ self.values), math.sqrt(max(variance, 0.0)), self.confidence, dof)

    def difference(self, model_b: Hashable, model_a: Hashable) -> Estimate:
        """Rating of ``model_b`` minus rating of ``model_a``, in points."""
        if model_a == model_b:
            raise ValueError(f"A difference needs two models, got {model_a!r} twice.")
        return self.contrast({model_b: 1.0, model_a: -1.0})

    @property
    def parameters(self) -> dict[str, Any]:
        """The arguments of the fit, ready for JSON if the anchor is."""
        return {
            "method": self.method,
            "ties": self.ties,
            "both_bad": self.both_bad,
            "interval": self.interval,
            "scale": self.scale.scale,
            "base": self.scale.base,
            "center": self.scale.center,
            "anchor": self.scale.anchor,
            "confidence": self.confidence,
        }


def check_confidence(confidence: float) -> None:
    """Raise ValueError unless 0 < confidence < 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"Expected 0 < confidence < 1, got {confidence=}.")


def quantile(confidence: float, degrees_of_freedom: float = math.inf) -> float:
    """Half-width, in standard errors, of a two-sided interval: 1.96 at 0.95, more with few degrees of freedom."""
    check_confidence(confidence)
    if math.isinf(degrees_of_freedom):
        return NormalDist().inv_cdf(0.5 + confidence / 2.0)
    from scipy.special import stdtrit  # takes 0.1 s to import, and normal intervals do not need it

    return float(stdtrit(degrees_of_freedom, 0.5 + confidence / 2.0))


def find_quantiles(confidence: float, degrees_of_freedom: NDArray[np.float64]) -> NDArray[np.float64]:
    """As ``quantile``, for an array of degrees of freedom."""
    numbers, place = np.unique(degrees_of_freedom, return_inverse=True)
    found: NDArray[np.float64] = np.array([quantile(confidence, dof) for dof in numbers.tolist()])[place]
    return found


def estimate(
    value: float, standard_error: float, confidence: float = 0.95, degrees_of_freedom: float = math.inf
) -> Estimate:
    """An Estimate from a value and its standard error. If the error is zero, p is 0 (1 for a value of zero)."""
    margin = quantile(confidence, degrees_of_freedom) * standard_error
    if standard_error == 0.0:
        p_value = float(value == 0.0)
    elif math.isinf(degrees_of_freedom):
        p_value = math.erfc(abs(value) / standard_error / math.sqrt(2.0))
    else:
        from scipy.special import stdtr

        p_value = float(2.0 * stdtr(degrees_of_freedom, -abs(value) / standard_error))
    return Estimate(value, standard_error, value - margin, value + margin, p_value, confidence)
