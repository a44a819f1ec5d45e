"""Retention: each kind of rows and files that grows by itself, and how old ones are deleted.

Nothing is deleted that a vote, a run, a prompt set or the newest leaderboard needs. A fault in one kind does not stop
the others.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings

from arena.battles.retention import prune_battles, prune_derivatives
from arena.leaderboards.retention import prune_leaderboards
from arena.rater_prompts.retention import prune_typed_prompts
from arena.raters.retention import prune_counters, prune_sessions
from evaluation.extractors.feature_store import FeatureStore
from generators.orphans import prune_originals
from generators.pruning import Pruned, delete_unused_files

log = structlog.get_logger(__name__)

# Seconds that a kind may take in the background, where other tasks wait. The rest follows on the next day.
BACKGROUND_SECONDS: Final = 45.0


def _prune_originals(*, dry_run: bool) -> Iterator[Pruned]:
    features = FeatureStore(Path(settings.MEDIA_ROOT) / "features")
    yield from prune_originals(settings.KEEP_ORPHANS_DAYS, dry_run=dry_run, forget=features.forget)


def _prune_features(*, dry_run: bool) -> Iterator[Pruned]:
    """Features that no scoring asks for any more, of earlier weights perhaps. They can be extracted again."""
    folder = Path(settings.MEDIA_ROOT) / "features"
    yield from delete_unused_files(folder, settings.KEEP_FEATURES_DAYS, dry_run=dry_run)


# In this order: a typed prompt is kept while it has a battle, an original while it has a prompt.
KINDS: Final[Mapping[str, Callable[..., Iterator[Pruned]]]] = {
    "leaderboards": prune_leaderboards,
    "battles": prune_battles,
    "typed prompts": prune_typed_prompts,
    "derivatives": prune_derivatives,
    "originals": _prune_originals,
    "features": _prune_features,
    "sessions": prune_sessions,
    "counters": prune_counters,
}


@dataclass(frozen=True)
class KindReport:
    """What was pruned of a kind. ``error`` is the fault that ended it early, or "" without one."""

    kind: str
    pruned: Pruned
    error: str = ""


def prune(*, dry_run: bool = False, seconds: float | None = None) -> list[KindReport]:
    """Prune every kind, each for at most ``seconds``."""
    return [_prune_kind(kind, dry_run, seconds) for kind in KINDS]


def prune_in_background() -> None:
    """Prune for a limited time, and log what was deleted. Raises RuntimeError with the faults, after all kinds."""
    reports = prune(seconds=BACKGROUND_SECONDS)
    log.info("pruned", **{report.kind.replace(" ", "_"): report.pruned.n for report in reports})
    if faults := [f"{report.kind}: {report.error}" for report in reports if report.error]:
        raise RuntimeError("; ".join(faults))


def _prune_kind(kind: str, dry_run: bool, seconds: float | None) -> KindReport:
    pruned, started = Pruned(), time.monotonic()
    try:
        for part in KINDS[kind](dry_run=dry_run):
            pruned += part
            if seconds is not None and time.monotonic() - started > seconds:
                break
    except Exception as error:
        log.exception("prune_failed", kind=kind)
        return KindReport(kind, pruned, f"{type(error).__name__}: {error}")
    return KindReport(kind, pruned)
