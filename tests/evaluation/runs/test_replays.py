"""Replays: a finished run measured again is equal bit for bit, or the differences are listed."""

from pathlib import Path
from typing import Any

import pytest

from evaluation.models import Run, Sample
from evaluation.runs import lifecycle, replays
from evaluation.runs.replays import ReplayError
from generators.images import originals
from generators.models import Generation
from tests import builders
from tests.evaluation.runs.scored_runs import draw
from tests.evaluation.shades import Shade, write_suite

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shades")]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("celery.current_app.send_task", lambda *args, **kwargs: None)
    suite = write_suite(tmp_path, more='[[gate]]\nmetric = "mean-shade"\nat_least = 2\n')
    baseline = lifecycle.start(suite, builders.make_model(adapter="scripted"))
    run = lifecycle.start(suite, builders.make_model(adapter="scripted"), baseline=baseline)
    draw(baseline)
    draw(run)
    for each in (baseline, run):
        lifecycle.advance()
        lifecycle.score(each.pk)
    run.refresh_from_db()
    return run


def differences(run: Run) -> dict[str, tuple[Any, Any]]:
    found = replays.replay(run, on_progress=lambda *_: None)
    return {difference.where: (difference.stored, difference.found) for difference in found}


def test_every_metric_is_reproduced(run: Run) -> None:
    assert run.status == Run.Status.DONE
    assert differences(run) == {}
    assert Shade.n_extracted == 8, "features come from the store; both models draw the same images"


def test_later_changes_of_the_images_do_not_matter(run: Run) -> None:
    generation = run.samples.order_by("pk")[0].generation
    Generation.objects.filter(pk=generation.pk).update(seconds=99, phash="0" * 16)
    assert differences(run) == {}


def test_deleted_features_are_extracted_again(run: Run, settings: Any) -> None:
    for file in (Path(settings.MEDIA_ROOT) / "features").rglob("*.npy"):
        file.unlink()
    assert differences(run) == {}
    assert Shade.n_extracted == 16


def test_missing_originals_are_listed(run: Run, settings: Any) -> None:
    for file in (Path(settings.MEDIA_ROOT) / "features").rglob("*.npy"):
        file.unlink()
    first = run.samples.order_by("pk")[0]
    originals.path(first.inputs["original"]).unlink()
    found = differences(run)
    assert found["mean-shade: n_scored"] == (8, 7)
    assert found["mean-shade: value"] == (7.5, pytest.approx((60 - 1) / 7))


def test_other_weights_are_listed_first(run: Run) -> None:
    Shade.version = "2"
    found = differences(run)
    assert next(iter(found)) == "record: extractors: shade: version"
    assert found["record: extractors: shade: version"] == ("1", "2")


def test_changed_sample_inputs_are_listed(run: Run) -> None:
    sample = Sample.objects.filter(run=run).order_by("pk")[0]
    sample.inputs = {**sample.inputs, "outcome": "failed"}
    sample.save()
    assert differences(run)["mean-shade: n_unscored"] == (0, 1)


def test_a_run_that_is_not_done_cannot_be_replayed(tmp_path: Path) -> None:
    run = lifecycle.start(write_suite(tmp_path), builders.make_model(adapter="scripted"))
    with pytest.raises(ReplayError, match="is preparing"):
        replays.replay(run, on_progress=lambda *_: None)
