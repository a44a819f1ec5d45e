"""Intervals that respect who voted and on what, as far as the votes allow it."""

import random
import uuid

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from arena.battles.opening import open_battle
from arena.boards import UnknownDeclarationError, declare_board
from arena.leaderboards.matchup_counts import unpack_counts
from arena.leaderboards.snapshots import rate_board
from arena.models import Board, Origin, Rater, Vote
from arena.templatetags.arena_numbers import percent
from arena.votes.clusters import read_clusters
from evaluation.ratings.bradley_terry import fit_bradley_terry
from evaluation.ratings.counts import count_votes
from generators.models import Prompt
from tests import builders

Interval = Board.Interval


def fill(board: Board, *, raters: int, votes_each: int, prompts: bool = False, seed: int = 1) -> None:
    """Raters who each have a favourite and vote for it every time, and as many votes without a rater."""
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


def test_raters_who_vote_often_widen_the_intervals(imported: Board, client: Client) -> None:
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
    assert b"treating votes as independent" in client.get(imported.get_absolute_url()).content


def test_few_raters_are_too_few_to_tell(imported: Board) -> None:
    fill(imported, raters=9, votes_each=12)
    first = rate_board(imported)
    assert (first.parameters["interval"], first.parameters["interval_wanted"]) == ("sandwich", "rater")
    assert rate_board(imported) is None
    fill(imported, raters=0, votes_each=0)
    assert rate_board(imported).parameters["interval"] == "sandwich"


def test_equal_votes_are_one_row_and_a_vote_without_rater_is_a_cluster_of_its_own(imported: Board) -> None:
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


def test_raters_of_models_without_a_rating_do_not_count_as_enough(imported: Board) -> None:
    """Twenty raters compare a model that never loses; the votes that rate the others are of one."""
    a, b, unbeaten = imported.image_models.order_by("pk")
    raters = [Rater.objects.create(origin=imported.origin, board=imported, name=f"r{i}") for i in range(20)]
    fields = {"board": imported, "origin": imported.origin, "cast_at": timezone.now()}
    votes = [Vote(rater=rater, model_a=unbeaten, model_b=a, winner="model_a", **fields) for rater in raters]
    votes += [Vote(rater=raters[0], model_a=a, model_b=b, winner=w, **fields) for w in ("model_a", "model_b", "tie")]
    Vote.objects.bulk_create(votes)
    made = rate_board(imported)
    assert made.parameters["interval"] == "sandwich"
    assert made.ratings.get(model=unbeaten).unrated == "unbeaten"
    assert rate_board(imported) is None


def test_both_ways_at_once(imported: Board) -> None:
    imported.interval = Interval.BOTH
    imported.save()
    fill(imported, raters=15, votes_each=12, prompts=True)
    assert rate_board(imported).parameters["interval"] == "rater+prompt"
    imported.interval = Interval.PROMPT
    imported.save()
    assert rate_board(imported).parameters["interval"] == "prompt"


def test_a_vote_that_was_excluded_is_in_no_cluster(board: Board) -> None:
    for _ in range(60):
        builders.make_vote(board, random.Random(_).choice(["model_a", "model_b", "tie"]))
    models = list(board.image_models.order_by("pk").values_list("pk", flat=True))
    last = Vote.objects.latest("id")
    assert read_clusters(board, models, last.pk).weight.sum() == 60
    last.battle.exclusion = "unsafe"
    last.battle.save()
    assert read_clusters(board, models, last.pk).weight.sum() == 59
    made = rate_board(board)
    assert (made.n_votes, made.n_excluded, made.parameters["interval"]) == (59, 1, "rater")


def test_the_chance_to_be_first_and_the_usable_rate_are_in_the_table(imported: Board, client: Client) -> None:
    fill(imported, raters=15, votes_each=12)
    rows = rate_board(imported).ratings.all()
    assert sum(row.p_first for row in rows) == pytest.approx(1.0)
    for row in rows:
        assert 0 < row.usable_low < row.usable < row.usable_high < 1
    page = client.get(imported.get_absolute_url()).content.decode()
    assert f"{rows[0].usable:.0%}".replace("%", " %") in page


def test_a_model_in_focus_is_in_most_battles(board: Board) -> None:
    board.preliminary_below = 0
    board.target_model = board.image_models.order_by("pk")[1]
    board.save()
    battles = [open_battle(board, uuid.uuid4()) for _ in range(60)]
    met = sum(board.target_model in (battle.model_a, battle.model_b) for battle in battles)
    assert met >= 48  # nine in ten, and the uniform share


def test_a_retired_model_is_no_focus(board: Board) -> None:
    board.target_model = board.image_models.order_by("pk")[1]
    board.save()
    board.target_model.lifecycle = "retired"
    board.target_model.save()
    battle = open_battle(board, uuid.uuid4())
    assert board.target_model not in (battle.model_a, battle.model_b)


def test_a_model_with_nothing_to_show_does_not_stop_the_battles(board: Board) -> None:
    board.target_model = builders.make_model(adapter="")
    board.save()
    board.image_models.add(board.target_model)
    for _ in range(20):
        battle = open_battle(board, uuid.uuid4())
        assert board.target_model not in (battle.model_a, battle.model_b)


def test_interval_and_focus_are_declared(db: None) -> None:
    models = [builders.make_model() for _ in range(2)]
    declared = {"slug": "b", "title": "B", "models": [m.slug for m in models]}
    board = declare_board(declared | {"interval": "rater+prompt", "target_model": models[1].slug})
    assert (board.interval, board.target_model) == ("rater+prompt", models[1])
    assert declare_board(declared).target_model is None
    with pytest.raises(UnknownDeclarationError, match="model"):
        declare_board(declared | {"target_model": "nobody"})
    with pytest.raises(ValueError, match="interval"):
        declare_board(declared | {"interval": "bootstrap"})


@pytest.mark.parametrize(
    ("share", "written"),
    [(None, "–"), (0.0, "< 1 %"), (0.004, "< 1 %"), (0.374, "37 %"), (0.9951, "> 99 %"), (1.0, "> 99 %")],
)
def test_an_estimated_share_is_never_written_as_certain(share: float | None, written: str) -> None:
    assert percent(share) == written
