"""The samples on the HTML report: pictures with what was read and seen in them, and their scores."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from evaluation.number_format import with_unit, write_number
from evaluation.reports.metric_cards import find_state
from evaluation.reports.pictures import ENLARGED, THUMBNAIL, Album, Picture
from evaluation.reports.report import RunReport, SampleReport, SampleScore, find_worst, rank_outcomes
from evaluation.results import MetricOutcome

MOST_TILES: Final = 120
WORST_OF_A_METRIC: Final = 4
LONGEST_MARK: Final = 24


@dataclass(frozen=True)
class Mark:
    """Something that was read or seen: its outline, and its name beside it, in pixels of the original."""

    kind: str  # text, or object
    points: str
    text: str
    x: float
    y: float
    anchor: str
    size: float


@dataclass(frozen=True)
class TileScore:
    """A score with the title of its metric; ``text`` is "–" where there is none, and ``note`` then says why."""

    title: str
    text: str
    note: str


@dataclass(frozen=True)
class Tile:
    """A sample with its picture, or in ``fault`` why there is none."""

    sample: SampleReport
    picture: Picture | None
    fault: str
    scores: list[TileScore]
    marks: list[Mark]


@dataclass(frozen=True)
class WorstOf:
    """The worst samples of a metric, each with its score there."""

    title: str
    state: str
    tiles: list[tuple[Tile, TileScore]]


def list_worst(report: RunReport, album: Album) -> list[WorstOf]:
    """For each metric that knows single samples; those whose rules fare worst come first."""
    found = []
    for outcome in rank_outcomes(report):
        samples = find_worst(report, outcome, WORST_OF_A_METRIC)
        tiles = [_make_tile(report, sample, album, ENLARGED) for sample in samples]
        scored = [(tile, _write_score(outcome, tile.sample.scores[outcome.label])) for tile in tiles]
        if scored:
            found.append(WorstOf(outcome.title, find_state(report, outcome.label), scored))
    return found


def list_tiles(report: RunReport, album: Album) -> list[Tile]:
    """Samples that have an image, at most 120, spread evenly over the run where there are more."""
    drawn = [sample for sample in report.samples if sample.image]
    shown = min(MOST_TILES, len(drawn))
    return [_make_tile(report, drawn[i * len(drawn) // shown], album, THUMBNAIL) for i in range(shown)]


def _make_tile(report: RunReport, sample: SampleReport, album: Album, side: int) -> Tile:
    found = album.add(sample.image, side) if sample.image else f"{sample.status}: {sample.reason}"
    scores = [
        _write_score(outcome, sample.scores[outcome.label])
        for outcome in report.outcomes
        if outcome.label in sample.scores
    ]
    if isinstance(found, str):
        return Tile(sample, None, found, scores, [])
    return Tile(sample, found, "", scores, _list_marks(sample, found))


def _write_score(outcome: MetricOutcome, score: SampleScore) -> TileScore:
    if score.value is None:
        return TileScore(outcome.title, "–", score.error)
    return TileScore(outcome.title, with_unit(write_number(score.value, 3), outcome.unit), score.note)


def _list_marks(sample: SampleReport, picture: Picture) -> list[Mark]:
    lines = [_mark("text", line.box, line.text, picture) for line in sample.lines if line.box]
    found = []
    for seen in sample.objects:
        left, top, right, bottom = seen.box
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        found.append(_mark("object", corners, f"{seen.color} {seen.label}".strip(), picture))
    return [*lines, *found]


def _mark(kind: str, corners: Iterable[tuple[float, float]], text: str, picture: Picture) -> Mark:
    """The name stands over the outline, or under it where it would leave the picture, and inside its sides."""
    points: Sequence[tuple[float, float]] = tuple(corners)
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    top, bottom = min(y for _, y in points), max(y for _, y in points)
    size = 0.04 * max(picture.width, picture.height)
    leftmost = left + right < picture.width
    return Mark(
        kind=kind,
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points),
        text=text if len(text) <= LONGEST_MARK else f"{text[: LONGEST_MARK - 1]}…",
        x=round(max(left, 0.0) if leftmost else min(right, picture.width), 1),
        y=round(top - 0.3 * size if top > 1.4 * size else min(bottom + size, picture.height - 0.3 * size), 1),
        anchor="start" if leftmost else "end",
        size=round(size, 1),
    )
