"""The charts of an HTML report, as places on an axis in percent: the templates draw them as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from evaluation.number_format import write_bound, write_number
from evaluation.results import MetricOutcome
from evaluation.suites.gate import Demand

MARGIN: Final = 0.1  # of the axis, at both ends
MOST_GROUPS: Final = 12


@dataclass(frozen=True)
class BoundMark:
    """A bound and the side of the axis on which its demand does not hold."""

    at: str
    wrong_left: str
    wrong_width: str
    words: str


@dataclass(frozen=True)
class IntervalBar:
    """A value with its interval, what it is compared with, and the bounds that it is held against."""

    value: str
    left: str
    width: str
    reference: str
    reference_words: str
    bounds: tuple[BoundMark, ...]
    low: str
    high: str
    words: str


@dataclass(frozen=True)
class GroupBar:
    """The value of one category or language."""

    name: str
    text: str
    left: str
    width: str


@dataclass(frozen=True)
class GroupBars:
    """Bars of one kind, the worst first. ``overall`` is where the run's own value lies."""

    kind: str
    bars: tuple[GroupBar, ...]
    overall: str
    n_hidden: int


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float

    def place(self, number: float) -> float:
        return 100.0 * (number - self.low) / (self.high - self.low)

    def percent(self, number: float) -> str:
        return _percent(self.place(number))


def draw_interval(
    value: float | None,
    ci_low: float | None,
    ci_high: float | None,
    reference: tuple[float, str] | None,
    demands: Sequence[Demand],
) -> IntervalBar | None:
    """None where there is nothing but the value, or a number that is none. ``reference``: a number and words."""
    interval = [] if ci_low is None or ci_high is None else [ci_low, ci_high]
    others = [*interval, *([reference[0]] if reference else []), *(demand.bound for demand in demands)]
    if value is None or not others or not all(math.isfinite(number) for number in (value, *others)):
        return None
    axis = _span([value, *others])
    low, high = (min(interval), max(interval)) if interval else (value, value)
    return IntervalBar(
        value=axis.percent(value),
        left=axis.percent(low),
        width=_percent(axis.place(high) - axis.place(low)) if interval else "",
        reference=axis.percent(reference[0]) if reference else "",
        reference_words=reference[1] if reference else "",
        bounds=tuple(_mark(demand, axis) for demand in demands),
        low=write_number(axis.low, 3),
        high=write_number(axis.high, 3),
        words=_say(value, interval),
    )


def draw_groups(outcome: MetricOutcome) -> list[GroupBars]:
    """One chart for each kind of group, on one axis from zero. The keys of ``outcome.groups`` are "kind: name"."""
    finite = {key: value for key, value in outcome.groups.items() if math.isfinite(value)}
    if outcome.value is None or not finite or not math.isfinite(outcome.value):
        return []
    top, bottom = max(0.0, outcome.value, *finite.values()), min(0.0, outcome.value, *finite.values())
    # What looks like a share gets the whole of its axis.
    axis = _Axis(bottom, 1.0 if bottom == 0.0 and 0.5 < top < 1.0 else top if top > bottom else bottom + 1.0)
    kinds: dict[str, list[tuple[float, str]]] = {}
    for key, value in finite.items():
        kind, _, name = key.rpartition(": ")
        kinds.setdefault(kind, []).append((value, name))
    return [_draw_kind(kind, found, axis, outcome) for kind, found in kinds.items()]


def _draw_kind(kind: str, found: list[tuple[float, str]], axis: _Axis, outcome: MetricOutcome) -> GroupBars:
    ranked = sorted(found, reverse=outcome.higher_is_better is False)
    bars = tuple(
        GroupBar(
            name=name,
            text=write_number(value, 3),
            left=axis.percent(min(0.0, value)),
            width=_percent(abs(axis.place(value) - axis.place(0.0))),
        )
        for value, name in ranked[:MOST_GROUPS]
    )
    return GroupBars(kind, bars, axis.percent(outcome.value or 0.0), max(0, len(found) - MOST_GROUPS))


def _mark(demand: Demand, axis: _Axis) -> BoundMark:
    place = axis.place(demand.bound)
    left, width = (0.0, place) if demand.at_least else (place, 100.0 - place)
    words = f"{'at least' if demand.at_least else 'at most'} {write_bound(demand.bound)}"
    return BoundMark(_percent(place), _percent(left), _percent(width), words)


def _span(numbers: Sequence[float]) -> _Axis:
    low, high = min(numbers), max(numbers)
    margin = MARGIN * (high - low) or MARGIN * abs(high) or MARGIN
    return _Axis(low - margin, high + margin)


def _say(value: float, interval: Sequence[float]) -> str:
    ends = f", interval {write_number(min(interval))} to {write_number(max(interval))}" if interval else ""
    return f"{write_number(value)}{ends}"


def _percent(number: float) -> str:
    return f"{number:.2f}%"
