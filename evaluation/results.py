"""Results of a run as plain values, for the gate, the reports and the pages. Free of Django."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Comparison of a run with its baseline, on the samples that have a value in both.

    ``difference`` is value minus baseline. Both are computed from the shared samples only, so they can differ from the
    values of the whole runs. If the runs cannot be compared, all numbers are None and ``reason`` says why.
    """

    value: float | None = None
    baseline: float | None = None
    difference: float | None = None
    ci_low: float | None = None  # of the difference
    ci_high: float | None = None
    n_samples: int = 0
    n_prompts: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class MetricOutcome:
    """One metric of one run. Without a value, ``reason`` says why; ``reasons`` counts the reasons of unscored samples.

    ``n_scored`` and ``n_unscored`` count samples, or prompts if the metric is on prompts. ``identity`` is everything
    besides the images that the value depends on. Outcomes with different identities must not be compared.
    """

    label: str  # unique in the suite; by default the metric's name
    name: str
    title: str  # with the network
    network: str = ""  # chosen by a parameter
    unit: str
    higher_is_better: bool | None
    min_samples: int
    source: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    confidence: float = 0.95
    interval: str = ""  # method of the interval
    bias: float | None = None  # the value minus its limit for infinitely many images, of metrics that have one
    n_scored: int = 0
    n_unscored: int = 0
    n_prompts: int = 0
    reason: str = ""
    reasons: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    identity: Mapping[str, Any] = field(default_factory=dict)
    comparison: Comparison | None = None
    # Values by category and language of the prompts, keyed "kind: name", if there are several.
    groups: Mapping[str, float] = field(default_factory=dict)


Outcome = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True, kw_only=True)
class RuleVerdict:
    """``samples_needed``: estimate of the further samples that would decide the rule, None if there is no estimate."""

    rule: str  # "text-sentence-accuracy at least 80 %"
    label: str
    outcome: Outcome
    reason: str
    samples_needed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """FAIL if any rule fails, otherwise INCONCLUSIVE if any rule is inconclusive or there is none, otherwise PASS."""

    outcome: Outcome
    rules: tuple[RuleVerdict, ...]
