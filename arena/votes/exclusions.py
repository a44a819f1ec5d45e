"""Exclusions of votes: the one definition of which votes count, for counts, clusters and preferences.

A vote counts unless it is under an exclusion in force. If it is under several, its reason is the first of
``Exclusion.Reason``.
"""

import hashlib
import json
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any, Final

from django.db import transaction
from django.db.models import Case, Count, Exists, F, IntegerField, Max, Min, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone

from arena.models import Board, ExcludedVote, Exclusion, Vote

BATCH: Final = 5000
# The reasons by their place in the order of precedence, from 1.
REASONS: Final = dict(enumerate(Exclusion.Reason.values, 1))


class ExclusionError(Exception):
    """An exclusion cannot be lifted. The message says why."""


def keep_countable(votes: QuerySet[Vote], without: Q | None = None) -> QuerySet[Vote]:
    """Leave out the excluded votes, and those with the condition ``without``."""
    excluded = ExcludedVote.objects.filter(exclusion__in=Exclusion.objects.in_force(), vote=OuterRef("pk"))
    countable = votes.filter(~Exists(excluded))
    return countable if without is None else countable.exclude(without)


def list_excluded(board: Board) -> QuerySet[Any, Any]:
    """The board's excluded votes, each once, as dictionaries: the ``kind`` is a key of REASONS.

    The other columns are those that counting needs.
    """
    place = Case(
        *(When(exclusion__reason=reason, then=Value(place)) for place, reason in REASONS.items()),
        output_field=IntegerField(),
    )
    columns = {name: F(f"vote__{name}") for name in ("rater_id", "model_a_id", "model_b_id", "winner")}
    rows = ExcludedVote.objects.filter(exclusion__in=Exclusion.objects.in_force().filter(board=board)).order_by()
    return rows.values("vote_id", **columns).annotate(kind=Min(place))


def list_excluded_by(board: Board, condition: Q) -> QuerySet[Any, Any]:
    """The board's countable votes with the condition as ``list_excluded`` has them, if an operator excluded them."""
    kind = next(place for place, reason in REASONS.items() if reason == Exclusion.Reason.OPERATOR)
    rows = keep_countable(Vote.objects.filter(condition, board=board)).order_by()
    return rows.values("rater_id", "model_a_id", "model_b_id", "winner", kind=Value(kind), vote_id=F("id"))


def digest_exclusions(board: Board) -> str:
    """The sha256 of the board's exclusions in force; "" without any. While it is the same, so are the excluded votes.

    Votes are only ever added to an exclusion, so its id and its number of votes say which votes it has.
    """
    in_force = ExcludedVote.objects.filter(exclusion__in=Exclusion.objects.in_force().filter(board=board))
    sizes = list(in_force.order_by("exclusion").values_list("exclusion").annotate(votes=Count("*")))
    return hashlib.sha256(json.dumps(sizes).encode()).hexdigest() if sizes else ""


@transaction.atomic
def exclude_automatically(vote: Vote, reason: str) -> None:
    """Exclude a vote for a reason that no person decided. Each board has one such exclusion in force for each reason.

    Call it in the transaction that stores the vote, so that the vote never counts.
    """
    ExcludedVote.objects.get_or_create(exclusion=_open_automatic(vote.board_id, reason), vote=vote)


@transaction.atomic
def exclude_votes(board: Board, votes: Collection[int], *, note: str, made_by: str) -> Exclusion:
    """Exclude votes of the board (ids) by decision of a person."""
    exclusion = Exclusion.objects.create(board=board, reason=Exclusion.Reason.OPERATOR, note=note, made_by=made_by)
    _add_votes(exclusion, votes)
    return exclusion


@transaction.atomic
def exclude_imported(board: Board, reason: str, votes: Collection[int]) -> None:
    """Exclude new votes of the board (ids) that were excluded for this reason where they come from."""
    if reason == Exclusion.Reason.OPERATOR:
        exclude_votes(board, votes, note="Excluded by an operator where the votes come from", made_by="")
    else:
        _add_votes(_open_automatic(board.pk, reason), votes)


def _add_votes(exclusion: Exclusion, votes: Iterable[int]) -> None:
    rows = (ExcludedVote(exclusion=exclusion, vote_id=vote) for vote in votes)
    while batch := list(islice(rows, BATCH)):
        ExcludedVote.objects.bulk_create(batch)


def _open_automatic(board_id: int, reason: str) -> Exclusion:
    """The board's exclusion in force for a reason that no person decided, locked so that it is not lifted meanwhile.

    If it were, votes would count again without a decision about them.
    """
    exclusion, _ = Exclusion.objects.select_for_update(no_key=True).get_or_create(
        board_id=board_id, reason=Exclusion.Reason(reason), lifted_at=None
    )
    return exclusion


def lift_exclusion(exclusion: Exclusion, *, lifted_by: str) -> None:
    """Let the votes count again that are under no other exclusion.

    Raises:
        ExclusionError: It is lifted already, or is about raters' prompts, which the board's own setting decides.
    """
    if exclusion.reason == Exclusion.Reason.CUSTOM_PROMPT:
        raise ExclusionError(
            f"Exclusion {exclusion.pk} is about votes on raters' prompts. They count if the board "
            f'{exclusion.board.slug} declares rater_prompts = "{Board.RaterPrompts.COUNTED}".'
        )
    with transaction.atomic():
        # Locked, and never before its newest vote: a backup could not be restored otherwise (arena/triggers.py).
        Exclusion.objects.select_for_update(no_key=True).get(pk=exclusion.pk)
        newest = exclusion.excluded_votes.aggregate(added_at=Max("added_at"))["added_at"]
        lifted_at = max(timezone.now(), newest or exclusion.made_at)
        lifted = Exclusion.objects.filter(pk=exclusion.pk, lifted_at=None)
        n_lifted = lifted.update(lifted_at=lifted_at, lifted_by=lifted_by)
    if not n_lifted:
        exclusion.refresh_from_db()
        by = f" by {exclusion.lifted_by}" if exclusion.lifted_by else ""
        raise ExclusionError(f"Exclusion {exclusion.pk} was lifted{by} on {exclusion.lifted_at:%Y-%m-%d %H:%M} UTC.")
