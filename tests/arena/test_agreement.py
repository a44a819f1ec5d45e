"""Agreement of metrics with a board's raters: the data, the page and the command."""

import uuid
from collections.abc import Mapping
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from arena.agreement import correlate_with_votes, judge_pairs, read_metrics, read_pair_votes
from arena.models import Board
from evaluation.metrics.agreement import find_agreement
from evaluation.models import MetricResult, Run, Sample, Score
from generators.models import Generation
from tests import builders
from tests.arena.votes.voted_images import images_of, make_undrawn_board, vote


@pytest.fixture
def board(db: None) -> Board:
    return make_undrawn_board()


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.metrics.intervals.bootstrap.RESAMPLES", 100)


def score(
    values: Mapping[Generation, float | None],
    *,
    label: str = "sharpness",
    identity: Mapping[str, Any] | None = None,
    **outcome: Any,
) -> None:
    """One run per model that gives these images these values."""
    defaults = {"name": label, "title": label.title(), "higher_is_better": True, "identity": identity or {"scale": 1}}
    for model in {generation.model for generation in values}:
        run = Run.objects.create(suite="s", suite_digest=uuid.uuid4().hex, model=model, spec={}, status="done")
        MetricResult.objects.create(
            run=run, label=label, value=0.0, n_scored=1, n_unscored=0, outcome={**defaults, **outcome}
        )
        for generation, value in values.items():
            if generation.model == model:
                sample = Sample.objects.create(run=run, generation=generation)
                fault = {"error": "the image is damaged"} if value is None else {}
                Score.objects.create(sample=sample, label=label, value=value, **fault)


@pytest.fixture
def scored(board: Board) -> Board:
    """Raters prefer x to y on prompts 0 to 2 and are undecided on 3; one battle has swapped sides, one is excluded.

    The metric prefers x on 0 and 1, y on 2, and has not looked at 3.
    """
    rows = images_of(board)
    for n, (x, y, _) in enumerate(rows):
        vote(board, x, y, "tie" if n == 3 else "")
    vote(board, rows[0][1], rows[0][0])
    builders.exclude(vote(board, rows[0][1], rows[0][0]).vote)
    marks = {}
    for (x, y, _), (first, second) in zip(rows, ((0.9, 0.1), (0.8, 0.2), (0.3, 0.7)), strict=False):
        marks |= {x: first, y: second}
    score(marks)
    return board


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(User.objects.create_user("operator", is_staff=True))
    return client


def test_votes_are_joined_with_the_scores_of_the_same_images(scored: Board) -> None:
    votes = read_pair_votes(scored)
    assert sum(sum(pair.winners.values()) for pair in votes) == 5
    assert len(votes) == 4
    (metric,) = read_metrics(votes)
    assert (metric.label, metric.title, metric.reason, len(metric.scores)) == ("sharpness", "Sharpness", "", 6)
    found = find_agreement(judge_pairs(votes, metric))
    assert found.rate.value == pytest.approx(2 / 4)  # right on prompts 0 and 1; wrong on 2 and on the second vote on 0
    assert (found.n_decided, found.n_pairs, found.n_undecided) == (4, 3, 0)


def test_a_vote_counts_for_the_image_on_either_side(board: Board) -> None:
    x, y, _ = images_of(board)[0]
    for _ in range(12):  # sides are random
        vote(board, x, y)
    (pair,) = read_pair_votes(board)
    assert dict(pair.winners) == {"model_a" if x.pk < y.pk else "model_b": 12}


def test_correlations_use_the_win_rates_of_images(board: Board) -> None:
    rows = images_of(board)
    for x, y, z in rows:
        vote(board, x, y)
        vote(board, x, z)
        vote(board, y, z, "tie")
    score({g: 3.0 - i for row in rows for i, g in enumerate(row)})
    votes = read_pair_votes(board)
    found = correlate_with_votes(votes, read_metrics(votes)[0])
    assert (found.n, found.n_prompts) == (12, 4)
    assert found.pearson.value == pytest.approx(0.8660, abs=1e-4)  # of 3, 2, 1 with 1, ¼, ¼
    assert found.kendall.value == pytest.approx(0.8165, abs=1e-4)  # 2 / √(3 · 2)


def test_scores_with_other_parameters_are_not_mixed(scored: Board) -> None:
    """If scores under one label have different parameters, the largest group is used and the others are counted."""
    x, y, _ = images_of(scored)[3]
    score({x: 5.0, y: 6.0}, identity={"scale": 2})
    (metric,) = read_metrics(read_pair_votes(scored))
    assert (len(metric.scores), metric.n_others) == (6, 2)


def test_the_newest_of_several_scores_is_used(scored: Board) -> None:
    x, *_ = images_of(scored)[0]
    score({x: -4.0})
    (metric,) = read_metrics(read_pair_votes(scored))
    assert metric.scores[x.pk] == -4.0


