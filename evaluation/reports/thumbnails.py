"""Thumbnails of an HTML report: samples with their picture, annotations and scores."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from evaluation.number_format import write_value
from evaluation.reports.metric_cards import find_state
from evaluation.reports.report import (
    RunReport,
    SampleReport,
    SampleScore,
    describe_ties,
    find_worst,
    name_metrics,
    rank_outcomes,
)
from evaluation.reports.thumbnail_set import LARGE, SMALL, Picture, ThumbnailSet
from evaluation.results import MetricOutcome

MAX_THUMBNAILS: Final = 120
MAX_WORST: Final = 4
MAX_ANNOTATION: Final = 24


@dataclass(frozen=True)
class Annotation:
    """Text read or object detected: its outline, and its name beside it, in pixels of the original."""

    kind: str  # text or object
    points: str
    text: str
    x: float
    y: float
    anchor: str
    size: float


@dataclass(frozen=True)
class ThumbnailScore:
    """A score with the name of its metric. Without a value, ``text`` is "–" and ``note`` says why."""

    name: str
    text: str
    note: str


@dataclass(frozen=True)
class Thumbnail:
    """A sample with its picture; without a picture, ``missing`` says why."""

    sample: SampleReport
    picture: Picture | None
    missing: str
    scores: list[ThumbnailScore]
    annotations: list[Annotation]


@dataclass(frozen=True)
class WorstSamples:
    """The worst samples of a metric, each with its score, and the state of the metric's rules.

    ``ties`` says how many samples share the worst value, if not all of them are shown.
    """

    name: str
    state: str
    samples: list[tuple[Thumbnail, ThumbnailScore]]
    ties: str


def list_worst(report: RunReport, pictures: ThumbnailSet) -> list[WorstSamples]:
    """The worst samples of each metric that has scores of samples; metrics whose rules fail come first."""
    found, names = [], name_metrics(report)
    for outcome in rank_outcomes(report):
        samples = find_worst(report, outcome, MAX_WORST)
        thumbnails = [_make_thumbnail(report, names, sample, pictures, LARGE) for sample in samples]
        name = names[outcome.label]
        scored = [(each, _write_score(name, outcome, each.sample.scores[outcome.label])) for each in thumbnails]
        ties = describe_ties(report, outcome, MAX_WORST)
        if scored or ties:
            found.append(WorstSamples(name, find_state(report, outcome.label), scored, ties))
    return found


def list_thumbnails(report: RunReport, pictures: ThumbnailSet) -> list[Thumbnail]:
    """Up to 120 samples that have an image, spread evenly over the run."""
    drawn = [sample for sample in report.samples if sample.image]
    shown, names = min(MAX_THUMBNAILS, len(drawn)), name_metrics(report)
    return [_make_thumbnail(report, names, drawn[i * len(drawn) // shown], pictures, SMALL) for i in range(shown)]


def _make_thumbnail(
    report: RunReport, names: Mapping[str, str], sample: SampleReport, pictures: ThumbnailSet, side: int
) -> Thumbnail:
    found = pictures.add(sample.image, side) if sample.image else f"{sample.status}: {sample.reason}"
    scores = [
        _write_score(names[outcome.label], outcome, sample.scores[outcome.label])
        for outcome in report.outcomes
        if outcome.label in sample.scores
    ]
    if isinstance(found, str):
        return Thumbnail(sample, None, found, scores, [])
    return Thumbnail(sample, found, "", scores, _list_annotations(sample, found))


def _write_score(name: str, outcome: MetricOutcome, score: SampleScore) -> ThumbnailScore:
    if score.value is None:
        return ThumbnailScore(name, "–", score.error)
    return ThumbnailScore(name, write_value(score.value, outcome.unit), score.note)


def _list_annotations(sample: SampleReport, picture: Picture) -> list[Annotation]:
    lines = [_annotate("text", line.box, line.text, picture) for line in sample.lines if line.box]
    found = []
    for seen in sample.objects:
        left, top, right, bottom = seen.box
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        found.append(_annotate("object", corners, f"{seen.color} {seen.label}".strip(), picture))
    return [*lines, *found]


def _annotate(kind: str, corners: Iterable[tuple[float, float]], text: str, picture: Picture) -> Annotation:
    """The annotation, its name above the outline, or below it where the picture ends, and inside the sides."""
    points: Sequence[tuple[float, float]] = tuple(corners)
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    size = 0.04 * max(picture.width, picture.height)
    in_left_half = left + right < picture.width
    return Annotation(
        kind=kind,
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points),
        text=text if len(text) <= MAX_ANNOTATION else f"{text[: MAX_ANNOTATION - 1]}…",
        x=round(max(left, 0.0) if in_left_half else min(right, picture.width), 1),
        y=round(top - 0.3 * size if top > 1.4 * size else min(bottom + size, picture.height - 0.3 * size), 1),
        anchor="start" if in_left_half else "end",
        size=round(size, 1),
    )
