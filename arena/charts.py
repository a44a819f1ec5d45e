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

    @classmethod
    def around(cls, ratings: Sequence[Rating]) -> "Axis":
        return cls(
            min(rating.ci_low for rating in ratings if rating.ci_low is not None),
            max(rating.ci_high for rating in ratings if rating.ci_high is not None),
        )

    def percent(self, value: float) -> float:
        """Where ``value`` lies between the ends, from 0 to 100."""
        return 100.0 * (value - self.low) / ((self.high - self.low) or 1.0)


def interval_plot(ratings: Sequence[Rating]) -> str:
    """Plotly figure (JSON) of each rating with its interval, best at the top. Colours of the page are set in the page."""
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
        xaxis={"title": {"text": "Rating, 95 % interval"}, "zeroline": False},
        yaxis={"automargin": True, "zeroline": False},
        showlegend=False,
    )
    return str(figure.to_json())
