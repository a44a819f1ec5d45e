"""Page on the agreement of metrics with a board's raters."""

from collections.abc import Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from arena.agreement import PairVotes, ScoredMetric, correlate_with_votes, judge_pairs, read_metrics, read_pair_votes
from arena.models import Board
from arena.views.access import for_operators
from evaluation.metrics.agreement import JudgedPair, find_agreement, find_agreement_by_category, find_disagreements
from generators.models import Generation


@for_operators
@require_safe
def show_agreement(request: HttpRequest, slug: str) -> HttpResponse:
    """All metrics in a table, and the metric of ?metric= (default: the first) in detail."""
    board = get_object_or_404(Board, slug=slug)
    votes = read_pair_votes(board)
    metrics = read_metrics(votes)
    comparable = [metric for metric in metrics if not metric.reason]
    wanted = request.GET.get("metric")
    if wanted and wanted not in {metric.label for metric in comparable}:
        raise Http404(f"The metric {wanted!r} has no scores to compare on this board.")
    chosen = next((metric for metric in comparable if metric.label == wanted), comparable[0] if comparable else None)
    context = {
        "board": board,
        "n_votes": sum(sum(pair.winners.values()) for pair in votes),
        "n_pairs": len(votes),
        "rows": [_sum_up(votes, metric) for metric in comparable],
        "uncomparable": [metric for metric in metrics if metric.reason],
        "chosen": chosen,
    }
    return render(request, "arena/agreement.html", context | (_detail(votes, chosen) if chosen else {}))


def _sum_up(votes: Sequence[PairVotes], metric: ScoredMetric) -> dict[str, Any]:
    agreement = find_agreement(judge_pairs(votes, metric), higher_is_better=metric.prefers_higher)
    return {"metric": metric, "agreement": agreement}


def _detail(votes: Sequence[PairVotes], metric: ScoredMetric) -> dict[str, Any]:
    pairs = judge_pairs(votes, metric)
    found = correlate_with_votes(votes, metric)
    return {
        "correlations": {"Pearson": found.pearson, "Spearman": found.spearman, "Kendall τ-b": found.kendall},
        "n_images": found.n,
        "n_prompts": found.n_prompts,
        "categories": find_agreement_by_category(pairs, higher_is_better=metric.prefers_higher),
        "disagreements": _show(find_disagreements(pairs, higher_is_better=metric.prefers_higher)),
    }


def _show(pairs: Sequence[JudgedPair]) -> list[dict[str, Any]]:
    """The pairs for the page, the image that raters preferred first."""
    keys = [pk for pair in pairs for pk in (pair.a, pair.b)]
    generations = Generation.objects.select_related("model", "prompt").defer("reported", "provenance").in_bulk(keys)
    shown = []
    for pair in pairs:
        a = {"generation": generations[pair.a], "votes": pair.votes_a, "score": pair.score_a}
        b = {"generation": generations[pair.b], "votes": pair.votes_b, "score": pair.score_b}
        sides = [a, b] if pair.votes_a > pair.votes_b else [b, a]
        shown.append({"prompt": generations[pair.a].prompt, "sides": sides})
    return shown
