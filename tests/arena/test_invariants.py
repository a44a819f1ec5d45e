"""Constraints and triggers of the database."""

import uuid

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from arena.leaderboards.snapshots import rate_board
from arena.models import Battle, Board, Leaderboard, Origin, Rater, Rating, Vote
from generators.models import Generation
from tests import builders


@pytest.fixture
def battle(board: Board) -> Battle:
    return builders.make_battle(board)


def vote_fields(battle: Battle, /, **changes: object) -> dict[str, object]:
    rater, _ = Rater.objects.get_or_create(key=battle.owner)
    return {
        "board": battle.board,
        "battle": battle,
        "rater": rater,
        "model_a": battle.model_a,
        "model_b": battle.model_b,
        "winner": "tie",
        "origin": "human",
        "prompt": battle.prompt,
        "cast_at": timezone.now(),
    } | changes


def refuse(make, **fields: object) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make(**fields)


def test_a_battle_takes_one_vote(battle: Battle) -> None:
    fields = vote_fields(battle)
    Vote.objects.create(**fields)
    refuse(Vote.objects.create, **fields)
    refuse(Vote.objects.create, **vote_fields(battle))


def test_a_battle_takes_votes_from_its_owner_only(battle: Battle) -> None:
    refuse(Vote.objects.create, **vote_fields(battle, rater=Rater.objects.create()))
    builders.make_vote(battle.board, key=Rater.objects.create().key)
    refuse(Vote.objects.create, **vote_fields(battle, rater=Rater.objects.latest("pk")))
    Vote.objects.create(**vote_fields(battle))


def test_a_vote_closes_its_battle(battle: Battle) -> None:
    vote = Vote.objects.create(**vote_fields(battle))
    battle.refresh_from_db()
    assert (battle.closed_at, battle.closure) == (vote.cast_at, "vote")


@pytest.mark.parametrize("closure", ["broken", "skipped", "failed", "expired"])
def test_a_battle_closed_without_a_vote_takes_none(battle: Battle, closure: str) -> None:
    Battle.objects.filter(pk=battle.pk).update(closed_at=timezone.now(), closure=closure)
    refuse(Vote.objects.create, **vote_fields(battle))


def test_a_closed_battle_stays_closed(battle: Battle) -> None:
    Vote.objects.create(**vote_fields(battle))
    closed = Battle.objects.filter(pk=battle.pk)
    refuse(closed.update, closed_at=None, closure="")
    refuse(closed.update, closed_at=timezone.now())
    refuse(closed.update, closure="broken")


def test_a_closed_battle_says_why(battle: Battle) -> None:
    opened = Battle.objects.filter(pk=battle.pk)
    refuse(opened.update, closed_at=timezone.now())
    refuse(opened.update, closure="broken")
    refuse(opened.update, closed_at=timezone.now(), closure="dull")
    refuse(opened.update, closed_at=timezone.now(), closure="vote")


def test_a_battle_keeps_its_owner_and_its_images(battle: Battle) -> None:
    opened = Battle.objects.filter(pk=battle.pk)
    refuse(opened.update, owner=uuid.uuid4())
    refuse(opened.update, board=builders.make_board(n_prompts=0))
    refuse(
        opened.update,
        generation_a=battle.generation_b,
        generation_b=battle.generation_a,
        model_a=battle.model_b,
        model_b=battle.model_a,
    )


def test_a_rater_has_one_open_battle_per_board(battle: Battle) -> None:
    sides = ("prompt", "model_a", "model_b", "generation_a", "generation_b", "board")
    fields = {name: getattr(battle, name) for name in sides}
    refuse(Battle.objects.create, owner=battle.owner, **fields)
    Battle.objects.create(owner=uuid.uuid4(), **fields)
    Vote.objects.create(**vote_fields(battle))
    Battle.objects.create(owner=battle.owner, **fields)


def test_rows_of_a_backup_can_be_restored_before_their_votes(battle: Battle) -> None:
    """A closed battle takes the vote that closed it, and no other."""
    Battle.objects.filter(pk=battle.pk).delete()
    battle.closed_at, battle.closure = timezone.now(), "vote"
    battle.save(force_insert=True)
    refuse(Vote.objects.create, **vote_fields(battle))
    Vote.objects.create(**vote_fields(battle, cast_at=battle.closed_at))


