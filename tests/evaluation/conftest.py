import pytest

from generators.models import ImageModel
from tests import builders
from tests.evaluation.shades import shades

__all__ = ["shades"]


@pytest.fixture
def model() -> ImageModel:
    """A model that draws what the test's script returns."""
    return builders.make_model(adapter="scripted")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Runs dispatched for scoring."""
    runs: list[int] = []
    monkeypatch.setattr("celery.current_app.send_task", lambda name, args, queue: runs.append(*args))
    return runs
