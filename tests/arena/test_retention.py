"""Retention: what is old and not needed goes, kind by kind, and nothing that a vote, a run or a page needs."""

import os
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from arena import retention
from arena.battles import blinding
from arena.leaderboards.retention import choose_superfluous
from arena.leaderboards.snapshots import rate_board
from arena.models import Battle, Board, Leaderboard, NetworkKey, RateCount, Rating, Vote
from evaluation.extractors.feature_store import FeatureStore
from evaluation.models import Run, Sample
from generators.images import originals
from generators.models import Charge, Generation, Price, Prompt
from generators.pruning import Pruned
from tests import builders

NOW = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)


def prune(**options: Any) -> dict[str, int]:
    """The number of deleted rows or files of each kind."""
    reports = retention.prune(**options)
    assert [report.error for report in reports] == [""] * len(retention.KINDS)
    return {report.kind: report.pruned.n for report in reports if report.pruned.n}


def age(model: type, days: int = 40, **wanted: Any) -> None:
    """Make rows old. Their dates are set when they are created."""
    field = {Battle: "opened_at", Generation: "created_at"}[model]  # type: ignore[index]
    model.objects.filter(**wanted).update(**{field: timezone.now() - timedelta(days=days)})  # type: ignore[attr-defined]


def age_file(file: Path, days: int = 40) -> None:
    then = time.time() - days * 86400
    os.utime(file, (then, then))


ages = st.lists(st.floats(min_value=0, max_value=120 * 24), max_size=40).map(sorted)


def at(hours: list[float]) -> list[tuple[int, datetime]]:
    """Snapshots of these ages in hours, the oldest first."""
    return [(n, NOW - timedelta(hours=age)) for n, age in enumerate(reversed(hours))]


@given(ages, st.integers(1, 10), st.integers(0, 90))
def test_of_each_period_the_last_snapshot_stays_and_the_first_and_newest_always(
    hours: list[float], all_days: int, hourly_days: int
) -> None:
    snapshots = at(hours)
    limits = {"all_days": all_days, "hourly_days": hourly_days}
    gone = set(choose_superfluous(snapshots, NOW, **limits))
    left = [snapshot for snapshot in snapshots if snapshot[0] not in gone]
    assert left[:1] == snapshots[:1]
    assert left[-1:] == snapshots[-1:]
    for pk, made in snapshots:
        if pk in gone:
            # Within the hour or day of a deleted snapshot, a later one stays.
            hourly = not hourly_days or made >= NOW - timedelta(days=all_days + hourly_days)
            period = "%Y%m%d%H" if hourly else "%Y%m%d"
            assert NOW - made > timedelta(days=all_days)
            assert any(n > pk and later.strftime(period) == made.strftime(period) for n, later in left)
    assert choose_superfluous(left, NOW, **limits) == [], "pruning again deletes nothing"


def make_snapshots(board: Board, n: int) -> list[Leaderboard]:
    """A real snapshot and ``n - 1`` copies, one of each hour half an hour apart, all 30 days old."""
    builders.make_vote(board)
    made = rate_board(board)
    assert made
    rows = [made]
    for _ in range(n - 1):
        copied = Leaderboard.objects.get(pk=made.pk)
        copied.pk = None
        copied.save(force_insert=True)
        rows.append(copied)
    return rows