def test_metrics_that_cannot_be_compared_say_why(scored: Board) -> None:
    x, y, _ = images_of(scored)[0]
    score({x: 1.0, y: 0.0}, label="wins", name="win-rate")
    score({x: None, y: None}, label="clip")
    reasons = {metric.label: metric.reason for metric in read_metrics(read_pair_votes(scored))}
    assert reasons == {
        "clip": "No image that raters voted on has a score of its own.",
        "sharpness": "",
        "wins": "The metric is computed from votes.",
    }


def test_the_page_is_for_staff_only(client: Client, scored: Board) -> None:
    address = reverse("agreement", args=[scored.slug])
    assert client.get(address).status_code == 302
    client.force_login(User.objects.create_user("rater"))
    assert client.get(address).status_code == 403


def test_the_page_shows_agreement_and_the_images_of_the_largest_disagreement(staff: Client, scored: Board) -> None:
    page = staff.get(reverse("agreement", args=[scored.slug]))
    html = page.content.decode()
    assert page.status_code == 200
    assert "5 counted votes on 4 pairs of images" in " ".join(html.split())
    assert "50 %" in html
    (clash,) = page.context["disagreements"]
    x, y, _ = images_of(scored)[2]
    assert [side["generation"] for side in clash["sides"]] == [x, y]
    assert [side["score"] for side in clash["sides"]] == [0.3, 0.7]
    for generation in (x, y):
        assert reverse("original", args=[generation.pk]) in html


def test_another_metric_is_selected_by_label(staff: Client, scored: Board) -> None:
    x, y, _ = images_of(scored)[0]
    score({x: 1.0, y: 2.0}, label="latency", higher_is_better=False)
    address = reverse("agreement", args=[scored.slug])
    assert staff.get(address, {"metric": "latency"}).context["chosen"].label == "latency"
    assert staff.get(address, {"metric": "unheard-of"}).status_code == 404


def test_the_page_says_when_there_is_nothing_to_compare(staff: Client, board: Board) -> None:
    address = reverse("agreement", args=[board.slug])
    assert b"There are no votes on images." in staff.get(address).content
    builders.make_vote(board)
    assert b"No run has scored images that raters voted on" in staff.get(address).content


def test_prompts_and_names_are_escaped(staff: Client, scored: Board) -> None:
    hostile = "<script>alert(1)</script>"
    scored.prompt_sets.get().prompts.update(text=hostile)
    scored.image_models.update(name=hostile)
    html = staff.get(reverse("agreement", args=[scored.slug])).content.decode()
    assert hostile not in html
    assert html.count("&lt;script&gt;") >= 2


def test_the_page_takes_a_fixed_number_of_queries(staff: Client, scored: Board) -> None:
    rows = images_of(scored)
    for x, y, z in rows:
        vote(scored, y, x)
        vote(scored, y, x)
        vote(scored, z, x)
    score({g: float(i) for row in rows for i, g in enumerate(row)}, label="other")
    with CaptureQueriesContext(connection) as queries:
        page = staff.get(reverse("agreement", args=[scored.slug]), {"metric": "sharpness"})
    assert len(page.context["disagreements"]) == 2
    assert len(queries) == 7  # session, user, board, votes, scores, results, generations


def print_agreement(board: Board, **options: Any) -> str:
    out = StringIO()
    call_command("metric_agreement", board=board.slug, stdout=out, **options)
    return out.getvalue()


def test_the_command_prints_a_table(scored: Board) -> None:
    x, y, _ = images_of(scored)[0]
    score({x: 1.0, y: 0.0}, label="wins", name="win-rate")
    printed = print_agreement(scored)
    assert "5 counted votes on 4 pairs of images" in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("sharpness")]
    assert line.split()[:5] == ["sharpness", "4", "0", "50", "%"]
    assert line.endswith("higher is better")
    assert "Not compared: wins. The metric is computed from votes." in printed
    assert "Largest disagreements" not in printed


def test_the_command_prints_one_metric_in_detail(scored: Board) -> None:
    printed = print_agreement(scored, metric="sharpness")
    x, y, _ = images_of(scored)[2]
    pair = sorted([(x.pk, 1, 0.3), (y.pk, 0, 0.7)])
    assert "Largest disagreements" in printed
    expected = "".join(f"{a}:{b}" for a, b in zip(*pair, strict=True))
    assert printed.splitlines()[-1].replace(" ", "") == expected


def test_the_command_says_when_there_is_nothing_to_compare(board: Board) -> None:
    assert "There are no votes on images of this board" in print_agreement(board)
    builders.make_vote(board)
    assert "No run has scored images" in print_agreement(board)
    with pytest.raises(CommandError, match="no board 'x'"):
        call_command("metric_agreement", board="x")
    with pytest.raises(CommandError, match=r"with a metric 'x'\. Known metrics: none"):
        print_agreement(board, metric="x")
