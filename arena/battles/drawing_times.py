"""The usual time to draw an image on a board, which waiting pages show."""

from datetime import datetime
from statistics import median

from django.db.models import OuterRef, Subquery

from arena.models import Board
from generators.models import Generation


def find_usual_seconds(board: Board, before: datetime) -> float | None:
    """Median over the board's models of the time that their newest image took; None if there is no image.

    Only images finished before this time are read: if the value changed while the images of a battle are drawn, the
    change would tell how long they take. Waiting pages ask every second, so the cost does not grow with the images.
    """
    drawn = Generation.objects.filter(model=OuterRef("pk"), seconds__isnull=False, finished_at__lt=before)
    newest = Subquery(drawn.order_by("-finished_at").values("seconds")[:1])
    models = board.active_models.annotate(newest_seconds=newest).order_by()
    seconds = [found for found in models.values_list("newest_seconds", flat=True) if found is not None]
    return median(seconds) if seconds else None
