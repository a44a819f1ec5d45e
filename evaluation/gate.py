"""The gate: what a suite demands of a run, held against what the run found. Pure."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Rule(BaseModel):
    """One demand on one metric, by the label that the suite gives it.

    ``at_least`` and ``at_most`` bound the value. ``max_loss`` is a non-inferiority margin and ``min_gain`` a required
    gain, both against the baseline, in the metric's unit, counted in the direction that is better. A rule holds them
    against the interval (all of it on the right side) or, with ``on = "value"``, against the value alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    max_loss: float | None = Field(default=None, ge=0)
    min_gain: float | None = Field(default=None, ge=0)
    on: Literal["interval", "value"] = "interval"
    min_samples: int | None = Field(default=None, ge=1)  # None: the metric's own
    max_unscored: float = Field(default=0.05, ge=0, le=1)  # share of samples
