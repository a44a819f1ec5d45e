"""Clustered intervals of boards: by rater and prompt, and none if there is only one rater or prompt."""

import io
import random
import uuid

import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from arena.leaderboards.matchup_counts import unpack_counts
from arena.leaderboards.snapshots import rate_board
from arena.models import Board, Origin, Rater, Vote
from arena.votes.casting import cast_vote
from arena.votes.clusters import read_clusters
from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.counts import count_votes
from generators.models import Prompt
from tests import builders

Interval = Board.Interval


def fill(board: Board, *, raters: int, votes_each: int, prompts: bool = False, seed: int = 1) -> None:
    """Votes of raters who always prefer their favourite model, and as many votes without a rater."""
    rng = random.Random(seed)
    models = list(board.image_models.order_by("pk"))
    given = [*(Rater.objects.create(origin=board.origin, board=board, name=f"r{i}") for i in range(raters)), None]
    known = list(Prompt.objects.filter(prompt_set__boards=board)) if prompts else []
    votes = []
    for rater in given:
        favourite = rng.choice(models)
        for _ in range(votes_each if rater else 5):
            a, b = rng.sample(models, 2)
            winner = "model_a" if a == favourite else "model_b" if b == favourite else rng.choice(["tie", "both_bad"])
            fields = {"rater": rater, "model_a": a, "model_b": b, "winner": winner, "origin": board.origin}
            prompt = rng.choice(known) if known else None
            votes.append(Vote(board=board, prompt=prompt, cast_at=timezone.now(), **fields))
    Vote.objects.bulk_create(votes)


@pytest.fixture
def imported(db: None) -> Board:
    return builders.make_board(n_models=3, n_prompts=12, origin=Origin.IMPORTED)


def test_raters_with_many_votes_widen_the_intervals(imported: Board, client: Client) -> None:
    fill(imported, raters=15, votes_each=12)
    clustered = rate_board(imported)
    assert clustered.parameters["interval"] == "rater"
    votes = read_clusters(imported, unpack_counts(clustered.counts).models, clustered.last_vote_id)
    fit = fit_bradley_terry(unpack_counts(clustered.counts), clusters=votes)
    rows = list(clustered.ratings.order_by("model_id"))
    assert [(row.value, row.ci_low) for row in rows] == [
        pytest.approx(x) for x in zip(fit.values, fit.ci_low, strict=True)
    ]
    assert b"votes of one rater may depend on each other" in client.get(imported.get_absolute_url()).content
    imported.interval = Interval.SANDWICH
    imported.save()
    naive = rate_board(imported)
    assert naive.parameters["interval"] == "sandwich"
    for wide, narrow in zip(rows, naive.ratings.order_by("model"), strict=True):
        assert wide.value == pytest.approx(narrow.value)
        assert wide.ci_high - wide.ci_low > 1.3 * (narrow.ci_high - narrow.ci_low)
    assert b"treats votes as independent" in client.get(imported.get_absolute_url()).content


@pytest.mark.parametrize("raters", [2, 4, 9])
def test_few_raters_have_wide_intervals(imported: Board, raters: int) -> None:
    fill(imported, raters=raters, votes_each=30)
    few = rate_board(imported)
    assert (few.parameters["interval"], few.no_interval) == ("rater", "")
    imported.interval = Interval.SANDWICH
    imported.save()
    naive = rate_board(imported)
    for wide, narrow in zip(few.ratings.order_by("model"), naive.ratings.order_by("model"), strict=True):
        assert wide.ci_high - wide.ci_low > 1.5 * (narrow.ci_high - narrow.ci_low)
        assert wide.rank_best <= narrow.rank_best <= narrow.rank_worst <= wide.rank_worst


