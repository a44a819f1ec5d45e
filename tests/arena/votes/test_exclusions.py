"""Exclusions: votes that do not count, what the database refuses, and counts that follow exactly."""

import uuid
from collections import Counter

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from arena.models import Board, ExcludedVote, Exclusion, Origin, Rater, Vote
from arena.votes.counts import advance_counts, read_counts
from arena.votes.exclusions import (
    REASONS,
    ExclusionError,
    exclude_automatically,
    exclude_votes,
    keep_countable,
    lift_exclusion,
)
from evaluation.ratings.outcomes import WINNERS
from tests import builders
from tests.arena.votes.counting import exclude_by_hand


@pytest.fixture
def imported(db: None) -> Board:
    return builders.make_board(n_models=3, n_prompts=0, origin=Origin.IMPORTED)


@pytest.fixture
def raters(imported: Board) -> list[Rater]:
    return [Rater.objects.create(origin=Origin.IMPORTED, board=imported, name=name) for name in "abc"]


def add_vote(board: Board, rater: Rater | None, a: int = 0, b: int = 1, winner: str = "model_a") -> Vote:
    models = list(board.image_models.order_by("pk"))
    fields = {"model_a": models[a], "model_b": models[b], "winner": winner, "rater": rater}
    return Vote.objects.create(board=board, origin=board.origin, cast_at=board.created_at, **fields)


def assert_exact(board: Board) -> None:
    """The counts equal those from scratch: a loop over all votes and all exclusions."""
    read, reasons = read_counts(board), exclude_by_hand(board)
    counts, models = Counter(), read.counts.models
    raters = set()
    for vote in board.votes.all():
        if vote.pk not in reasons:
            counts[vote.model_a_id, vote.model_b_id, vote.winner] += 1
            raters.add(vote.rater_id)
    assert read.counts.table.sum() == counts.total()
    for (a, b, winner), n in counts.items():
        assert read.counts.table[models.index(a), models.index(b), WINNERS.index(winner)] == n
    assert read.n_raters == len(raters - {None})
    assert {reason: excluded.n_votes for reason, excluded in read.excluded.items()} == Counter(reasons.values())
    assert set(keep_countable(board.votes.all())) == set(board.votes.exclude(pk__in=reasons))


votes = st.tuples(st.just("vote"), st.integers(0, 3), st.permutations(range(3)), st.sampled_from(WINNERS))
exclusions = st.tuples(
    st.just("exclude"), st.sets(st.integers(0, 30), min_size=1), st.sampled_from([*REASONS.values()])
)
lifts = st.tuples(st.just("lift"), st.integers(0, 5))
others = st.tuples(st.sampled_from(["advance", "count", "not count"]))


@pytest.mark.django_db
@hypothesis_settings(max_examples=40)
@given(events=st.lists(st.one_of(votes, votes, exclusions, lifts, others), max_size=25))
def test_any_sequence_of_events_leaves_the_counts_exact(events: list[tuple]) -> None:
    with transaction.atomic():
        board = builders.make_board(n_models=3, n_prompts=0, origin=Origin.IMPORTED)
        raters = [*(Rater.objects.create(origin=Origin.IMPORTED, board=board, name=name) for name in "abc"), None]
        for event, *arguments in events:
            happen(board, raters, event, arguments)
        assert_exact(board)
        transaction.set_rollback(True)


def happen(board: Board, raters: list[Rater | None], event: str, arguments: list) -> None:
    if event == "vote":
        rater, (a, b, _), winner = arguments
        add_vote(board, raters[rater], a, b, winner)
    elif event == "exclude":
        places, reason = arguments
        chosen = [vote for place, vote in enumerate(board.votes.order_by("id")) if place in places]
        if reason == "operator" and chosen:
            builders.exclude(*chosen)
        elif chosen:
            exclude_automatically(chosen[0], reason)
    elif event == "lift":
        in_force = board.exclusions.filter(lifted_at=None).exclude(reason="custom_prompt").order_by("id")
        for exclusion in in_force[arguments[0] : arguments[0] + 1]:
            lift_exclusion(exclusion, lifted_by="tests")
    elif event == "advance":
        advance_counts(board)
    else:
        board.rater_prompts = "counted" if event == "count" else "off"
        board.save()


def test_a_vote_under_two_exclusions_counts_again_when_both_are_lifted(imported: Board) -> None:
    vote = add_vote(imported, None)
    first, second = builders.exclude(vote), builders.exclude(vote)
    assert read_counts(imported).excluded["operator"].n_votes == 1
    lift_exclusion(first, lifted_by="tests")
    assert read_counts(imported).counts.n_votes == 0
    lift_exclusion(second, lifted_by="tests")
    assert read_counts(imported).counts.n_votes == 1


def test_the_reason_of_a_vote_with_several_is_the_first_in_order(imported: Board) -> None:
    vote = add_vote(imported, None)
    for reason in reversed(REASONS.values()):
        if reason == "operator":
            builders.exclude(vote)
        else:
            exclude_automatically(vote, reason)
        assert list(read_counts(imported).excluded) == [reason]
    assert_exact(imported)


def test_a_board_of_which_all_votes_are_excluded_has_no_votes_and_no_raters(
    imported: Board, raters: list[Rater]
) -> None:
    votes = [add_vote(imported, rater) for rater in raters * 2]
    advance_counts(imported)
    builders.exclude(*votes)
    read = read_counts(imported)
    assert (read.counts.n_votes, read.n_raters, read.excluded["operator"].n_votes) == (0, 0, 6)
    assert_exact(imported)


