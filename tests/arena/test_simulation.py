"""Simulated votes: they follow the strength model and never mix with votes of other origins."""

import io
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from arena.leaderboards.snapshots import rate_board
from arena.models import Board, Origin, Rater, Vote
from arena.simulation import DrawnVotes, SimulationError, StrengthModel, draw_votes, simulate_votes
from evaluation.ratings.outcomes import WINNERS
from generators.models import ImageModel
from tests import builders

STRENGTHS = {"best": 1150.0, "good": 1050.0, "fair": 950.0, "poor": 850.0}
PLAIN = {"strengths": STRENGTHS, "tie": 0.0, "both_bad": 0.0, "taste": 0.0, "side": 0.0}
LIVELY = {"strengths": STRENGTHS, "tie": 0.15, "both_bad": 0.05, "taste": 60.0, "side": 10.0}


def make_simulated_board(simulation: dict[str, Any], n_prompts: int = 0) -> Board:
    board = builders.make_board(n_models=0, n_prompts=n_prompts, origin=Origin.SIMULATED, simulation=simulation)
    board.image_models.set([builders.make_model(slug=slug, adapter="") for slug in STRENGTHS])
    return board


@pytest.fixture
def simulated(db: None) -> Board:
    return make_simulated_board(LIVELY, n_prompts=3)


def list_votes(board: Board) -> list[tuple[object, ...]]:
    columns = ("model_a", "model_b", "winner", "rater__name", "prompt", "category", "language", "origin")
    return list(board.votes.order_by("id").values_list(*columns))


def share(drawn: DrawnVotes, winner: str) -> float:
    return float((drawn.winner == WINNERS.index(winner)).mean())


# Drawing


def test_ratings_recover_the_strengths(db: None) -> None:
    board = make_simulated_board(PLAIN)
    simulate_votes(board, n_votes=20_000, seed=3)
    leaderboard = rate_board(board)
    assert leaderboard is not None
    ratings = {rating.model.slug: rating for rating in leaderboard.ratings.select_related("model")}
    assert sorted(ratings, key=lambda slug: -ratings[slug].value) == list(STRENGTHS)
    for slug, strength in STRENGTHS.items():  # their mean is 1000, the scale's centre
        assert ratings[slug].ci_low < strength < ratings[slug].ci_high
        assert ratings[slug].value == pytest.approx(strength, abs=10)


def test_winners_have_the_declared_probabilities() -> None:
    equals = {"strengths": {"a": 1000.0, "b": 1000.0}, "taste": 0.0, "side": 0.0}
    drawn = draw_votes(
        StrengthModel.model_validate(equals | {"tie": 0.2, "both_bad": 0.1}),
        n_votes=200_000, n_raters=1, n_prompts=0, seed=1,
    )  # fmt: skip
    assert share(drawn, "both_bad") == pytest.approx(0.1, abs=0.005)
    assert share(drawn, "tie") == pytest.approx(0.2 * 0.9, abs=0.005)
    assert share(drawn, "model_a") == pytest.approx(0.4 * 0.9, abs=0.005)
    left = draw_votes(
        StrengthModel.model_validate(equals | {"tie": 0.0, "both_bad": 0.0, "side": 400.0}),
        n_votes=200_000, n_raters=1, n_prompts=0, seed=1,
    )  # fmt: skip
    assert share(left, "model_a") == pytest.approx(10 / 11, abs=0.005)
    assert share(left, "tie") == share(left, "both_bad") == 0


def test_both_bad_is_ten_times_rarer_per_400_points() -> None:
    strong = PLAIN | {"strengths": {"a": 0.0, "b": 400.0, "c": 400.0}, "both_bad": 0.5}
    drawn = draw_votes(StrengthModel.model_validate(strong), n_votes=200_000, n_raters=1, n_prompts=0, seed=1)
    of_the_strong = (drawn.model_a > 0) & (drawn.model_b > 0)
    both_bad = drawn.winner == WINNERS.index("both_bad")
    assert both_bad[of_the_strong].mean() == pytest.approx(0.05, abs=0.005)
    assert both_bad[~of_the_strong].mean() == pytest.approx(0.5 * 10**-0.5, abs=0.01)


