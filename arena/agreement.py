"""Agreement of metrics with a board's raters: votes on pairs of images, and the scores of the same images."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import Count

from arena.models import Board, Origin, Vote
from arena.votes.exclusions import keep_countable
from evaluation.metrics.agreement import Correlations, JudgedPair, correlate
from evaluation.metrics.registry import METRICS
from evaluation.models import MetricResult, Score

# Metrics computed from votes: their agreement with votes would mean nothing.
MADE_OF_VOTES: Final = "evaluation.metrics.preference."
# By winner, for side a and side b. As in the ratings, a tie or "both bad" is half a win for each.
POINTS: Final = {"model_a": (1.0, 0.0), "model_b": (0.0, 1.0), "tie": (0.5, 0.5), "both_bad": (0.5, 0.5)}


@dataclass(frozen=True, kw_only=True)
class PairVotes:
    """The countable votes on two generations. ``a`` is the one with the smaller id, on whichever side it was shown."""

    a: int
    b: int
    prompt: int
    category: str
    winners: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class ScoredMetric:
    """A metric's scores by generation id. If none can be compared, ``reason`` says why.

    ``n_others`` images have only scores made with other parameters or weights under the same label; they are left out.
    """

    label: str
    title: str = ""
    higher_is_better: bool | None = None
    scores: Mapping[int, float] = field(default_factory=dict)
    n_others: int = 0
    reason: str = ""

    @property
    def direction(self) -> str:
        """Which values are better."""
        if self.higher_is_better is None:
            return "no direction declared, taken as higher is better"
        return "higher is better" if self.higher_is_better else "lower is better"

    @property
    def prefers_higher(self) -> bool:
        return self.higher_is_better is not False


def read_pair_votes(board: Board) -> list[PairVotes]:
    """The board's countable votes by pair of generations. Imported and simulated votes have no images."""
    votes = keep_countable(Vote.objects.filter(board=board, origin=Origin.HUMAN)).order_by()
    columns = ("battle__generation_a", "battle__generation_b", "prompt", "category", "winner")
    found: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    pairs = {}
    swapped = {"model_a": "model_b", "model_b": "model_a"}
    for a, b, prompt, category, winner, n in votes.values_list(*columns).annotate(n=Count("id")):
        pair = min(a, b), max(a, b)
        found[pair][winner if a < b else swapped.get(winner, winner)] += n
        pairs[pair] = {"prompt": prompt, "category": category}
    return [PairVotes(a=a, b=b, winners=found[a, b], **pairs[a, b]) for a, b in sorted(found)]


def read_metrics(votes: Sequence[PairVotes]) -> list[ScoredMetric]:
    """The metrics with which runs scored any of these generations, by label. Two queries.

    If scores under one label were made with different parameters or weights, only the largest group is used. If several
    runs scored an image, its newest score is used.
    """
    generations = {pk for pair in votes for pk in (pair.a, pair.b)}
    scores = list(
        Score.objects.filter(sample__generation__in=generations)
        .order_by("sample__run", "pk")
        .values_list("label", "sample__run", "sample__generation", "value")
    )
    results = {
        (label, run): outcome
        for label, run, outcome in MetricResult.objects.filter(run__in={run for _, run, *_ in scores}).values_list(
            "label", "run", "outcome"
        )
    }
    by_label: dict[str, list[tuple[dict[str, Any], int, float | None]]] = defaultdict(list)
    for label, run, generation, value in scores:
        by_label[label].append((results.get((label, run), {}), generation, value))
    return [_collect(label, rows) for label, rows in sorted(by_label.items())]


def _collect(label: str, rows: Iterable[tuple[dict[str, Any], int, float | None]]) -> ScoredMetric:
    groups: dict[str, dict[int, float]] = defaultdict(dict)
    outcomes = {}
    for outcome, generation, value in rows:
        identity = json.dumps(outcome.get("identity"), sort_keys=True)
        outcomes[identity] = outcome
        if value is not None:
            groups[identity][generation] = value
    identity, newest = list(outcomes.items())[-1]
    if groups:
        identity = max(groups, key=lambda key: len(groups[key]))
        newest = outcomes[identity]
    scores = groups[identity]
    others = {pk for group in groups.values() for pk in group} - set(scores)
    return ScoredMetric(
        label=label,
        title=newest.get("title", ""),
        higher_is_better=newest.get("higher_is_better"),
        scores=scores,
        n_others=len(others),
        reason=_find_obstacle(newest, scores),
    )


def _find_obstacle(outcome: Mapping[str, Any], scores: Mapping[int, float]) -> str:
    if METRICS.get(outcome.get("name", ""), "").startswith(MADE_OF_VOTES):
        return "The metric is computed from votes."
    if not scores:
        return "No image that raters voted on has a score of its own."
    return ""


def judge_pairs(votes: Sequence[PairVotes], metric: ScoredMetric) -> list[JudgedPair]:
    """The pairs in which the metric has scored both images."""
    return [
        JudgedPair(
            a=pair.a,
            b=pair.b,
            prompt=pair.prompt,
            score_a=metric.scores[pair.a],
            score_b=metric.scores[pair.b],
            votes_a=pair.winners.get("model_a", 0),
            votes_b=pair.winners.get("model_b", 0),
            n_undecided=pair.winners.get("tie", 0) + pair.winners.get("both_bad", 0),
            category=pair.category,
        )
        for pair in votes
        if pair.a in metric.scores and pair.b in metric.scores
    ]


def correlate_with_votes(votes: Sequence[PairVotes], metric: ScoredMetric) -> Correlations:
    """Correlations of the metric's scores with the images' win rates, over the images that have both."""
    points: dict[int, float] = defaultdict(float)
    counts: dict[int, int] = defaultdict(int)
    prompts = {}
    for pair in votes:
        for side, generation in enumerate((pair.a, pair.b)):
            points[generation] += sum(n * POINTS[winner][side] for winner, n in pair.winners.items())
            counts[generation] += sum(pair.winners.values())
            prompts[generation] = pair.prompt
    images = sorted(set(points) & set(metric.scores))
    return correlate(
        [metric.scores[image] for image in images],
        [points[image] / counts[image] for image in images],
        [prompts[image] for image in images],
    )
