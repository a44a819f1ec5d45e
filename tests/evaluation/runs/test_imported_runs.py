"""Runs of imported images, of which some are missing or broken."""

from pathlib import Path

import pytest

from evaluation.models import Run
from evaluation.runs import lifecycle
from evaluation.runs.lifecycle import RunError
from evaluation.runs.reports import make_report
from evaluation.suites.suite import Suite, declare_prompts
from generators.generations import request_generations, retry_generations
from generators.models import Generation, ImageModel, Prompt
from tests import builders
from tests.evaluation.runs.scored_runs import finish, result_of
from tests.evaluation.shades import write_suite
from tests.fake_adapters import paint
from tests.generators.imports.manifest_files import import_file, write

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shades", "sent")]

GATE = '[[gate]]\nmetric = "mean-shade"\nat_least = -1\nmax_unscored = 0.5\n'
BROKEN = {"p1-0.png": None, "p1-1.png": b"", "p2-0.png": b"text", "p2-1.png": paint(1)[:-30]}


@pytest.fixture
def imported() -> ImageModel:
    return builders.make_model(slug="midjourney-7", adapter="")


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    suite = write_suite(tmp_path, more=GATE)
    declare_prompts(suite)
    return suite


def import_images(folder: Path, broken: dict[str, bytes | None], *options: str) -> str:
    """Import images of all prompts and seeds, some with other bytes or none."""
    lines = []
    for n, prompt in enumerate(Prompt.objects.order_by("key")):
        for seed in (0, 1):
            name = f"{prompt.key}-{seed}.png"
            data = broken.get(name, paint(20 * n + seed))
            (folder / name).unlink(missing_ok=True)
            if data is not None:
                (folder / name).write_bytes(data)
            lines.append({"model": "midjourney-7", "prompt_key": prompt.key, "seed": seed, "file": name})
    return import_file(write(folder, *lines), "--prompt-set", "shades 4", *options)


def test_broken_images_are_unscored_with_their_reasons(tmp_path: Path, suite: Suite, imported: ImageModel) -> None:
    import_images(tmp_path, BROKEN, "--keep-valid")
    run = finish(lifecycle.start(suite, imported))
    assert (run.status, run.verdict) == ("done", "pass")
    mean = result_of(run, "mean-shade")
    assert (mean.n_scored, mean.n_unscored) == (4, 4)
    reasons = " ".join(mean.outcome["reasons"])
    for part in ("there is no file 'p1-0.png'", "got no bytes at all", "got text", "cut off"):
        assert part in reasons
    assert sum(mean.outcome["reasons"].values()) == 4
    report = make_report(run)
    assert (report.n_samples, report.n_drawn, report.n_failed) == (8, 4, 4)
    assert "there is no file" in next(s.reason for s in report.samples if (s.prompt_key, s.seed) == ("p1", 0))


def test_images_that_no_manifest_names_are_unscored(tmp_path: Path, suite: Suite, imported: ImageModel) -> None:
    import_images(tmp_path, {})
    Generation.objects.filter(prompt__key="p3").delete()
    run = finish(lifecycle.start(suite, imported))
    mean = result_of(run, "mean-shade")
    assert (run.status, mean.n_scored, mean.n_unscored) == ("done", 6, 2)
    assert mean.outcome["reasons"] == {"no image: failed (no image was imported)": 2}


def test_images_imported_later_are_scored_by_the_next_start(tmp_path: Path, suite: Suite, imported: ImageModel) -> None:
    import_images(tmp_path, BROKEN, "--keep-valid")
    Generation.objects.filter(prompt__key="p3").delete()
    first = finish(lifecycle.start(suite, imported))
    assert result_of(first, "mean-shade").n_scored == 2
    unchanged = lifecycle.start(suite, imported)
    assert (unchanged, unchanged.status) == (first, Run.Status.DONE)

    import_images(tmp_path, {})
    again = finish(lifecycle.start(suite, imported))
    assert again == first
    assert (result_of(again, "mean-shade").n_scored, result_of(again, "mean-shade").n_unscored) == (8, 0)


def test_a_run_without_any_image_does_not_start(tmp_path: Path, suite: Suite, imported: ImageModel) -> None:
    with pytest.raises(RunError, match="8 of the 8 images of this suite are missing"):
        lifecycle.start(suite, imported)
    # Nor if an earlier run or a board has asked for them.
    prompt = Prompt.objects.order_by("key")[0]
    (absent,) = request_generations([(imported, prompt, 0)], width=8, height=8)
    assert (absent.status, absent.reason) == ("failed", "not_imported")
    assert retry_generations(Generation.objects.all()) == 0
    with pytest.raises(RunError, match="are missing"):
        lifecycle.start(suite, imported)


def test_a_baseline_with_broken_images_is_compared_on_the_others(
    tmp_path: Path, suite: Suite, imported: ImageModel
) -> None:
    import_images(tmp_path, BROKEN, "--keep-valid")
    baseline = finish(lifecycle.start(suite, imported))
    run = finish(lifecycle.start(suite, builders.make_model(adapter="scripted"), baseline=baseline))
    comparison = result_of(run, "mean-shade").outcome["comparison"]
    assert (comparison["n_samples"], comparison["n_prompts"]) == (4, 2)
