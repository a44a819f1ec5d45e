"""Rating tables: a DataFrame of votes to ratings, intervals and ranks in one call, as a notebook shows them."""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from evaluation.ratings.arguments import check_type
from evaluation.ratings.bradley_terry import fit_bradley_terry, fit_davidson, fit_rao_kupper
from evaluation.ratings.components import Unrated, find_components
from evaluation.ratings.counts import Counts, count_votes
from evaluation.ratings.jackknife import TooFewClustersError
from evaluation.ratings.outcomes import BOTH_BAD, TIE, Treatment
from evaluation.ratings.ranks import find_rank_probabilities, find_rank_sets
from evaluation.ratings.ratings import Ratings
from evaluation.ratings.scales import Scale
from evaluation.ratings.usable_rates import UsableRates, fit_usable_rates
from evaluation.ratings.votes import Votes, code_frame, code_series

if TYPE_CHECKING:
    import pandas as pd

Method = Literal["bradley_terry", "davidson", "rao_kupper"]
LABELS: Final = {"bradley_terry": "Bradley-Terry", "davidson": "Davidson", "rao_kupper": "Rao-Kupper"}
TIE_MODELS: Final = {"davidson": fit_davidson, "rao_kupper": fit_rao_kupper}
# Columns that make votes depend on each other: used if the frame has them.
CLUSTERS: Final = ("rater", "prompt")
NO_INTERVAL: Final = dict.fromkeys(("standard_error", "ci_low", "ci_high", "p_value"), math.nan)
REASONS: Final[dict[str, str]] = {
    Unrated.NO_VOTES: "no votes",
    Unrated.DISCONNECTED: "not connected to the rated models by votes",
    Unrated.UNBEATEN: "never lost to a rated model, so no finite rating",
    Unrated.WINLESS: "never won against a rated model, so no finite rating",
}