def test_raters_have_different_and_stable_tastes() -> None:
    model = StrengthModel.model_validate(PLAIN | {"taste": 800.0})

    def preferences(n_votes: int, n_raters: int, n_earlier: int) -> list[float]:
        """By rater, how often the alphabetically first model wins against the second."""
        drawn = draw_votes(model, n_votes=n_votes, n_raters=n_raters, n_prompts=0, seed=5, n_earlier=n_earlier)
        ordered = (drawn.model_a == 0) & (drawn.model_b == 1)
        return [float((drawn.winner[ordered & (drawn.rater == r)] == 0).mean()) for r in range(3)]

    first = preferences(50_000, 3, 0)
    assert max(first) - min(first) > 0.3
    assert preferences(90_000, 5, 50_000) == pytest.approx(first, abs=0.08)


@given(
    st.fixed_dictionaries(
        {
            "strengths": st.dictionaries(st.sampled_from("abcdef"), st.floats(-1e5, 1e5), min_size=2),
            "tie": st.floats(0, 1, exclude_max=True),
            "both_bad": st.floats(0, 1, exclude_max=True),
            "taste": st.floats(0, 1e5),
            "side": st.floats(-1e5, 1e5),
        }
    ),
    st.integers(0, 2**64),
)
def test_any_strength_model_gives_votes_on_two_models(stated: dict[str, Any], seed: int) -> None:
    model = StrengthModel.model_validate(stated)
    drawn = draw_votes(model, n_votes=200, n_raters=7, n_prompts=2, seed=seed)
    assert (drawn.model_a != drawn.model_b).all()
    for indices, n in ((drawn.rater, 7), (drawn.model_a, len(model.strengths)), (drawn.model_b, len(model.strengths))):
        assert indices.shape == (200,)
        assert 0 <= indices.min() <= indices.max() < n
    assert set(np.unique(drawn.winner)) <= set(range(len(WINNERS)))
    assert drawn.prompt.max() < 2


@pytest.mark.parametrize(
    "change",
    [
        {"tie": 1.0},
        {"both_bad": -0.1},
        {"taste": -1.0},
        {"side": float("inf")},
        {"strengths": {"best": 1000.0}},
        {"strengths": {"best": float("nan"), "good": 1.0}},
        {"temperature": 1.0},
    ],
)
def test_an_invalid_strength_model_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        StrengthModel.model_validate(LIVELY | change)


@pytest.mark.parametrize("left_out", list(LIVELY))
def test_a_strength_model_needs_every_field(left_out: str) -> None:
    with pytest.raises(ValidationError):
        StrengthModel.model_validate({name: value for name, value in LIVELY.items() if name != left_out})


# Storage


def test_simulated_votes_and_raters_have_the_simulated_origin(simulated: Board) -> None:
    simulate_votes(simulated, n_votes=300, n_raters=12)
    votes = simulated.votes.all()
    assert votes.count() == votes.filter(origin=Origin.SIMULATED, battle=None).count() == 300
    raters = Rater.objects.filter(votes__board=simulated).distinct()
    assert raters.count() == raters.filter(origin=Origin.SIMULATED, board=simulated).count() == 12
    assert raters.filter(name="simulated rater 012").exists()
    prompts = simulated.prompt_sets.get().prompts.all()
    assert {vote.prompt for vote in votes} == set(prompts)
    assert votes.filter(category="counting", language="en").count() == 300