def test_leaderboards_are_thinned_with_their_ratings(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_snapshots(board, 6)
    assert prune() == {}, "they are new"
    later = timezone.now() + timedelta(days=20)
    monkeypatch.setattr("arena.leaderboards.retention.timezone.now", lambda: later)
    (report,) = [report for report in retention.prune(dry_run=True) if report.kind == "leaderboards"]
    assert report.pruned.n in {3, 4}  # 4, or fewer at the end of an hour
    assert report.pruned.bytes > 0
    assert Leaderboard.objects.count() == 6
    retention.prune()
    left = list(Leaderboard.objects.order_by("pk").values_list("pk", flat=True))
    assert len(left) == 6 - report.pruned.n
    assert (left[0], left[-1]) == (rows[0].pk, rows[-1].pk)
    assert Rating.objects.filter(leaderboard=rows[0]).exists()


def test_battles_go_without_a_vote_and_stay_with_one(board: Board) -> None:
    voted = builders.make_vote(board).battle
    unanswered, fresh = builders.make_battle(board), builders.make_battle(board)
    age(Battle)
    age(Battle, days=1, pk=fresh.pk)
    assert prune(dry_run=True) == {"battles": 1}
    assert prune() == {"battles": 1}
    assert set(Battle.objects.values_list("pk", flat=True)) == {voted.pk, fresh.pk}
    assert not Battle.objects.filter(pk=unanswered.pk).exists()
    assert Vote.objects.count() == 1


@pytest.fixture
def typed(board: Board) -> Prompt:
    """A typed prompt with two images, whose battle has no vote."""
    board.rater_prompts = "counted"
    board.save()
    prompt = builders.make_rater_battle(board).prompt
    age(Battle)
    age(Generation)
    return prompt


def test_a_typed_prompt_goes_with_its_battle_and_later_its_images(typed: Prompt) -> None:
    files = [originals.path(digest) for digest in typed.generations.values_list("original", flat=True)]
    assert prune(dry_run=True) == {"battles": 1}
    assert prune() == {"battles": 1, "typed prompts": 1}
    assert not Prompt.objects.filter(pk=typed.pk).exists()
    assert all(file.exists() for file in files), "their age counts from when they were stored"
    for file in files:
        age_file(file)
    assert prune() == {"originals": len(set(files))}
    assert not any(file.exists() for file in files)


@pytest.mark.parametrize("need", ["vote", "charge", "sample", "fresh image", "another set"])
def test_a_typed_prompt_stays_while_something_needs_it(typed: Prompt, board: Board, need: str) -> None:
    image = typed.generations.all()[0]
    if need == "vote":
        Vote.objects.all()
        battle = Battle.objects.get()
        from arena.votes.casting import cast_vote

        owner = getattr(battle, "owner", None) or battle.opened_by
        cast_vote(battle, owner, "tie")
    elif need == "charge":
        price = Price.objects.create(model=image.model, valid_from="2026-01-01", units={"image": "1"}, estimate=1)
        Charge.objects.create(generation=image, attempt=1, model=image.model, price=price, state="settled", amount=1)
    elif need == "sample":
        run = Run.objects.create(suite="s", suite_digest="d", model=image.model, spec={})
        Sample.objects.create(run=run, generation=image)
    elif need == "fresh image":
        age(Generation, days=1, pk=image.pk)
    else:
        typed.prompt_set.digest = "0" * 64
        typed.prompt_set.save()
    prune()
    assert Prompt.objects.filter(pk=typed.pk).exists()
    assert typed.generations.count() == 2


def test_derivatives_go_when_they_are_not_read_and_are_made_again(board: Board) -> None:
    first, second = Generation.objects.ready()[:2]
    old, read = (blinding.derive(generation.original, 96, 96) for generation in (first, second))
    age_file(old)
    age_file(read)
    os.utime(read, (time.time(), time.time() - 40 * 86400))
    (report,) = [report for report in retention.prune(dry_run=True) if report.kind == "derivatives"]
    assert report.pruned == Pruned(1, old.stat().st_size)
    assert prune() == {"derivatives": 1}
    assert read.exists()
    assert blinding.derive(first.original, 96, 96) == old
    assert old.exists()


def test_features_go_when_they_are_not_read(db: None, settings) -> None:
    store = FeatureStore(Path(settings.MEDIA_ROOT) / "features")
    for digest in ("a" * 64, "b" * 64):
        store.write({"name": "earlier"}, digest, np.zeros(4, np.float32))
    (old,) = store.folder.glob("*/aa/*")
    age_file(old, days=91)
    assert prune(dry_run=True) == prune() == {"features": 1}
    assert (store.has({"name": "earlier"}, "a" * 64), store.has({"name": "earlier"}, "b" * 64)) == (False, True)
    settings.KEEP_FEATURES_DAYS = 0
    age_file(next(store.folder.glob("*/bb/*")), days=1000)
    assert prune() == {}


def test_expired_sessions_and_counters_go(db: None) -> None:
    for key, days in [("old", -1), ("new", 1)]:
        Session.objects.create(session_key=key, expire_date=timezone.now() + timedelta(days=days))
        RateCount.objects.create(scope=key, subject="s", bucket=0 if days < 0 else 2_000_000_000, count=1)
    NetworkKey.objects.create(month="2020-01-01")
    assert prune(dry_run=True) == prune() == {"sessions": 1, "counters": 2}
    assert Session.objects.get().session_key == RateCount.objects.get().scope == "new"


def test_zero_keeps_a_kind_for_ever(
    typed: Prompt, board: Board, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_snapshots(board, 4)
    age_file(blinding.derive(Generation.objects.ready()[0].original, 96, 96))
    age_file(originals.path(originals.store(b"no row names it")))
    for name in ("LEADERBOARDS", "BATTLES", "TYPED_PROMPTS", "DERIVATIVES", "ORPHANS"):
        setattr(settings, f"KEEP_{name}_DAYS", 0)
    later = timezone.now() + timedelta(days=20)
    monkeypatch.setattr("arena.leaderboards.retention.timezone.now", lambda: later)
    assert set(prune()) <= {"counters"}, "they have expired in these 20 days"


def test_a_fault_in_one_kind_does_not_stop_the_others(
    typed: Prompt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*, dry_run: bool) -> Any:
        yield Pruned(3)
        raise OSError("the disk is gone")

    monkeypatch.setattr(retention, "KINDS", {**retention.KINDS, "leaderboards": fail})
    with pytest.raises(CommandError, match="leaderboards"):
        call_command("prune")
    said = capsys.readouterr().out
    assert "leaderboards           3  failed: OSError: the disk is gone" in said
    assert "battles                1\n" in said
    assert not Battle.objects.exists()
    with pytest.raises(RuntimeError, match="the disk is gone"):
        retention.prune_in_background()


def test_a_dry_run_of_the_command_says_so_and_deletes_nothing(
    typed: Prompt, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("prune", dry_run=True)
    assert "nothing was deleted" in capsys.readouterr().out
    assert Battle.objects.exists()


def test_in_the_background_a_kind_stops_after_its_time(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def go_on(*, dry_run: bool) -> Any:
        while True:
            yield Pruned(1)

    monkeypatch.setattr(retention, "KINDS", {"endless": go_on})
    monkeypatch.setattr(retention, "BACKGROUND_SECONDS", 0.0)
    retention.prune_in_background()


def test_everything_that_rows_name_is_there_after_pruning(board: Board) -> None:
    edits = builders.make_edit_board(drawn=True)
    for chosen in (board, edits):
        builders.make_vote(chosen, key=uuid.uuid4())
        builders.make_battle(chosen)
    age(Battle)
    age(Generation)
    for file in (p for p in originals.path("00").parent.parent.rglob("*") if p.is_file()):
        age_file(file)
    prune()
    named = set(Generation.objects.ready().values_list("original", flat=True))
    named |= {source for prompt in Prompt.objects.all() for source in prompt.sources}
    assert len(named) > 5
    for digest in named:
        assert originals.read(digest)
    assert Vote.objects.count() == Battle.objects.count() == 2
