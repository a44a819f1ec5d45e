"""Faults of an image, extractor, metric or disk affect only their own part of a run."""

from pathlib import Path
from typing import Any

import pytest

from evaluation.extractors.base import MissingWeightsError
from evaluation.extractors.feature_store import FeatureStore
from evaluation.models import Run, Score
from evaluation.runs import lifecycle
from evaluation.runs.activity import describe_progress
from generators.images import originals
from generators.models import ImageModel
from tests.clock import Clock
from tests.evaluation.runs.scored_runs import draw, finish, result_of
from tests.evaluation.shades import Shade, write_suite

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shades")]

Status = Run.Status
GATE = '[[gate]]\nmetric = "mean-shade"\nat_least = 2\n'


def test_a_failing_metric_does_not_affect_others(tmp_path: Path, model: ImageModel, sent: list[int]) -> None:
    run = finish(lifecycle.start(write_suite(tmp_path, metrics=["broken", "mean-shade"]), model))
    assert run.status == Status.DONE
    assert result_of(run, "broken").value is None
    assert "this metric is broken" in result_of(run, "broken").reason
    assert result_of(run, "mean-shade").value == 7.5


def test_only_a_damaged_original_is_unscored(tmp_path: Path, model: ImageModel, sent: list[int]) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    draw(run)
    damaged, lost = run.samples.select_related("generation").order_by("pk")[:2]
    originals.path(damaged.generation.original).write_bytes(b"")
    originals.path(lost.generation.original).unlink()
    lifecycle.advance()
    lifecycle.score(run.pk)
    mean = result_of(run, "mean-shade")
    assert (mean.n_scored, mean.n_unscored) == (6, 2)
    assert any("damaged" in reason for reason in mean.outcome["reasons"])
    assert result_of(run, "spread").n_scored == 6


def test_a_disk_that_is_away_leaves_no_sample_unscored(
    tmp_path: Path, model: ImageModel, sent: list[int], monkeypatch: pytest.MonkeyPatch, clock: Clock, settings: Any
) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    draw(run)
    lifecycle.advance()
    reads = []

    def fail(digest: str) -> bytes:
        reads.append(digest)
        if len(reads) > 3:
            raise originals.StorageError("The disk of the images cannot be used: Input/output error")
        return read(digest)

    read = originals.read
    for _ in range(lifecycle.MAX_ATTEMPTS + 1):
        with monkeypatch.context() as away:
            away.setattr(originals, "read", fail)
            lifecycle.score(run.pk)
        run.refresh_from_db()
        assert (run.status, run.claimed_at, run.attempts) == (Status.SCORING, None, 0)
        assert "Input/output error" in run.message
        assert describe_progress(run).stage == "waiting for the stored images"
        assert not run.results.exists()
        clock.advance(settings.REDISPATCH_SECONDS - 1)
        assert lifecycle.advance() == 0
        clock.advance(1)
        assert lifecycle.advance() == 1
    lifecycle.score(run.pk)
    run.refresh_from_db()
    assert (run.status, run.message, result_of(run, "mean-shade").n_unscored) == (Status.DONE, "", 0)


def test_features_that_vanish_while_metrics_are_computed_put_the_run_off(
    tmp_path: Path, model: ImageModel, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lifecycle.start(write_suite(tmp_path), model)
    draw(run)
    lifecycle.advance()
    with monkeypatch.context() as away:
        away.setattr(FeatureStore, "read", lambda self, identity, digest: None)
        lifecycle.score(run.pk)
    run.refresh_from_db()
    assert (run.status, run.claimed_at) == (Status.SCORING, None)
    assert "cannot be read now" in run.message
    # The last attempt ends the run. Its metrics are scored by the next start.
    Run.objects.update(put_offs=lifecycle.MAX_PUT_OFFS)
    with monkeypatch.context() as away:
        away.setattr(FeatureStore, "read", lambda self, identity, digest: None)
        lifecycle.score(run.pk)
    run.refresh_from_db()
    assert (run.status, result_of(run, "mean-shade").value) == (Status.DONE, None)
    assert "cannot be read now" in result_of(run, "mean-shade").reason
    assert Score.objects.filter(is_unread=True).count() == 16
    finish(lifecycle.start(write_suite(tmp_path), model))
    assert result_of(run, "mean-shade").value == 7.5


def test_missing_weights_leave_the_metric_unscored_with_instructions(
    tmp_path: Path, model: ImageModel, sent: list[int]
) -> None:
    Shade.missing = "The shades are missing: pip install shades==1"
    run = finish(lifecycle.start(write_suite(tmp_path, more=GATE), model))
    assert (run.status, run.verdict) == (Status.DONE, "inconclusive")
    mean = result_of(run, "mean-shade")
    assert (mean.value, mean.n_scored, mean.n_unscored) == (None, 0, 8)
    assert "pip install shades==1" in mean.reason

    Shade.missing = ""
    again = finish(lifecycle.start(write_suite(tmp_path, more=GATE), model))
    assert (again, again.verdict) == (run, "pass")
    assert result_of(run, "mean-shade").value == 7.5


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("out of memory"), "RuntimeError: out of memory"),
        (MissingWeightsError("damaged: run x"), "damaged: run x"),
    ],
)
def test_a_failing_extractor_affects_only_its_own_metrics(
    tmp_path: Path, model: ImageModel, sent: list[int], error: Exception, reason: str
) -> None:
    Shade.dies_after, Shade.death = 4, error
    run = finish(lifecycle.start(write_suite(tmp_path, metrics=["mean-shade", "near-duplicates"], n=10), model))
    assert run.status == Status.DONE
    mean = result_of(run, "mean-shade")
    assert (mean.value, mean.reason, mean.n_unscored) == (None, reason, 20)
    assert result_of(run, "near-duplicates").value is not None


def test_an_unknown_variant_is_unscored_and_the_known_ones_are_listed(
    tmp_path: Path, model: ImageModel, sent: list[int]
) -> None:
    more = '[[metrics]]\nmetric = "vendi"\nextractor = "inception-v3/dirty"\n'
    run = finish(lifecycle.start(write_suite(tmp_path, more=more, n=10), model))
    assert run.status == Status.DONE
    assert "Known variants: clean" in result_of(run, "vendi").reason


def test_a_full_disk_affects_the_cache_and_no_number(
    tmp_path: Path, model: ImageModel, sent: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    run = lifecycle.start(write_suite(tmp_path), model)
    draw(run)
    lifecycle.advance()
    monkeypatch.setattr("evaluation.extractors.feature_store.write_atomically", fill_up)
    lifecycle.score(run.pk)
    assert (result_of(run, "mean-shade").value, result_of(run, "spread").value) == (7.5, 13)