def test_a_winner_is_one_of_four_values(battle: Battle) -> None:
    refuse(Vote.objects.create, **vote_fields(battle, winner="draw"))


def test_a_battle_is_of_two_models(battle: Battle) -> None:
    refuse(
        Battle.objects.create,
        board=battle.board,
        prompt=battle.prompt,
        model_a=battle.model_a,
        model_b=battle.model_a,
        generation_a=battle.generation_a,
        generation_b=battle.generation_a,
        owner=uuid.uuid4(),
    )


def test_a_vote_is_on_two_models(battle: Battle) -> None:
    board = builders.make_board(origin=Origin.IMPORTED)
    a = battle.model_a
    fields = vote_fields(battle, board=board, battle=None, rater=None, origin="imported", prompt=None)
    refuse(Vote.objects.create, **(fields | {"model_a": a, "model_b": a}))
    Vote.objects.create(**fields)


def test_a_battle_shows_its_own_models_and_prompt(battle: Battle) -> None:
    refuse(
        Battle.objects.create,
        board=battle.board,
        prompt=battle.prompt,
        model_a=battle.model_a,
        model_b=battle.model_b,
        generation_a=battle.generation_b,
        generation_b=battle.generation_a,
        owner=uuid.uuid4(),
    )


def test_one_generation_per_model_prompt_and_seed(battle: Battle) -> None:
    g = battle.generation_a
    refuse(
        Generation.objects.create,
        model=g.model, prompt=g.prompt, seed=g.seed, width=9, height=9, due_at=timezone.now(),
    )  # fmt: skip


def test_only_a_drawn_generation_has_an_original(battle: Battle) -> None:
    drawn = Generation.objects.filter(pk=battle.generation_a_id)
    refuse(drawn.update, original="")
    refuse(drawn.update, status="pending")
    refuse(drawn.update, status="painted")


def test_a_failure_has_a_reason(battle: Battle) -> None:
    drawn = Generation.objects.filter(pk=battle.generation_a_id)
    refuse(drawn.update, status="failed", original="", media_type="", reason="")


@pytest.mark.parametrize("origin", ["imported", "simulated"])
def test_a_human_board_refuses_votes_of_other_origins(battle: Battle, origin: str) -> None:
    refuse(Vote.objects.create, **vote_fields(battle, origin=origin))


def test_the_origin_of_a_board_never_changes(board: Board) -> None:
    refuse(Board.objects.filter(pk=board.pk).update, origin="imported")


def test_a_human_vote_needs_a_battle_and_a_rater(battle: Battle) -> None:
    refuse(Vote.objects.create, **vote_fields(battle, battle=None))
    refuse(Vote.objects.create, **vote_fields(battle, rater=None))


def test_a_vote_has_the_models_and_prompt_of_its_battle(battle: Battle) -> None:
    refuse(Vote.objects.create, **vote_fields(battle, model_a=battle.model_b, model_b=battle.model_a))
    refuse(Vote.objects.create, **vote_fields(battle, board=builders.make_board()))


def test_a_vote_never_changes(board: Board) -> None:
    vote = builders.make_vote(board)
    refuse(Vote.objects.filter(pk=vote.pk).update, winner="model_b")


def test_a_snapshot_never_changes(board: Board) -> None:
    builders.make_vote(board, "tie")
    rate_board(board)
    refuse(Leaderboard.objects.update, n_votes=7)
    refuse(Rating.objects.update, value=7.0)


def test_rows_that_a_vote_refers_to_cannot_be_deleted(board: Board) -> None:
    vote = builders.make_vote(board)
    for row in (vote.battle, vote.model_a, vote.rater, vote.prompt, vote.board):
        with pytest.raises(DatabaseError), transaction.atomic():
            row.delete()


def test_a_simulated_board_needs_a_strength_model(db: None) -> None:
    refuse(Board.objects.create, slug="s", title="S", origin="simulated")
    refuse(Board.objects.create, slug="h", title="H", simulation={"strengths": {}})


def test_a_rating_has_a_value_or_a_reason(board: Board) -> None:
    leaderboard = rate_board(board)
    fields = {"preliminary": True, "n_votes": 0, "wins": 0, "losses": 0, "ties": 0, "both_bad": 0}
    model = builders.make_model()
    refuse(Rating.objects.create, leaderboard=leaderboard, model=model, **fields)
