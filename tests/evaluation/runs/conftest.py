import pytest

from evaluation.runs import lifecycle
from generators.models import Generation
from generators.workers.drawing import produce


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that cannot be read are tried again at once."""
    monkeypatch.setattr("evaluation.runs.extractions.RETRY_PAUSES", (0.0, 0.0))


@pytest.fixture
def instant_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that process each message at once, for commands that wait."""
    monkeypatch.setattr("celery.current_app.send_task", lambda name, args, **kwargs: lifecycle.score(*args))
    monkeypatch.setattr("evaluation.management.waiting.POLL_SECONDS", 0)
    advance = lifecycle.advance

    def draw_and_advance() -> int:
        for pk in Generation.objects.filter(status="pending").values_list("pk", flat=True):
            produce(pk)
        return advance()

    monkeypatch.setattr(lifecycle, "advance", draw_and_advance)