def test_same_seed_gives_the_same_votes(simulated: Board) -> None:
    drawn = []
    for seed in (1, 1, 2):
        board = builders.make_board(n_models=0, n_prompts=0, origin=Origin.SIMULATED, simulation=LIVELY)
        board.image_models.set(simulated.image_models.all())
        board.prompt_sets.set(simulated.prompt_sets.all())
        simulate_votes(board, n_votes=500, seed=seed)
        drawn.append(list_votes(board))
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_a_second_call_continues_with_the_same_raters(simulated: Board) -> None:
    simulate_votes(simulated, n_votes=200, n_raters=5, seed=1)
    simulate_votes(simulated, n_votes=200, n_raters=6, seed=1)
    votes = list_votes(simulated)
    assert len(votes) == 400
    assert votes[:200] != votes[200:]
    assert Rater.objects.filter(board=simulated).count() == 6


# Refusals


def test_the_database_refuses_simulated_votes_on_a_human_board(simulated: Board) -> None:
    board = builders.make_board()
    rater = Rater.objects.create(origin=Origin.SIMULATED, board=simulated, name="simulated rater 001")
    best, good = ImageModel.objects.filter(slug__in=["best", "good"])
    vote = Vote(
        board=board, rater=rater, model_a=best, model_b=good, winner="tie", origin="simulated", cast_at=timezone.now()
    )
    with pytest.raises(IntegrityError, match="a vote has the origin of its board"), transaction.atomic():
        Vote.objects.bulk_create([vote])
    assert not board.votes.exists()


@pytest.mark.parametrize("origin", [Origin.HUMAN, Origin.IMPORTED])
def test_the_database_refuses_a_change_of_origin(simulated: Board, origin: Origin) -> None:
    with pytest.raises(IntegrityError, match="the origin of a board never changes"), transaction.atomic():
        Board.objects.filter(pk=simulated.pk).update(origin=origin, simulation=None)


@pytest.mark.parametrize("origin", [Origin.HUMAN, Origin.IMPORTED])
def test_board_of_another_origin_is_refused(simulated: Board, origin: Origin) -> None:
    other = builders.make_board(origin=origin)
    with pytest.raises(SimulationError, match=f"origin {origin}.*Simulated boards: {simulated.slug}"):
        simulate_votes(other, n_votes=10)
    assert not other.votes.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("strengths", "message"),
    [
        (STRENGTHS | {"ghost": 1.0}, "lists models that are not on the board: ghost"),
        ({"best": 1.0, "good": 0.0}, "lacks models of the board: fair, poor"),
        ({"best": "strong", "good": 0.0}, "strengths.best"),
    ],
)
def test_the_strength_model_must_match_the_models_of_the_board(strengths: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        simulate_votes(make_simulated_board(PLAIN | {"strengths": strengths}), n_votes=10)


# The command


def simulate(*arguments: str) -> str:
    out = io.StringIO()
    call_command("simulate_votes", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_prints_the_strength_model(simulated: Board) -> None:
    out = simulate("--board", simulated.slug, "--votes", "120", "--raters", "4", "--seed", "9")
    assert simulated.votes.count() == 120
    assert "120 simulated votes by 4 raters, seed 9" in out
    assert "  best   1150.0 points\n" in out
    assert "ties of equals 15 %, both bad between the weakest 5 %" in out
    assert f"paragone rate_board --board {simulated.slug}" in out


def test_the_command_lists_the_simulated_boards(simulated: Board) -> None:
    with pytest.raises(CommandError, match=f"no board 'ghost'. Simulated boards: {simulated.slug}"):
        simulate("--board", "ghost", "--votes", "10")
    human = builders.make_board()
    with pytest.raises(CommandError, match=f"Simulated boards: {simulated.slug}"):
        simulate("--board", human.slug, "--votes", "10")


@pytest.mark.parametrize("arguments", [("--votes", "0"), ("--votes", "many"), ("--votes", "1", "--seed", "-1")])
def test_the_command_refuses_invalid_numbers(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="is not a whole number of at least"):
        simulate("--board", "any", *arguments)
