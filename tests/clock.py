"""A clock that a test moves on by hand."""

from datetime import datetime, timedelta

from django.utils import timezone


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
