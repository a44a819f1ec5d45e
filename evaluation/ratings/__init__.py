"""Ratings from votes, without Django and torch. ``rate`` does all steps; the modules hold the methods."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.ratings.rating_tables import rate

__all__ = ["rate"]


def __getattr__(name: str) -> Any:
    # At first use: the site starts without numpy.
    if name == "rate":
        from evaluation.ratings.rating_tables import rate

        return rate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
