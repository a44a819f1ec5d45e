"""Template filters and tags that write numbers."""

from django import template

from evaluation import number_format
from evaluation.metrics.agreement import Estimate
from evaluation.reports.interval_bar import Axis, IntervalBar, Reference, make_interval_bar

register = template.Library()


@register.filter
def grouped(number: int) -> str:
    """1978 -> '1,978'."""
    return f"{number:,}"


@register.filter
def percent(share: float | None) -> str:
    """0.374 -> '37 %'. None is a dash; estimates never show as certain: '< 1 %', '> 99 %'."""
    if share is None:
        return "–"
    if share < 0.005:
        return "< 1 %"
    return "> 99 %" if share >= 0.995 else f"{share:.0%}".replace("%", " %")


@register.filter
def figure(number: float) -> str:
    """Four significant digits: 12.64."""
    return number_format.write_number(number)


@register.simple_tag
def value(number: float, unit: str) -> str:
    """A metric's value: 71 %, 3 s."""
    return number_format.write_value(number, unit)


@register.simple_tag
def interval(low: float, high: float, unit: str) -> str:
    """An interval: 79 to 88 %."""
    return number_format.write_interval(low, high, unit)


@register.simple_tag
def difference(number: float, unit: str) -> str:
    """A signed difference: +6 percentage points."""
    return number_format.write_difference(number, unit)


@register.simple_tag
def difference_interval(low: float, high: float, unit: str) -> str:
    """The interval beside a difference: +2 to +10."""
    return number_format.write_difference_interval(low, high, unit)


@register.filter
def share_bar(estimate: Estimate) -> IntervalBar | None:
    """The interval bar of a share, from 0 to 100 %, with a line at 50 %."""
    reference = Reference(0.5, "50 %", "line")
    axis = Axis(0.0, 1.0)
    return make_interval_bar(
        estimate.value, estimate.ci_low, estimate.ci_high, axis=axis, reference=reference, write=percent
    )
