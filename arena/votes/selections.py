"""Selection of a board's votes by rater, network, time and battle, as an operator writes it."""

import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import and_

from django.contrib.auth import get_user_model
from django.db.models import Q

from arena.models import Battle, Board, Rater
from arena.raters.identity import find_account_key


class SelectionError(Exception):
    """The board has no such votes. The message says what is unknown, or missing."""


@dataclass(frozen=True)
class Selection:
    """What the selected votes have in common. Of several raters (networks, battles), one must fit."""

    raters: Sequence[str] = ()
    networks: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    battles: Sequence[str] = ()


def find_condition(board: Board, selection: Selection) -> Q:
    """The selection as a condition on the board's votes. ``since`` is inclusive, ``until`` is not.

    Raises:
        SelectionError: The selection is empty, or names a rater, network or battle that the board does not have.
    """
    conditions = []
    if selection.raters:
        conditions.append(Q(rater__in=[_find_rater(board, rater) for rater in selection.raters]))
    if selection.networks:
        known = Battle.objects.filter(board=board, network__in=[network for network in selection.networks if network])
        _expect_all(board, "battle from the network", selection.networks, known.values_list("network", flat=True))
        conditions.append(Q(battle__network__in=selection.networks))
    if selection.battles:
        battles = dict(Battle.objects.filter(board=board, token__in=selection.battles).values_list("token", "pk"))
        _expect_all(board, "battle", selection.battles, battles)
        conditions.append(Q(battle__in=battles.values()))
    if selection.since:
        conditions.append(Q(cast_at__gte=selection.since))
    if selection.until:
        conditions.append(Q(cast_at__lt=selection.until))
    if selection.since and selection.until and selection.since >= selection.until:
        raise SelectionError(f"No time is both since {selection.since} and before {selection.until}.")
    if not conditions:
        raise SelectionError("This would select every vote of the board. Name raters, a network, a time or battles.")
    return reduce(and_, conditions)


def _find_rater(board: Board, text: str) -> int:
    """The id of the rater with this key, name or account, who has voted on the board."""
    named = Q(name=text, board=board)
    with suppress(ValueError):
        named |= Q(key=uuid.UUID(text))
    accounts = get_user_model().objects.filter(username=text).values_list("pk", flat=True)
    named |= Q(key__in=[find_account_key(pk) for pk in accounts])
    rater = Rater.objects.filter(named, votes__board=board).order_by("pk").first()
    if rater is None:
        wanted = "the account or the key (a UUID) of a rater" if board.takes_votes else "the name of a rater"
        raise SelectionError(f"The rater {text!r} has no votes on the board {board.slug}. Give {wanted} who has.")
    return rater.pk


def _expect_all(board: Board, kind: str, wanted: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(wanted) - set(known)):
        raise SelectionError(f"The board {board.slug} has no {kind} {', '.join(map(repr, unknown))}.")