@pytest.mark.parametrize(("interval", "column"), [
    (Interval.RATER, "rater"), (Interval.PROMPT, "prompt"), (Interval.BOTH, "rater")
])  # fmt: skip
def test_one_cluster_gives_ratings_without_intervals_and_ranks(
    imported: Board, client: Client, interval: Interval, column: str
) -> None:
    """Every place that shows an interval says why there is none."""
    imported.interval = interval
    imported.save()
    rater = Rater.objects.create(origin=imported.origin, board=imported, name="r")
    prompts = list(Prompt.objects.filter(prompt_set__boards=imported))
    a, b, c = imported.image_models.order_by("pk")
    fields = {"board": imported, "origin": imported.origin, "cast_at": timezone.now()}
    pairs, winners = [(a, b), (b, c), (c, a)], ["model_a", "model_b", "tie", "model_a"]

    def vote(rater: Rater, prompt: Prompt) -> None:
        own = fields | {"rater": rater, "prompt": prompt}
        Vote.objects.bulk_create([Vote(model_a=x, model_b=y, winner=w, **own) for x, y in pairs for w in winners])

    vote(rater, prompts[0])
    made = rate_board(imported)
    reason = f"too few {column}s for an interval"
    assert (made.parameters["interval"], made.no_interval, made.covariance_digest) == ("none", reason, "")
    for row in made.ratings.all():
        assert row.value is not None
        assert {row.ci_low, row.ci_high, row.rank_best, row.rank_worst, row.rank_set_best, row.p_first} == {None}
        assert row.usable is not None
        assert row.usable_low is row.usable_high is None
    assert rate_board(imported) is None
    page = client.get(imported.get_absolute_url()).content.decode()
    assert page.count(reason) >= 4
    assert f"{reason.capitalize()}." in page
    chart = client.get(reverse("interval_chart", args=[imported.slug])).json()
    assert chart["data"][0]["error_x"]["array"] == [None] * 3
    assert {cell[0] for cell in chart["data"][0]["customdata"]} == {"no interval"}
    table = pd.read_csv(io.BytesIO(client.get(reverse("download", args=[imported.slug, "csv"])).content))
    assert table["rating"].notna().all()
    assert table[["ci_low", "ci_high", "rank_best", "rank_worst", "p_first"]].isna().all(axis=None)
    output = io.StringIO()
    call_command("rate_board", board=imported.slug, stdout=output)
    assert f"No intervals and no ranks: {reason}." in output.getvalue()
    assert "None" not in output.getvalue() + page
    # A second rater (on a second prompt) gives intervals.
    vote(Rater.objects.create(origin=imported.origin, board=imported, name="s"), prompts[1])
    made = rate_board(imported)
    assert (made.parameters["interval"], made.no_interval) == (interval, "")
    assert all(row.ci_high > row.ci_low and row.usable_high > row.usable_low for row in made.ratings.all())


def test_a_battle_shows_a_rating_without_an_interval(board: Board) -> None:
    """The page after the vote of the only rater."""
    key = uuid.uuid4()
    voter = Client()
    for battle, winner in ((builders.make_battle(board, key), w) for w in ("model_a", "model_b", "tie")):
        cast_vote(battle, key, winner)
    assert rate_board(board).no_interval == "too few raters for an interval"
    page = voter.get(battle.get_absolute_url()).content.decode()
    assert "without an interval" in page
    assert "None" not in page


def test_a_board_by_choice_without_clusters_says_what_its_intervals_ignore(imported: Board, client: Client) -> None:
    imported.interval = Interval.SANDWICH
    imported.save()
    fill(imported, raters=1, votes_each=30)
    assert rate_board(imported).parameters["interval"] == "sandwich"
    assert "ignores that raters vote more than once" in client.get(imported.get_absolute_url()).content.decode()
    output = io.StringIO()
    call_command("rate_board", board=imported.slug, stdout=output)
    assert "These intervals ignore that raters vote more than once" in output.getvalue()


def test_equal_votes_are_one_row_and_a_vote_without_a_rater_is_its_own_cluster(imported: Board) -> None:
    fill(imported, raters=15, votes_each=12)
    models = list(imported.image_models.order_by("pk").values_list("pk", flat=True))
    votes = read_clusters(imported, models, Vote.objects.latest("id").pk)
    assert votes.weight.sum() == Vote.objects.count()
    assert len(votes) < Vote.objects.count()
    alone = votes.clusters["rater"] < 0
    assert alone.sum() == len(np.unique(votes.clusters["rater"][alone])) == 5
    counts = count_votes(votes)
    assert counts.table.sum() == Vote.objects.count()
    assert read_clusters(imported, models, Vote.objects.earliest("id").pk).weight.sum() == 1
    assert (
        count_votes(read_clusters(imported, models[:2], Vote.objects.latest("id").pk)).table.sum() < counts.table.sum()
    )


