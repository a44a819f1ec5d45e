"""Board argument of commands: the slug of a board."""

from django.core.management.base import CommandError

from arena.models import Board


def find_board(slug: str) -> Board:
    """The board with this slug. Raises CommandError listing the known boards."""
    board = Board.objects.filter(slug=slug).first()
    if board is None:
        known = ", ".join(Board.objects.order_by("slug").values_list("slug", flat=True)) or "none"
        raise CommandError(f"There is no board {slug!r}. Known boards: {known}.")
    return board
