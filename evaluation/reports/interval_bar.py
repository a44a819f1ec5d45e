"""Interval bar: a value with its confidence interval on an axis, as positions in percent.

``evaluation/_interval_bar.html`` draws it as SVG, in reports and on the arena's pages.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from evaluation.number_format import write_number

MARGIN: Final = 0.1  # of the axis, at each end


@dataclass(frozen=True)
class Axis:
    """Two different numbers, shown at 0 % and 100 % of the width."""

    low: float
    high: float

    def place(self, number: float) -> float:
        """Position in percent of the width."""
        return 100.0 * (number - self.low) / (self.high - self.low)

    def percent(self, number: float) -> str:
        """Position as an SVG length."""
        return write_percent(self.place(number))


@dataclass(frozen=True)
class Bound:
    """Limit that a rule sets: the number is to be at least, or else at most, ``number``."""

    number: float
    at_least: bool
    label: str


@dataclass(frozen=True)
class Reference:
    """Number to compare with: a diamond for a measured one, a line for a fixed one (no difference, chance)."""

    number: float
    label: str
    shape: Literal["diamond", "line"]


@dataclass(frozen=True)
class BoundMark:
    """Position of a bound, and the part of the axis that breaks it."""

    at: str
    wrong_left: str
    wrong_width: str
    label: str


@dataclass(frozen=True)
class ReferenceMark:
    """Position of a reference."""

    at: str
    label: str
    shape: Literal["diamond", "line"]


@dataclass(frozen=True)
class IntervalBar:
    """Positions as SVG lengths. ``width`` is "" without an interval; ``low`` and ``high`` label the axis."""

    value: str
    left: str
    width: str
    reference: ReferenceMark | None
    bounds: tuple[BoundMark, ...]
    low: str
    high: str
    label: str


def make_interval_bar(
    value: float | None,
    ci_low: float | None,
    ci_high: float | None,
    *,
    axis: Axis | None = None,
    reference: Reference | None = None,
    bounds: Sequence[Bound] = (),
    write: Callable[[float], str] = write_number,
) -> IntervalBar | None:
    """The bar, on an axis of its own unless ``axis`` is given; ``write`` formats the numbers of its labels.

    None if there is only a value, or if a number is missing or not finite.
    """
    interval = [] if ci_low is None or ci_high is None else [ci_low, ci_high]
    others = [*interval, *([reference.number] if reference else []), *(bound.number for bound in bounds)]
    if value is None or not others or not all(math.isfinite(number) for number in (value, *others)):
        return None
    axis = axis or span_axis([value, *others])
    low, high = (min(interval), max(interval)) if interval else (value, value)
    return IntervalBar(
        value=axis.percent(value),
        left=axis.percent(low),
        width=write_percent(axis.place(high) - axis.place(low)) if interval else "",
        reference=_mark_reference(reference, axis) if reference else None,
        bounds=tuple(_mark_bound(bound, axis) for bound in bounds),
        low=write(axis.low),
        high=write(axis.high),
        label=f"{write(value)}, interval {write(low)} to {write(high)}" if interval else write(value),
    )


def span_axis(numbers: Sequence[float]) -> Axis:
    """The axis that holds all numbers, with a margin at each end."""
    low, high = min(numbers), max(numbers)
    margin = MARGIN * (high - low) or MARGIN * abs(high) or MARGIN
    return Axis(low - margin, high + margin)


def write_percent(number: float) -> str:
    """An SVG length in percent."""
    return f"{number:.2f}%"


def _mark_reference(reference: Reference, axis: Axis) -> ReferenceMark:
    return ReferenceMark(axis.percent(reference.number), reference.label, reference.shape)


def _mark_bound(bound: Bound, axis: Axis) -> BoundMark:
    place = axis.place(bound.number)
    left, width = (0.0, place) if bound.at_least else (place, 100.0 - place)
    return BoundMark(write_percent(place), write_percent(left), write_percent(width), bound.label)
