"""Charts of a leaderboard: interval bars in the table, and plotly figures."""

from collections.abc import Sequence
from dataclasses import dataclass

from arena.models import Rating
from evaluation.reports.interval_bar import Axis, IntervalBar, make_interval_bar
from generators.models import ImageModel

# Okabe & Ito's palette for the colour-blind, without vermilion, which marks in-house models.
PALETTE = ("#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7a6a53", "#6a51a3")
IN_HOUSE = "#d1401f"


def color_of(model: ImageModel) -> str:
    """The model's colour, the same in every chart."""
    return IN_HOUSE if model.in_house else PALETTE[model.pk % len(PALETTE)]


@dataclass(frozen=True)
class RatingRow:
    """A row of the table: a rating with its interval bar, if it has an interval."""

    rating: Rating
    bar: IntervalBar | None
    color: str


def list_rating_rows(ratings: Sequence[Rating]) -> tuple[Axis | None, list[RatingRow]]:
    """The rows of the models with a rating, and the one axis of their bars, in points; None without intervals."""
    rated = [rating for rating in ratings if rating.value is not None]
    ends = [end for rating in rated for end in (rating.ci_low, rating.ci_high) if end is not None]
    axis = Axis(min(ends), max(ends) if max(ends) > min(ends) else min(ends) + 1.0) if ends else None
    return axis, [RatingRow(rating, _make_bar(rating, axis), color_of(rating.model)) for rating in rated]


def _make_bar(rating: Rating, axis: Axis | None) -> IntervalBar | None:
    return make_interval_bar(rating.value, rating.ci_low, rating.ci_high, axis=axis, write="{:.0f}".format)


def interval_plot(ratings: Sequence[Rating]) -> str:
    """Plotly figure (JSON) of each rating with its interval, best at the top; the page adds its colours."""
    # Imported here because it takes longer to load than the rest of the web process.
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
                "array": [_subtract(rating.ci_high, rating.value) for rating in shown],
                "arrayminus": [_subtract(rating.value, rating.ci_low) for rating in shown],
                "thickness": 1.5,
                "width": 5,
            },
            customdata=[[_write_interval(rating), rating.n_votes] for rating in shown],
            hovertemplate="%{y}: %{x:.0f} (%{customdata[0]}), %{customdata[1]:,} votes<extra></extra>",
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


def _subtract(high: float | None, low: float | None) -> float | None:
    return None if high is None or low is None else high - low


def _write_interval(rating: Rating) -> str:
    if rating.ci_low is None or rating.ci_high is None:
        return "no interval"
    return f"{rating.ci_low:.0f} to {rating.ci_high:.0f}"
