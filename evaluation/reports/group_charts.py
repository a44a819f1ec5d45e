"""Group charts of an HTML report: a metric's value by category or language, as positions in percent of an axis."""

import math
from dataclasses import dataclass
from typing import Final

from evaluation.number_format import DOLLARS, SHARE, write_value
from evaluation.reports.interval_bar import Axis, write_percent
from evaluation.results import MetricOutcome

MAX_GROUPS: Final = 12


@dataclass(frozen=True)
class GroupBar:
    """Value of one category or language."""

    name: str
    text: str
    left: str
    width: str


@dataclass(frozen=True)
class GroupBars:
    """Bars of one kind of group, the worst first. ``overall`` is the position of the run's own value."""

    kind: str
    bars: tuple[GroupBar, ...]
    overall: str
    n_hidden: int


def draw_groups(outcome: MetricOutcome) -> list[GroupBars]:
    """One chart for each kind of group, all on one axis from zero. The keys of ``outcome.groups`` are "kind: name"."""
    finite = {key: value for key, value in outcome.groups.items() if math.isfinite(value)}
    if outcome.value is None or not finite or not math.isfinite(outcome.value):
        return []
    top, bottom = max(0.0, outcome.value, *finite.values()), min(0.0, outcome.value, *finite.values())
    # Values that look like large shares get an axis from 0 to 1.
    axis = Axis(bottom, 1.0 if bottom == 0.0 and 0.5 < top < 1.0 else top if top > bottom else bottom + 1.0)
    kinds: dict[str, list[tuple[float, str]]] = {}
    for key, value in finite.items():
        kind, _, name = key.rpartition(": ")
        kinds.setdefault(kind, []).append((value, name))
    return [_draw_kind(kind, found, axis, outcome) for kind, found in kinds.items()]


def _draw_kind(kind: str, found: list[tuple[float, str]], axis: Axis, outcome: MetricOutcome) -> GroupBars:
    # The card names longer units once; the column of numbers is narrow.
    unit = outcome.unit if outcome.unit in {SHARE, DOLLARS} else ""
    ranked = sorted(found, reverse=outcome.higher_is_better is False)
    bars = tuple(
        GroupBar(
            name=name,
            text=write_value(value, unit),
            left=axis.percent(min(0.0, value)),
            width=write_percent(abs(axis.place(value) - axis.place(0.0))),
        )
        for value, name in ranked[:MAX_GROUPS]
    )
    return GroupBars(kind, bars, axis.percent(outcome.value or 0.0), max(0, len(found) - MAX_GROUPS))