def test_raters_of_unrated_models_do_not_count_as_clusters(imported: Board) -> None:
    """Twenty raters vote on a model that never loses; one rater cast the votes that rate the others."""
    a, b, unbeaten = imported.image_models.order_by("pk")
    raters = [Rater.objects.create(origin=imported.origin, board=imported, name=f"r{i}") for i in range(20)]
    fields = {"board": imported, "origin": imported.origin, "cast_at": timezone.now()}
    votes = [Vote(rater=rater, model_a=unbeaten, model_b=a, winner="model_a", **fields) for rater in raters]
    votes += [Vote(rater=raters[0], model_a=a, model_b=b, winner=w, **fields) for w in ("model_a", "model_b", "tie")]
    Vote.objects.bulk_create(votes)
    made = rate_board(imported)
    assert made.no_interval == "too few raters for an interval"
    assert made.ratings.get(model=unbeaten).unrated == "unbeaten"
    assert rate_board(imported) is None


def test_clusters_by_rater_and_prompt(imported: Board) -> None:
    imported.interval = Interval.BOTH
    imported.save()
    fill(imported, raters=15, votes_each=12, prompts=True)
    assert rate_board(imported).parameters["interval"] == "rater+prompt"
    imported.interval = Interval.PROMPT
    imported.save()
    assert rate_board(imported).parameters["interval"] == "prompt"


def test_an_excluded_vote_is_in_no_cluster(board: Board) -> None:
    for _ in range(60):
        builders.make_vote(board, random.Random(_).choice(["model_a", "model_b", "tie"]))
    models = list(board.image_models.order_by("pk").values_list("pk", flat=True))
    last = Vote.objects.latest("id")
    assert read_clusters(board, models, last.pk).weight.sum() == 60
    builders.exclude(last)
    assert read_clusters(board, models, last.pk).weight.sum() == 59
    made = rate_board(board)
    assert (made.n_votes, made.excluded, made.parameters["interval"]) == (59, {"operator": 1}, "rater")


def test_the_probability_of_being_first_and_the_usable_rate_are_in_the_table(imported: Board, client: Client) -> None:
    fill(imported, raters=15, votes_each=12)
    rows = rate_board(imported).ratings.all()
    assert sum(row.p_first for row in rows) == pytest.approx(1.0)
    for row in rows:
        assert 0 < row.usable_low < row.usable < row.usable_high < 1
    page = client.get(imported.get_absolute_url()).content.decode()
    assert f"{rows[0].usable:.0%}".replace("%", " %") in page


@pytest.mark.parametrize("interval", [Interval.RATER, Interval.SANDWICH])
@pytest.mark.parametrize("winners", [["tie"], ["both_bad"], ["tie", "both_bad"]])
def test_a_board_of_ties_alone_has_no_interval(
    imported: Board, client: Client, interval: Interval, winners: list[str]
) -> None:
    models = list(imported.image_models.order_by("pk"))
    raters = [Rater.objects.create(origin=imported.origin, board=imported, name=f"r{i}") for i in range(6)]
    imported.interval = interval
    imported.save()
    Vote.objects.bulk_create(
        Vote(
            board=imported,
            rater=raters[i % 6],
            model_a=models[i % 3],
            model_b=models[(i + 1) % 3],
            winner=winners[i % len(winners)],
            origin=imported.origin,
            cast_at=timezone.now(),
        )
        for i in range(30)
    )
    tied = rate_board(imported)
    assert tied.no_interval == "too few decided votes for an interval"
    rows = tied.ratings.values_list("value", "ci_low", "ci_high", "rank_best", "rank_set_best", "p_first")
    assert list(rows) == [(pytest.approx(1000.0), None, None, None, None, None)] * 3
    assert b"Too few decided votes for an interval" in client.get(imported.get_absolute_url()).content

    vote = Vote.objects.first()
    vote.pk, vote.winner = None, "model_a"
    vote.save()
    decided = rate_board(imported)
    assert decided.no_interval == ""
    assert all(row.ci_low < row.ci_high for row in decided.ratings.all())
