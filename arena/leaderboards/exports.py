"""Exports of a snapshot: its table as CSV, JSON or Parquet."""

import io
from typing import TYPE_CHECKING, Final

from django.db.models import F

from arena.models import Exclusion, Leaderboard
from generators.input_files.csv_export import write_csv

if TYPE_CHECKING:
    import pandas as pd

MEDIA_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}
COLUMNS: Final = {
    "model__slug": "model",
    "model__name": "name",
    "model__organization": "organization",
    "model__license": "license",
    "model__in_house": "in_house",
    "rank_best": "rank_best",
    "rank_worst": "rank_worst",
    "rank_set_best": "rank_set_best",
    "rank_set_worst": "rank_set_worst",
    "value": "rating",
    "ci_low": "ci_low",
    "ci_high": "ci_high",
    "p_first": "p_first",
    "usable": "usable",
    "usable_low": "usable_low",
    "usable_high": "usable_high",
    "n_votes": "votes",
    "wins": "wins",
    "losses": "losses",
    "ties": "ties",
    "both_bad": "both_bad",
    "preliminary": "preliminary",
    "unrated": "unrated",
    "excluded": "excluded",
}


def as_frame(leaderboard: Leaderboard) -> "pd.DataFrame":
    """A row per model, best first. The figures of a model without a rating are missing, not zero.

    Columns like ``excluded_limit`` are numbers of votes that are not among the model's ``votes``.
    """
    # Imported here because the web process does not need it otherwise.
    import pandas as pd

    rows = leaderboard.ratings.order_by(F("value").desc(nulls_last=True), "model__slug").values_list(*COLUMNS)
    frame = pd.DataFrame.from_records(list(rows), columns=list(COLUMNS.values()))
    excluded = frame.pop("excluded")
    for reason in Exclusion.Reason.values:
        frame[f"excluded_{reason}"] = [votes.get(reason, 0) for votes in excluded]
    ranks = ("rank_best", "rank_worst", "rank_set_best", "rank_set_worst")
    figures = ("rating", "ci_low", "ci_high", "p_first", "usable", "usable_low", "usable_high")
    return frame.astype(dict.fromkeys(ranks, "Int64") | dict.fromkeys(figures, "float64"))


def write(leaderboard: Leaderboard, kind: str) -> bytes:
    """The content of the file. ``kind`` is a key of MEDIA_TYPES."""
    frame = as_frame(leaderboard)
    if kind == "csv":
        text = io.StringIO(newline="")
        cells = frame.astype(object).where(frame.notna(), None)
        write_csv(text, list(frame.columns), cells.itertuples(index=False, name=None))
        return text.getvalue().encode()
    if kind == "json":
        return frame.to_json(orient="records", double_precision=10).encode()
    out = io.BytesIO()
    frame.to_parquet(out, index=False)
    return out.getvalue()
