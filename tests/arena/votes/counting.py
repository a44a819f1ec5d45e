"""Counting by hand: which votes are excluded, by a loop over all exclusions."""

from arena.models import Board, ExcludedVote

PRECEDENCE = ("limit", "unsafe", "reported_image", "custom_prompt", "operator")


def exclude_by_hand(board: Board) -> dict[int, str]:
    """The reason of each excluded vote (id) of the board."""
    board = Board.objects.get(pk=board.pk)
    reasons: dict[int, str] = {}
    for row in ExcludedVote.objects.select_related("exclusion"):
        exclusion = row.exclusion
        counted = exclusion.reason == "custom_prompt" and board.rater_prompts == "counted"
        if exclusion.board_id == board.pk and exclusion.lifted_at is None and not counted:
            reasons[row.vote_id] = min(exclusion.reason, reasons.get(row.vote_id, "operator"), key=PRECEDENCE.index)
    return reasons
