"""Template filters and tags that write numbers."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.template import Context, Template

from arena.leaderboards.charts import list_rating_rows
from arena.templatetags.arena_numbers import percent, share_bar
from evaluation.metrics.agreement import Estimate


def render(text: str, **values: Any) -> str:
    return Template(f"{{% load arena_numbers %}}{text}").render(Context(values))


@pytest.mark.parametrize(
    ("tag", "unit", "expected"),
    [
        ("value 0.71 unit", "share", "71 %"),
        ("value 0.3 unit", "s", "0.3 s"),
        ("value 0.04 unit", "USD", "$0.04"),
        ("interval 0.79 0.88 unit", "share", "79 to 88 %"),
        ("difference 0.06 unit", "share", "+6 percentage points"),
        ("difference_interval 0.02 0.1 unit", "share", "+2 to +10"),
    ],
)
def test_metrics_are_written_with_their_unit(tag: str, unit: str, expected: str) -> None:
    assert render(f"{{% {tag} %}}", unit=unit) == expected


def test_the_bar_of_a_share_spans_0_to_100_percent() -> None:
    bar = share_bar(Estimate(0.8, 0.5, 0.95))
    assert bar is not None
    assert (bar.left, bar.width, bar.value) == ("50.00%", "45.00%", "80.00%")
    assert bar.reference
    assert bar.reference.at == "50.00%"
    assert bar.label == "80 %, interval 50 % to 95 %"
    drawn = render('{% include "evaluation/_interval_bar.html" with bar=bar color="#123456" %}', bar=bar)
    assert 'color="#123456"' in drawn
    assert "style=" not in drawn, "the content security policy forbids inline styles"
    assert share_bar(Estimate(None, None, None)) is None


def test_rating_bars_share_one_axis() -> None:
    model = SimpleNamespace(in_house=False, pk=1)
    ratings: list[Any] = [
        SimpleNamespace(value=1100.0, ci_low=1000.0, ci_high=1200.0, model=model),
        SimpleNamespace(value=900.0, ci_low=800.0, ci_high=1000.0, model=model),
        SimpleNamespace(value=None, ci_low=None, ci_high=None, model=model),
    ]
    axis, rows = list_rating_rows(ratings)
    assert axis is not None
    assert (axis.low, axis.high) == (800.0, 1200.0)
    assert [(row.bar.left, row.bar.width, row.bar.value) for row in rows if row.bar] == [
        ("50.00%", "50.00%", "75.00%"),
        ("0.00%", "50.00%", "25.00%"),
    ]
    assert list_rating_rows(ratings[2:]) == (None, [])


@pytest.mark.parametrize(
    ("share", "written"),
    [(None, "–"), (0.0, "< 1 %"), (0.004, "< 1 %"), (0.374, "37 %"), (0.9951, "> 99 %"), (1.0, "> 99 %")],
)
def test_an_estimated_share_is_never_shown_as_certain(share: float | None, written: str) -> None:
    assert percent(share) == written
