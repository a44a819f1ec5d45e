"""Command that prints how far metrics agree with the raters of a board."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from arena.agreement import PairVotes, ScoredMetric, correlate_with_votes, judge_pairs, read_metrics, read_pair_votes
from arena.management.board_argument import find_board
from evaluation.metrics.agreement import (
    Agreement,
    Correlations,
    Estimate,
    JudgedPair,
    find_agreement,
    find_agreement_by_category,
    find_disagreements,
)
from evaluation.number_format import write_number


class Command(BaseCommand):
    help = "Compare the scores that runs gave to images with the raters' votes on the same images of a board."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--board", required=True, metavar="SLUG")
        parser.add_argument(
            "--metric", metavar="LABEL", help="show only this metric, in detail (default: a table of all)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        board = find_board(options["board"])
        votes = read_pair_votes(board)
        n_votes = sum(sum(pair.winners.values()) for pair in votes)
        self.stdout.write(f"{board.title}: {n_votes:,} counted votes on {len(votes):,} pairs of images")
        metrics = _choose(read_metrics(votes), options["metric"])
        if not n_votes:
            self.stdout.write("There are no votes on images of this board, so there is nothing to compare.")
        elif not metrics:
            self.stdout.write("No run has scored images that raters voted on, so there is nothing to compare.")
        if comparable := [metric for metric in metrics if not metric.reason]:
            self.stdout.write(format_metrics(votes, comparable))
        for metric in metrics:
            if metric.reason:
                self.stdout.write(f"Not compared: {metric.label}. {metric.reason}")
            elif options["metric"]:
                self.stdout.write(format_detail(votes, metric))


def _choose(metrics: list[ScoredMetric], label: str | None) -> list[ScoredMetric]:
    chosen = [metric for metric in metrics if label in {None, metric.label}]
    if label and not chosen:
        known = ", ".join(metric.label for metric in metrics) or "none"
        raise CommandError(f"No run scored images of this board with a metric {label!r}. Known metrics: {known}.")
    return chosen


def format_metrics(votes: Sequence[PairVotes], metrics: Sequence[ScoredMetric]) -> str:
    """A table of the metrics, with 95 % intervals clustered by prompt."""
    head = ("metric", "votes", "equal", "agreement", "images", "Pearson", "Spearman", "Kendall", "")
    return _align([head, *(_format_metric(votes, metric) for metric in metrics)])


def _format_metric(votes: Sequence[PairVotes], metric: ScoredMetric) -> tuple[str, ...]:
    agreement = find_agreement(judge_pairs(votes, metric), higher_is_better=metric.prefers_higher)
    found = correlate_with_votes(votes, metric)
    note = f"{metric.n_others:,} images with other parameters or weights left out" if metric.n_others else ""
    return (
        metric.label,
        f"{agreement.n_decided:,}",
        f"{agreement.n_level:,}",
        _format_share(agreement.rate),
        f"{found.n:,}",
        *_format_correlations(found),
        "; ".join(filter(None, (metric.title, metric.direction, note))),
    )


def format_detail(votes: Sequence[PairVotes], metric: ScoredMetric) -> str:
    """The agreement by prompt category, and the pairs on which raters and the metric disagree most."""
    pairs = judge_pairs(votes, metric)
    by_category = find_agreement_by_category(pairs, higher_is_better=metric.prefers_higher)
    blocks = []
    if by_category:
        blocks.append(_align([("category", "votes", "agreement"), *map(_format_category, by_category.items())]))
    if disagreements := find_disagreements(pairs, higher_is_better=metric.prefers_higher):
        head = ("generations", "votes", "scores")
        blocks.append(
            "Largest disagreements\n" + _align([head, *(_format_disagreement(pair) for pair in disagreements)])
        )
    return "\n\n".join(["", *blocks])


def _format_category(item: tuple[str, Agreement]) -> tuple[str, ...]:
    name, agreement = item
    return name, f"{agreement.n_decided:,}", _format_share(agreement.rate)


def _format_disagreement(pair: JudgedPair) -> tuple[str, ...]:
    scores = f"{write_number(pair.score_a)} : {write_number(pair.score_b)}"
    return f"{pair.a} : {pair.b}", f"{pair.votes_a} : {pair.votes_b}", scores


def _format_correlations(found: Correlations) -> Iterable[str]:
    for estimate in (found.pearson, found.spearman, found.kendall):
        if estimate.value is None or estimate.ci_low is None:
            yield estimate.note if estimate.value is None else f"{estimate.value:.2f}"
        else:
            yield f"{estimate.value:.2f} ({estimate.ci_low:.2f} to {estimate.ci_high:.2f})"


def _format_share(estimate: Estimate) -> str:
    if estimate.value is None:
        return estimate.note
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{100 * estimate.value:.0f} %"
    return f"{100 * estimate.value:.0f} % ({100 * estimate.ci_low:.0f} to {100 * estimate.ci_high:.0f})"


def _align(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)