@dataclass(frozen=True, eq=False)
class RatingTable:
    """The result of ``rate``.

    Attributes:
        counts: The votes that were counted, of all models.
        ratings: The fit of the rated models, for differences and further methods; None if no model has a rating. Its
            covariance is NaN if it has no intervals.
        unrated: Why each other model has no rating.
        usable: The usable rates; None without a "both bad" vote. Their intervals are those of the ratings' clusters.
        confidence: Level of the intervals.
        notes: Sentences on the method, the intervals and what is missing.
    """

    counts: Counts
    ratings: Ratings | None
    unrated: dict[Hashable, Unrated]
    usable: UsableRates | None
    confidence: float
    notes: tuple[str, ...]

    def to_frame(self) -> "pd.DataFrame":
        """A row per model, best first, then the models without a rating. What is not known is missing, not zero.

        ``rank`` is by the rating alone; the true ranks lie in ``rank_set_best`` to ``rank_set_worst``, for all models
        at once, at the level of the intervals. ``unrated`` is the reason for a missing rating, one of Unrated.
        """
        import pandas as pd

        columns = {"model": list(self.counts.models)} | self._rate_models() | self._count_models()
        frame = pd.DataFrame(columns | {"unrated": [self.unrated.get(model) for model in self.counts.models]})
        frame.insert(0, "rank", frame["rating"].rank(ascending=False, method="min"))
        ranks = ("rank", "rank_set_best", "rank_set_worst")
        frame = frame.astype(dict.fromkeys(ranks, "Int64") | {"unrated": "str"})
        return frame.sort_values("rating", ascending=False, kind="stable", na_position="last", ignore_index=True)

    def _rate_models(self) -> dict[str, NDArray[np.float64]]:
        """Columns (M,) that follow from the ratings; NaN for a model without one."""
        names = ("rating", "ci_low", "ci_high", "rank_set_best", "rank_set_worst", "p_first")
        columns = {name: np.full(len(self.counts.models), np.nan) for name in names}
        if self.ratings is None:
            return columns
        place = [self.counts.models.index(model) for model in self.ratings.models]
        found: list[NDArray[Any]] = [self.ratings.values]
        if np.isfinite(self.ratings.covariance).all():
            sets = find_rank_sets(self.ratings, confidence=self.confidence)
            first = find_rank_probabilities(self.ratings).best
            found += [self.ratings.ci_low, self.ratings.ci_high, sets.best, sets.worst, first]
        for column, values in zip(columns.values(), found, strict=False):
            column[place] = values
        return columns

    def _count_models(self) -> dict[str, NDArray[Any]]:
        """Columns (M,) that follow from the counts: votes by outcome, and the usable rate where one can be told."""
        counts = self.counts
        ties, bad = (counts.drawn(outcome).sum(axis=1) for outcome in (TIE, BOTH_BAD))
        votes, wins, losses = counts.meetings.sum(axis=1), counts.wins.sum(axis=1), counts.wins.sum(axis=0)
        usable = np.full((3, len(counts.models)), np.nan)
        if self.usable is not None:
            usable = np.stack([self.usable.values, self.usable.ci_low, self.usable.ci_high])
        figures = {"usable": usable[0], "usable_low": usable[1], "usable_high": usable[2]}
        return figures | {"votes": votes, "wins": wins, "losses": losses, "ties": ties, "both_bad": bad}

    def __str__(self) -> str:
        frame = self.to_frame().drop(columns=["usable_low", "usable_high", "wins", "losses", "ties", "both_bad"])
        frame = frame.dropna(axis="columns", how="all")
        return "\n".join([frame.to_string(index=False, na_rep="", float_format="{:.4g}".format), "", *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The table as a notebook shows it."""
        frame = self.to_frame()
        points = "{:.1f}" if self.ratings is None or self.ratings.scale.unit > 10 else "{:.3f}"
        has_usable = frame["usable"].notna().any()
        heads = ["Rank", "Model", "Rating", f"{_percent(self.confidence)} interval", "Ranks, all at once", "P(first)"]
        heads += ["Usable"] * bool(has_usable) + ["Votes"]
        rows = []
        for row in frame.to_dict("records"):
            cells = [_show("{:d}", row["rank"]), str(row["model"]), _show(points, row["rating"])]
            if not isinstance(row["unrated"], str):
                cells.append(_show(f"{points} to {points}", row["ci_low"], row["ci_high"]))
                cells.append(_show("{:d} to {:d}", row["rank_set_best"], row["rank_set_worst"]))
                cells.append(_show("{:.1%}", row["p_first"]))
            else:
                cells += [REASONS[row["unrated"]], "", ""]
            cells += [_show("{:.0%}", row["usable"])] * bool(has_usable) + [_show("{:,.10g}", row["votes"])]
            rows.append("".join(f'<td style="text-align: {_align(k)}">{escape(c)}</td>' for k, c in enumerate(cells)))
        head = "".join(f'<th style="text-align: {_align(k)}">{escape(name)}</th>' for k, name in enumerate(heads))
        body = "\n".join(f"<tr>{row}</tr>" for row in rows)
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n{notes}"


def _align(column: int) -> str:
    return "left" if column == 1 else "right"


def _show(pattern: str, *values: Any) -> str:
    """The values in words, "" if one is missing."""
    missing = any(not isinstance(value, int | float) or math.isnan(value) for value in values)
    return "" if missing else pattern.format(*values)


def _percent(share: float) -> str:
    return f"{100 * share:.6g} %"


def rate(
    frame: "pd.DataFrame",
    *,
    clusters: str | Sequence[str] | None = None,
    method: Method = "bradley_terry",
    ties: Treatment | None = None,
    both_bad: Treatment | None = None,
    side: bool = False,
    scale: Scale = Scale(),
    confidence: float = 0.95,
) -> RatingTable:
    """Rate the models of a DataFrame with a vote per row.

    Args:
        frame: Columns model_a, model_b and winner (one of WINNERS), and optionally rater, prompt and weight.
        clusters: Columns whose equal values mark votes that may depend on each other. By default rater and prompt, as
            far as the frame has them; () takes all votes as independent, which is right only if each rater and each
            prompt has one. A row without a value is a cluster of its own.
        method: The model of a vote. Those with ties are fit_davidson and fit_rao_kupper.
        ties: "half" (the default: a tie is half a win for each side) or "drop"; only for "bradley_terry".
        both_bad: The same for "both bad"; by default "half", and "drop" for the methods with ties.
        side: Fit the preference for the model shown as A.
        scale: The points of the ratings.
        confidence: Level of the intervals.

    Models without a finite rating are listed with the reason; they are no error.

    Raises:
        TypeError: ``frame`` is no DataFrame.
        ValueError: No votes, a missing column, an unknown winner or a missing model (with its row), or an option out of
            range.
    """
    if method not in get_args(Method):
        raise ValueError(f"method must be {', '.join(map(repr, get_args(Method)))}, got {method!r}.")
    if ties is not None and method != "bradley_terry":
        raise ValueError(f"ties={ties!r} is for the method 'bradley_terry': {method!r} models ties.")
    both_bad = both_bad or ("half" if method == "bradley_terry" else "drop")
    options: dict[str, Any] = {"both_bad": both_bad, "side": side, "scale": scale, "confidence": confidence}
    if method == "bradley_terry":
        options["ties"] = ties = ties or "half"
    votes = _read_votes(frame, clusters)
    counts = count_votes(votes)
    if not counts.n_votes:
        raise ValueError("The frame has no votes that count.")
    components = find_components(counts, ties=ties or "half", both_bad=both_bad)
    unrated = {counts.models[i]: reason for i, reason in components.unrated.items()}
    notes = [_describe_method(counts, method, ties, both_bad)]
    ratings = None
    if components.rated:
        rated = votes.select(components.rated)
        ratings, note = _fit(TIE_MODELS.get(method, fit_bradley_terry), rated, options)
        if votes.weight is not None:
            notes.append("Votes count as often as the column weight says.")
        notes.append(note or _describe_intervals(rated, _percent(confidence), asked=clusters is not None))
    return RatingTable(counts, ratings, unrated, _fit_usable(votes, counts, confidence), confidence, tuple(notes))


def _read_votes(frame: "pd.DataFrame", clusters: str | Sequence[str] | None) -> Votes:
    """The votes with their clusters. A row without a value is a cluster of its own, with a negative code.

    A column without any value is like no column, unless it was asked for.
    """
    import pandas as pd

    check_type("frame", frame, pd.DataFrame)
    asked = [clusters] if isinstance(clusters, str) else clusters
    found = {}
    for name in [name for name in CLUSTERS if name in frame.columns] if asked is None else asked:
        if name not in frame.columns:
            raise ValueError(f"The frame has no column {name}; it has {', '.join(map(str, frame.columns))}.")
        codes, names = code_series(frame[name])
        missing = np.isin(codes, [-1, *(k for k, label in enumerate(names) if label == "")])
        if not missing.all():
            found[name] = np.where(missing, -1 - np.arange(len(codes)), codes)
        elif asked is not None:
            raise ValueError(f"The column {name} has no values, so it cannot cluster the votes. Leave it out.")
    return replace(code_frame(frame), clusters=found)


def _fit(fit: Callable[..., Ratings], votes: Votes, options: dict[str, Any]) -> tuple[Ratings, str]:
    """The fit, clustered if the votes have clusters, and why it has no intervals: these are then NaN."""
    counts, clusters = count_votes(votes), votes if votes.clusters else None
    try:
        ratings = fit(counts, clusters=clusters, **options)
        reason = "" if ratings.shows_variance else "There are no intervals: all votes are ties."
    except TooFewClustersError as error:
        ratings = fit(counts, **options)
        reason = f"There are too few raters or prompts for intervals: {error.n_clusters} {error.column}."
    if reason:
        unknown = {name: replace(found, **NO_INTERVAL) for name, found in ratings.coefficients.items()}
        nothing = np.full_like(ratings.covariance, np.nan)
        ratings = replace(ratings, covariance=nothing, coefficients=unknown, interval="none")
    return ratings, reason


def _fit_usable(votes: Votes, counts: Counts, confidence: float) -> UsableRates | None:
    """The usable rates, with NaN for intervals that need more clusters."""
    if not counts.drawn(BOTH_BAD).any():
        return None
    try:
        return fit_usable_rates(counts, clusters=votes if votes.clusters else None, confidence=confidence)
    except TooFewClustersError:
        rates = fit_usable_rates(counts, confidence=confidence)
        unknown = np.full_like(rates.values, np.nan)
        return replace(rates, ci_low=unknown, ci_high=unknown)


def _describe_method(counts: Counts, method: str, ties: str | None, both_bad: str) -> str:
    words = {"half": "count as half a win for each side", "drop": "are dropped", None: "are modelled"}
    bad = words[both_bad] if method == "bradley_terry" or both_bad == "drop" else "count as ties"
    if words[ties] == bad:
        return f'{LABELS[method]} ratings from {counts.n_votes:,.10g} votes. Ties and "both bad" votes {bad}.'
    return f'{LABELS[method]} ratings from {counts.n_votes:,.10g} votes. Ties {words[ties]}; "both bad" votes {bad}.'


def _describe_intervals(votes: Votes, level: str, *, asked: bool) -> str:
    if votes.clusters:
        named = [f"{name} ({len(np.unique(codes[codes >= 0])):,})" for name, codes in votes.clusters.items()]
        missing = {name: int((codes < 0).sum()) for name, codes in votes.clusters.items()}
        alone = [f" {n:,} votes without a {name} stand alone." for name, n in missing.items() if n]
        columns = " and ".join(named)
        return (
            f"The {level} intervals are clustered by {columns}: votes with the same value may depend on each other."
            f"{''.join(alone)}"
        )
    if asked:
        return f"The {level} intervals take all votes as independent, because no clusters were wanted."
    return (
        f"The {level} intervals take all votes as independent, because the frame has no column rater or prompt. They "
        "are too narrow if raters vote often or prompts are repeated."
    )
