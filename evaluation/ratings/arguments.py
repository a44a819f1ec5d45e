"""Arguments of the public functions: what came in place of votes, counts or ratings, and what to do."""

from typing import Any

# The step from what came to what was wanted, by the names of their classes.
_STEPS = {
    ("DataFrame", "Counts"): "Use count_votes(code_frame(frame)), or rate(frame) for all steps at once.",
    ("DataFrame", "Votes"): "Use code_frame(frame, clusters=[...]), or rate(frame) for all steps at once.",
    ("DataFrame", "Ratings"): "Use rate(frame).ratings.",
    ("Table", "Counts"): "Use count_votes(code_arrow(table)).",
    ("Table", "Votes"): "Use code_arrow(table, clusters=[...]).",
    ("Table", "DataFrame"): "Use table.to_pandas(), or code_arrow(table).",
    ("Votes", "Counts"): "Use count_votes(votes).",
    ("Votes", "Ratings"): "Fit them first: fit_bradley_terry(count_votes(votes)).",
    ("Votes", "DataFrame"): "These votes are read already: use count_votes(votes).",
    ("Counts", "Votes"): "Counts no longer have single votes: use the votes that were counted.",
    ("Counts", "Ratings"): "Fit them first: fit_bradley_terry(counts).",
    ("RatingTable", "Ratings"): "Use its attribute ratings.",
    ("str", "Votes"): 'Use the votes with their cluster columns, or votes.only("rater") for one of the columns.',
    ("str", "DataFrame"): "Read the file first: pandas.read_csv(path) or pandas.read_parquet(path).",
    ("DataFrame", "Mapping"): "Use {name: frame[name].to_numpy() for name in frame}.",
    ("int", "Scale"): "Use Scale(scale=400.0, center=1000.0).",
}
# The step to what was wanted, from anything else.
_ORIGINS = {
    "Counts": "count_votes(votes) makes them.",
    "Votes": "code_frame(frame), code_arrow(table) or code_parquet(path) makes them.",
    "Ratings": "fit_bradley_terry(counts) makes them.",
    "Scale": "Import it from evaluation.ratings.scales.",
    "PublishedBoard": "PublishedBoard.of_intervals(models, values, half_widths) makes one.",
    "Table": "code_frame reads data frames and code_parquet files.",
    "bool": "True uses all columns of the votes' clusters; votes.only('rater') has one of them.",
    "Mapping": "Use a value for each name, such as {'name': value}.",
    "Path": "Name a Parquet file; code_frame reads data frames and code_arrow tables.",
    "str": "Name one column of the votes' clusters, such as 'rater'.",
    "DataFrame": "Use a pandas DataFrame with the columns model_a, model_b and winner.",
}


def check_type(name: str, value: object, wanted: type[Any]) -> None:
    """Raise TypeError unless ``value``, the argument ``name``, is ``wanted``. Says what came and how to convert it."""
    if isinstance(value, wanted):
        return
    came, step = _describe(value), ""
    for kind in type(value).__mro__:
        step = step or _STEPS.get((kind.__name__, wanted.__name__), "")
    raise TypeError(f"{name} must be {wanted.__name__}, got {came}. {step or _ORIGINS[wanted.__name__]}")


def _describe(value: object) -> str:
    if value is None or isinstance(value, str | int | float):
        return f"{value!r:.80}"
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__name__} ({kind.__module__.partition('.')[0]})"
