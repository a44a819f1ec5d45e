"""What a run found, in plain values: for the gate, the reports and the pages. Free of Django."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A run against its baseline, on the samples that both have a value for.

    ``difference`` is value minus baseline, both of these samples alone, so neither need be the run's own value. Where
    they cannot be compared all numbers are None and ``reason`` says why.
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
    """One metric of one run. Without a value ``reason`` says why; ``reasons`` counts those of unscored samples.

    ``n_scored`` and ``n_unscored`` count samples (of a metric on prompts: prompts). ``identity`` is everything that
    decides the number beside the images: two outcomes that differ there are not to be compared.
    """

    label: str  # unique in the suite: the metric's name, or what the suite calls it
    name: str
    title: str
    unit: str
    higher_is_better: bool | None
    min_samples: int
    source: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    confidence: float = 0.95
    interval: str = ""  # how the interval was found
    n_scored: int = 0
    n_unscored: int = 0
    n_prompts: int = 0
    reason: str = ""
    reasons: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    identity: Mapping[str, Any] = field(default_factory=dict)
    comparison: Comparison | None = None
    # Value by the prompts' category, and by their language, where there are several.
    groups: Mapping[str, float] = field(default_factory=dict)


Outcome = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True, kw_only=True)
class RuleVerdict:
    """``samples_needed``: how many more samples would decide it, as far as the interval tells; None: it cannot."""

    rule: str  # in words: "text-sentence-accuracy at least 0.8"
    label: str
    outcome: Outcome
    reason: str
    samples_needed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """FAIL if any rule fails, else INCONCLUSIVE if any is, else PASS. A policy without rules passes nothing."""

    outcome: Outcome
    rules: tuple[RuleVerdict, ...]
