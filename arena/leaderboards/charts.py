"""Figures of the leaderboard: inline bars for the table and plotly figures for the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from arena.models import Rating
from generators.models import ImageModel

# Okabe & Ito's colours that can be told apart by the colour-blind, without vermilion: that one is the in-house model's.
PALETTE = ("#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a6a53", "#6a51a3")
IN_HOUSE = "#d1401f"


def color_of(model: ImageModel) -> str:
    """A model's one colour, the same in every chart and for ever."""
    return IN_HOUSE if model.in_house else PALETTE[model.pk % len(PALETTE)]


@dataclass(frozen=True)
class Axis:
    """The common axis of the table's interval bars, in rating points."""

    low: float
    high: float


@dataclass(frozen=True)
class IntervalBar:
    """A row of the table: where its interval lies on the common axis, in percent of the axis."""

    rating: Rating
    left: float
    middle: float
    width: float
    color: str


def interval_bars(ratings: Sequence[Rating]) -> tuple[Axis | None, list[IntervalBar]]:
    """The axis that holds every interval, and each rating's bar on it."""
    intervals = [(r, r.value, r.ci_low, r.ci_high) for r in ratings]
    known = [
        (r, v, low, high) for r, v, low, high in intervals if v is not None and low is not None and high is not None
    ]
    if not known:
        return None, []
    axis = Axis(min(low for _, _, low, _ in known), max(high for *_, high in known))
    percent = 100.0 / ((axis.high - axis.low) or 1.0)
    return axis, [
        IntervalBar(r, percent * (low - axis.low), percent * (v - axis.low), percent * (high - low), color_of(r.model))
        for r, v, low, high in known
    ]


def interval_plot(ratings: Sequence[Rating]) -> str:
    """Plotly figure (JSON) of each rating with its interval, best at the top; the page adds its colours."""
    # Imported here because it takes longer than everything else that the web process needs.
    import plotly.graph_objects as go

    shown = list(reversed(ratings))
    figure = go.Figure(
        go.Scatter(
            x=[rating.value for rating in shown],
            y=[rating.model.name for rating in shown],
            mode="markers",
            marker={"size": 9, "color": [color_of(rating.model) for rating in shown]},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [(rating.ci_high or 0.0) - (rating.value or 0.0) for rating in shown],
                "arrayminus": [(rating.value or 0.0) - (rating.ci_low or 0.0) for rating in shown],
                "thickness": 1.5,
                "width": 5,
            },
            customdata=[[rating.ci_low, rating.ci_high, rating.n_votes] for rating in shown],
            hovertemplate="%{y}: %{x:.0f} (%{customdata[0]:.0f} to %{customdata[1]:.0f}), "
            "%{customdata[2]:,} votes<extra></extra>",
        )
    )
    figure.update_layout(
        template="none",
        height=80 + 34 * len(shown),
        margin={"l": 8, "r": 16, "t": 8, "b": 40},
        xaxis={"title": {"text": "Rating, 95 % interval", "standoff": 12}, "automargin": True, "zeroline": False},
        yaxis={"automargin": True, "zeroline": False},
        showlegend=False,
    )
    return str(figure.to_json())
