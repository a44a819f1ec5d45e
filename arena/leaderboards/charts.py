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
    """A row of the table: a rating with its interval bar."""

    rating: Rating
    bar: IntervalBar | None
    color: str


def list_rating_rows(ratings: Sequence[Rating]) -> tuple[Axis | None, list[RatingRow]]:
    """The rows of the ratings that have an interval, and the one axis of their bars, in rating points."""
    known = [
        (rating, rating.value, rating.ci_low, rating.ci_high)
        for rating in ratings
        if rating.value is not None and rating.ci_low is not None and rating.ci_high is not None
    ]
    if not known:
        return None, []
    low, high = min(low for _, _, low, _ in known), max(high for *_, high in known)
    axis = Axis(low, high if high > low else low + 1.0)
    return axis, [
        RatingRow(rating, make_interval_bar(*numbers, axis=axis, write="{:.0f}".format), color_of(rating.model))
        for rating, *numbers in known
    ]


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
