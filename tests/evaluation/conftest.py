import pytest

from generators.models import ImageModel
from tests import builders
from tests.evaluation.shades import shades

__all__ = ["shades"]


@pytest.fixture
def model() -> ImageModel:
    """It draws what the test's script says."""
    return builders.make_model(adapter="scripted")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The runs that workers were told to score."""
    told: list[int] = []
    monkeypatch.setattr("celery.current_app.send_task", lambda name, args, queue: told.append(*args))
    return told
