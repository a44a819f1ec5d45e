"""Pages of runs: access, progress, results and downloads."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from evaluation.models import Run
from evaluation.runs import lifecycle
from generators.images import originals
from generators.workers.drawing import produce
from tests import builders
from tests.evaluation.shades import Shade, Spread, shades, write_suite

__all__ = ["shades"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shades")]


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(User.objects.create_user("op", is_staff=True))
    return client


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("celery.current_app.send_task", lambda *args, **kwargs: None)
    suite = write_suite(tmp_path, more='[[gate]]\nmetric = "mean-shade"\nat_least = 2\n')
    run = lifecycle.start(suite, builders.make_model(adapter="scripted", name="Fresco <2>"), commit="abcdef")
    lifecycle.advance()
    return run


def draw(run: Run) -> list[str]:
    """Draw the images of the run. Returns their originals."""
    for pk in run.samples.values_list("generation", flat=True):
        produce(pk)
    return list(run.samples.values_list("generation__original", flat=True))


def finish(run: Run) -> None:
    draw(run)
    lifecycle.advance()
    lifecycle.score(run.pk)


@pytest.mark.parametrize("page", ["", "{key}/", "{key}/report.html", "{key}/report.json"])
def test_runs_are_for_staff_only(client: Client, run: Run, page: str) -> None:
    address = f"/runs/{page.format(key=run.key)}"
    assert client.get(address).status_code == 302
    client.force_login(User.objects.create_user("rater"))
    assert client.get(address).status_code == 403


def test_an_empty_list_of_runs_says_how_to_start_one(staff: Client) -> None:
    assert b"paragone run_suite smoke" in staff.get("/runs/").content


def test_an_open_run_shows_its_progress_and_reloads(staff: Client, run: Run) -> None:
    produce(run.samples.values_list("generation", flat=True)[0])
    page = staff.get(f"/runs/{run.key}/").content.decode()
    assert "drawing: 1 of 8" in page
    assert 'hx-trigger="every 2s"' in page
    fragment = staff.get(f"/runs/{run.key}/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment
    assert "drawing: 1 of 8" in fragment


def test_a_finished_run_shows_its_results_and_does_not_reload(staff: Client, run: Run) -> None:
    finish(run)
    page = staff.get(f"/runs/{run.key}/").content.decode()
    assert "Fresco &lt;2&gt;" in page
    assert "7.5" in page
    assert 'class="verdict pass"' in page
    assert "hx-trigger" not in page
    listed = staff.get("/runs/").content.decode()
    assert 'class="verdict pass"' in listed
    assert f"/runs/{run.key}/" in listed


def test_reasons_of_unscored_samples_are_grouped(staff: Client, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluation.runs.extractions.RETRY_PAUSES", ())
    for original in draw(run)[:5]:
        originals.path(original).unlink()
    lifecycle.advance()
    lifecycle.score(run.pk)
    page = staff.get(f"/runs/{run.key}/").content.decode()
    assert page.count("5 unscored: The original … is not in the store.") == 2
    assert "5 images could not be read from the store" in page
    assert f"paragone resume_run {str(run.key)[:8]}" in page
    report = staff.get(f"/runs/{run.key}/report.html").content.decode()
    assert report.count("<dt>5 unscored</dt><dd>The original … is not in the store.") == 2


def test_a_metric_is_shown_with_its_warnings(staff: Client, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Spread, "warnings", lambda metric, statistic: ("All <8> images are <alike>.",))
    finish(run)
    assert "All &lt;8&gt; images are &lt;alike&gt;." in staff.get(f"/runs/{run.key}/").content.decode()


def test_an_unscored_metric_says_why(staff: Client, run: Run) -> None:
    Shade.missing = "The shades are not here: pip install shades==1"
    finish(run)
    page = staff.get(f"/runs/{run.key}/").content.decode()
    assert "pip install shades==1" in page
    assert 'class="verdict inconclusive"' in page


def test_the_report_loads_nothing_and_runs_no_script(staff: Client, run: Run) -> None:
    finish(run)
    response = staff.get(f"/runs/{run.key}/report.html")
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'; img-src data:;" in policy
    assert "script-src" not in policy
    assert "Fresco &lt;2&gt;" in response.content.decode()


@pytest.mark.parametrize(
    ("kind", "media_type"), [("json", "application/json"), ("md", "text/markdown"), ("xml", "application/xml")]
)
def test_reports_are_downloaded(staff: Client, run: Run, kind: str, media_type: str) -> None:
    finish(run)
    response = staff.get(f"/runs/{run.key}/report.{kind}")
    assert response["Content-Type"].startswith(media_type)
    assert "attachment" in response["Content-Disposition"]
    assert b"Mean shade" in response.content or kind == "xml"


def test_a_report_of_an_unknown_kind_is_not_found(staff: Client, run: Run) -> None:
    assert staff.get(f"/runs/{run.key}/report.pdf").status_code == 404


def test_the_list_takes_a_fixed_number_of_queries(staff: Client, run: Run, django_assert_num_queries: object) -> None:
    staff.get("/runs/")
    with django_assert_num_queries(4):  # type: ignore[operator]
        staff.get("/runs/")
    for n in range(3):
        Run.objects.create(suite="shades", suite_digest=str(n), model=run.model, baseline=run, spec=run.spec)
    with django_assert_num_queries(4):  # type: ignore[operator]
        staff.get("/runs/")
