"""Do metrics agree with the raters of a board? Their votes on pairs of images, beside the scores of the same images."""

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

# Metrics that are made of votes agree with votes, which says nothing.
MADE_OF_VOTES: Final = "evaluation.metrics.preference."
# For the image on side a and for that on side b, as the ratings have it: an undecided vote is half a win for each.
POINTS: Final = {"model_a": (1.0, 0.0), "model_b": (0.0, 1.0), "tie": (0.5, 0.5), "both_bad": (0.5, 0.5)}


@dataclass(frozen=True, kw_only=True)
class PairVotes:
    """The countable votes on two generations, ``a`` the older one, whichever side each battle drew for it."""

    a: int
    b: int
    prompt: int
    category: str
    winners: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class ScoredMetric:
    """What a metric says of generations, by their ids. Without anything to compare ``reason`` says why.

    ``n_others`` images were scored with other parameters or weights alone, under the same label: they are left out.
    """

    label: str
    title: str = ""
    higher_is_better: bool | None = None
    scores: Mapping[int, float] = field(default_factory=dict)
    n_others: int = 0
    reason: str = ""

    @property
    def direction(self) -> str:
        """Which way the metric prefers."""
        if self.higher_is_better is None:
            return "neither is better: taken as if more were"
        return "more is better" if self.higher_is_better else "less is better"

    @property
    def prefers_more(self) -> bool:
        return self.higher_is_better is not False


def read_pair_votes(board: Board) -> list[PairVotes]:
    """By pair of generations. Only votes cast here: those that were imported or simulated are on no images."""
    votes = keep_countable(Vote.objects.filter(board=board, origin=Origin.HUMAN)).order_by()
    columns = ("battle__generation_a", "battle__generation_b", "prompt", "category", "winner")
    found: dict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    facts = {}
    swapped = {"model_a": "model_b", "model_b": "model_a"}
    for a, b, prompt, category, winner, n in votes.values_list(*columns).annotate(n=Count("id")):
        pair = min(a, b), max(a, b)
        found[pair][winner if a < b else swapped.get(winner, winner)] += n
        facts[pair] = {"prompt": prompt, "category": category}
    return [PairVotes(a=a, b=b, winners=found[a, b], **facts[a, b]) for a, b in sorted(found)]


def read_metrics(votes: Sequence[PairVotes]) -> list[ScoredMetric]:
    """Every metric that some run measured on some of these generations, by label. Two queries.

    Scores that go by one label may have been made with different parameters, or weights: of these only the largest
    group is taken. An image that several runs scored has the newest of its scores.
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
        return "It is made of votes itself."
    if not scores:
        return "No image that was voted on has a score of its own."
    return ""


def judge_pairs(votes: Sequence[PairVotes], metric: ScoredMetric) -> list[JudgedPair]:
    """The pairs of which the metric has scored both images."""
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
    """The metric's scores against the share of its votes that each image won, over the images that have both."""
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
