"""Number format: units, digits, and the side of a bound."""

import math
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evaluation.number_format import (
    write_difference,
    write_difference_interval,
    write_difference_limit,
    write_interval,
    write_limit,
    write_margin,
    write_number,
    write_value,
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.83333, "0.8333"),
        (12.6412, "12.64"),
        (123456.7, "123,457"),
        (2e-7, "2e-7"),
        (0.0, "0"),
        (-0.0, "0"),
        (math.nan, "NaN"),
        (-math.inf, "-infinity"),
    ],
)
def test_numbers_have_four_significant_digits(number: float, text: str) -> None:
    assert write_number(number) == text


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (0.71, "share", "71 %"),
        (0.83333, "share", "83.3 %"),
        (0.0, "share", "0 %"),
        (1.0, "share", "100 %"),
        (0.99996, "share", "99.996 %"),
        (0.0004, "share", "0.04 %"),
        (math.nan, "share", "NaN %"),
        (0.3, "s", "0.3 s"),
        (0.04, "USD", "$0.04"),
        (0.5, "USD", "$0.50"),
        (12.0, "USD", "$12"),
        (-0.04, "USD", "-$0.04"),
        (12.64, "", "12.64"),
    ],
)
def test_values_have_their_unit(number: float, unit: str, text: str) -> None:
    assert write_value(number, unit) == text


def test_intervals_name_their_unit_once() -> None:
    assert write_interval(0.79, 0.88, "share") == "79 to 88 %"
    assert write_interval(2.5, 3.1, "s") == "2.5 to 3.1 s"
    assert write_interval(0.03, 0.05, "USD") == "$0.03 to $0.05"
    assert write_interval(12, 16.5, "") == "12 to 16.5"


def test_differences_of_shares_are_in_percentage_points() -> None:
    assert write_difference(0.06, "share") == "+6 percentage points"
    assert write_difference(-0.01, "share") == "-1 percentage point"
    assert write_difference(0.0, "share") == "0 percentage points"
    assert write_difference(-0.2, "s") == "-0.2 s"
    assert write_difference(0.01, "USD") == "+$0.01"
    assert write_difference_interval(0.02, 0.1, "share") == "+2 to +10"
    assert write_difference_interval(-0.1, 0.25, "USD") == "-$0.10 to +$0.25"
    assert write_difference_limit(-0.02, "share") == "-2 percentage points"
    assert write_margin(0.02, "share") == "2 percentage points"
    assert write_margin(0.5, "s") == "0.5 s"


@given(st.integers(0, 10_000))
def test_limits_are_written_as_their_suite_states_them(n: int) -> None:
    assert write_limit(n / 10_000, "share") == f"{n / 100:g} %"


@given(st.floats(-1e6, 1e6), st.floats(-1e-3, 1e-3), st.sampled_from(["share", "s", "USD", ""]))
@example(0.75, -1e-12, "share")
@example(0.57, 1e-16, "share")
@example(1.0, -1e-5, "share")
def test_a_number_beside_a_bound_is_written_on_its_side_of_it(bound: float, offset: float, unit: str) -> None:
    number = bound + offset
    text = write_value(number, unit, beside=bound)
    written = Decimal(text.replace("$", "").replace(",", "").removesuffix(" s").removesuffix(" %"))
    limit = Decimal(repr(bound)).scaleb(2 if unit == "share" else 0)
    assert (written > limit, written < limit) == (number > bound, number < bound)


def test_beside_a_bound_shares_are_whole_percents_where_that_is_enough() -> None:
    assert write_value(0.1684, "share", beside=0.2) == "17 %"
    assert write_value(0.1984, "share", beside=0.2) == "19.8 %"
    assert write_interval(0.0, 0.1684, "share", beside=0.2) == "0 to 17 %"