def test_a_rater_with_votes_on_two_boards_is_excluded_on_one(board: Board) -> None:
    other, key = builders.make_board(n_models=2, n_prompts=1, drawn=True), uuid.uuid4()
    vote, elsewhere = builders.make_vote(board, key=key), builders.make_vote(other, key=key)
    builders.exclude(vote)
    assert [read_counts(each).n_raters for each in (board, other)] == [0, 1]
    assert keep_countable(Vote.objects.all()).get() == elsewhere


def test_there_is_one_automatic_exclusion_for_each_reason_until_it_is_lifted(imported: Board) -> None:
    first, second = add_vote(imported, None), add_vote(imported, None)
    for vote in (first, second, second):
        exclude_automatically(vote, "limit")
    exclusion = imported.exclusions.get()
    assert set(exclusion.excluded_votes.values_list("vote", flat=True)) == {first.pk, second.pk}
    lift_exclusion(exclusion, lifted_by="Ada")
    exclude_automatically(second, "limit")
    assert imported.exclusions.get(lifted_at=None).excluded_votes.get().vote == second
    assert_exact(imported)


def test_an_exclusion_is_lifted_once(imported: Board) -> None:
    exclusion = builders.exclude(add_vote(imported, None))
    lift_exclusion(exclusion, lifted_by="Ada")
    with pytest.raises(ExclusionError, match="was lifted by Ada"):
        lift_exclusion(exclusion, lifted_by="Bob")


def test_an_exclusion_of_raters_prompts_is_not_lifted_but_declared(imported: Board) -> None:
    exclude_automatically(add_vote(imported, None), "custom_prompt")
    with pytest.raises(ExclusionError, match='rater_prompts = "counted"'):
        lift_exclusion(imported.exclusions.get(), lifted_by="Ada")


def test_an_unknown_reason_is_an_error(imported: Board) -> None:
    with pytest.raises(ValueError, match="boredom"):
        exclude_automatically(add_vote(imported, None), "boredom")


# What the database refuses


def refuse(call, *args: object, match: str, **fields: object) -> None:
    with pytest.raises(IntegrityError, match=match), transaction.atomic():
        call(*args, **fields)


@pytest.fixture
def exclusion(imported: Board) -> Exclusion:
    return builders.exclude(add_vote(imported, None))


def test_a_vote_is_never_deleted(exclusion: Exclusion) -> None:
    lonely = add_vote(exclusion.board, None)
    refuse(lonely.delete, match="never deleted")
    refuse(Vote.objects.filter(pk=lonely.pk)._raw_delete, Vote.objects.db, match="never deleted")


def test_excluded_votes_and_exclusions_are_never_deleted(exclusion: Exclusion) -> None:
    for rows in (ExcludedVote.objects.all(), Exclusion.objects.all()):
        refuse(rows._raw_delete, rows.db, match="never deleted")


@pytest.mark.parametrize(
    "change", [{"note": "no"}, {"made_by": "Bob"}, {"reason": "limit"}, {"lifted_by": "Bob"}, {"board": None}]
)
def test_an_exclusion_only_changes_by_being_lifted(exclusion: Exclusion, change: dict[str, object]) -> None:
    if "board" in change:
        change = {"board": builders.make_board()}
    row = Exclusion.objects.filter(pk=exclusion.pk)
    refuse(row.update, match="never changes", **change)
    refuse(row.update, match="never changes", lifted_at=exclusion.made_at, **{"note": "no"} | change)
    lift_exclusion(exclusion, lifted_by="Ada")
    refuse(row.update, match="never changes", lifted_at=None)
    refuse(row.update, match="never changes", lifted_by="Bob")


def test_an_excluded_vote_never_changes(exclusion: Exclusion) -> None:
    refuse(ExcludedVote.objects.update, match="never changes", vote=add_vote(exclusion.board, None))


def test_a_lifted_exclusion_takes_no_more_votes(exclusion: Exclusion) -> None:
    lift_exclusion(exclusion, lifted_by="Ada")
    vote = add_vote(exclusion.board, None)
    refuse(ExcludedVote.objects.create, match="lifted exclusion", exclusion=exclusion, vote=vote)


def test_the_votes_of_a_lifted_exclusion_can_be_restored_from_a_backup(exclusion: Exclusion) -> None:
    lift_exclusion(exclusion, lifted_by="Ada")
    restored, row = add_vote(exclusion.board, None), exclusion.excluded_votes.get()
    with connection.cursor() as sql:
        sql.execute(
            "INSERT INTO arena_excludedvote (exclusion_id, vote_id, added_at)"
            " SELECT exclusion_id, %s, added_at FROM arena_excludedvote WHERE id = %s",
            [restored.pk, row.pk],
        )
    assert exclusion.excluded_votes.count() == 2


def test_an_exclusion_is_about_votes_of_its_board(exclusion: Exclusion) -> None:
    vote = builders.make_vote(builders.make_board(n_models=2, n_prompts=1, drawn=True))
    refuse(ExcludedVote.objects.create, match="votes of its board", exclusion=exclusion, vote=vote)
    refuse(exclude_votes, exclusion.board, [vote.pk], match="votes of its board", note="no", made_by="Ada")


def test_a_vote_is_under_an_exclusion_once(exclusion: Exclusion) -> None:
    refuse(ExcludedVote.objects.create, match="(?i)unique", exclusion=exclusion, vote=Vote.objects.get())
