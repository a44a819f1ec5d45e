import pytest


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that cannot be read are tried again at once."""
    monkeypatch.setattr("evaluation.runs.extractions.RETRY_PAUSES", (0.0, 0.0))
