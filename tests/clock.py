"""Clocks of tests: one that a test moves on by hand, and one that is wrong."""

import time
from datetime import datetime, timedelta

import pytest
from django.utils import timezone


def shift_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Make this process one whose clock is ``seconds`` ahead of those of the other machines and the database."""
    now, wall = timezone.now, time.time
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(seconds=seconds))
    monkeypatch.setattr(time, "time", lambda: wall() + seconds)


class Clock:
    def __init__(self) -> None:
        self.now = timezone.now()
        self.slept: list[float] = []

    def read(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        """Stands in for ``time.sleep``: the time passes at once."""
        self.slept.append(seconds)
        self.advance(seconds)
