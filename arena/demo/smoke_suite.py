"""The smoke suite of the demo: two models are drawn, measured and judged, as a pipeline would do it."""

import logging
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from django.conf import settings

from arena.demo.processes import Child, DemoError
from evaluation.models import Run
from evaluation.reports.html import to_html
from evaluation.runs import lifecycle
from evaluation.runs.activity import describe_progress
from evaluation.runs.reports import make_report
from evaluation.suites.suite import load_suite
from generators.fixtures import find_fixture
from generators.images import originals
from generators.models import ImageModel

MODEL, BASELINE = "fresco-2", "linocut"
STALLED_AFTER = 600.0  # seconds without progress


def start_suite() -> Run | None:
    """Start the suite on both models; None if the packages that measure are not installed."""
    if find_spec("rapidocr") is None:
        logging.warning("The demo runs without a suite. To add it: pip install 'paragone[metrics]'.")
        return None
    suite = load_suite(find_fixture("smoke", "suites"))
    model, baseline = (ImageModel.objects.get(slug=slug) for slug in (MODEL, BASELINE))
    return lifecycle.start(suite, model, baseline=lifecycle.start(suite, baseline))


def wait_for_verdict(run: Run, children: Sequence[Child]) -> None:
    """Wait until the run is finished. Raises DemoError if it failed, made no progress, or a child ended."""
    moved_at, last = time.monotonic(), None
    while run.is_open:
        for child in children:
            child.expect_alive()
        if (progress := describe_progress(run)) != last:
            moved_at, last = time.monotonic(), progress
        elif time.monotonic() - moved_at > STALLED_AFTER:
            raise DemoError(f"The smoke suite has made no progress for {STALLED_AFTER:.0f} s: {progress}.")
        time.sleep(0.5)
        run.refresh_from_db()
    if run.status == Run.Status.FAILED:
        raise DemoError(f"The smoke suite failed: {run.message}")


def write_report(run: Run) -> str:
    """Write the report of a finished run; the line that names its verdict and the file."""
    file = Path(settings.VAR) / "reports" / "smoke.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(to_html(make_report(run), originals.read), encoding="utf-8")
    baseline = run.baseline.model.name if run.baseline else "nothing"
    return (
        f"Is {run.model.name} better than {baseline}? The smoke suite says {run.verdict.upper()}:"
        f" {run.results.count()} metrics on {run.samples.count()} images of each, in {file}"
    )
