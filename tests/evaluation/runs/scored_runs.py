"""Runs for tests, drawn and scored as by workers."""

from evaluation.models import MetricResult, Run
from evaluation.runs import lifecycle
from generators.workers.drawing import produce


def prepare(run: Run) -> Run:
    """Add the samples of the run, as beat would."""
    while run.status == Run.Status.PREPARING:
        lifecycle.advance()
        run.refresh_from_db()
    return run


def draw(run: Run) -> None:
    prepare(run)
    for pk in run.samples.values_list("generation", flat=True):
        produce(pk)


def finish(run: Run) -> Run:
    """Draw and score the run as workers would."""
    draw(run)
    lifecycle.advance()
    lifecycle.score(run.pk)
    run.refresh_from_db()
    return run


def result_of(run: Run, label: str) -> MetricResult:
    return run.results.get(label=label)
