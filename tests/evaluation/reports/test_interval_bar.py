"""Interval bar: positions to scale, labels, and missing numbers."""

import math
from functools import partial

import pytest

from evaluation.number_format import write_value
from evaluation.reports.interval_bar import Axis, Bound, Reference, make_interval_bar


def test_the_bar_is_to_scale() -> None:
    bounds = [Bound(0.3, True, "at least 0.3"), Bound(0.9, False, "at most 0.9")]
    bar = make_interval_bar(0.5, 0.4, 0.8, reference=Reference(0.6, "baseline 0.6", "diamond"), bounds=bounds)
    assert bar is not None
    # The axis spans 0.3 to 0.9 and a tenth of that at each end: 0.24 to 0.96.
    assert (bar.low, bar.high) == ("0.24", "0.96")
    assert (bar.value, bar.left, bar.width) == ("36.11%", "22.22%", "55.56%")
    assert bar.reference
    assert (bar.reference.at, bar.reference.label, bar.reference.shape) == ("50.00%", "baseline 0.6", "diamond")
    low, high = bar.bounds
    assert (low.at, low.wrong_left, low.wrong_width) == ("8.33%", "0.00%", "8.33%")
    assert (high.at, high.wrong_left, high.wrong_width) == ("91.67%", "91.67%", "8.33%")


def test_a_given_axis_is_kept_and_numbers_are_written_with_their_unit() -> None:
    bar = make_interval_bar(0.5, 0.25, 0.75, axis=Axis(0.0, 1.0), write=partial(write_value, unit="share"))
    assert bar is not None
    assert (bar.value, bar.left, bar.width) == ("50.00%", "25.00%", "50.00%")
    assert (bar.low, bar.high, bar.label) == ("0 %", "100 %", "50 %, interval 25 % to 75 %")


def test_a_value_without_an_interval_is_shown_with_its_reference() -> None:
    bar = make_interval_bar(1.0, None, None, reference=Reference(0.0, "0 is no difference", "line"))
    assert bar is not None
    assert (bar.width, bar.label) == ("", "1")


@pytest.mark.parametrize(
    "numbers",
    [(None, 0.0, 1.0), (0.5, None, None), (0.5, 0.1, math.nan), (math.inf, 0.1, 0.2), (math.nan, 0.1, 0.2)],
)
def test_without_finite_numbers_or_anything_beside_the_value_there_is_no_bar(numbers) -> None:
    assert make_interval_bar(*numbers) is None


@pytest.mark.parametrize("value", [2.0, 0.0, -3.0])
def test_an_interval_without_width_is_in_the_middle(value: float) -> None:
    point = make_interval_bar(value, value, value)
    assert point is not None
    assert (point.value, point.width) == ("50.00%", "0.00%")
