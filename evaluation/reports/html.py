"""HTML report: one file without scripts, fonts or requests. The only module of reports that uses Django (templates)."""

import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

from django.template.loader import render_to_string

from evaluation.number_format import DOLLARS, write_value
from evaluation.reports.metric_cards import make_metric_card, write_json
from evaluation.reports.report import SEVERITY, RunReport, find_seconds, rank_rules
from evaluation.reports.thumbnail_set import ThumbnailSet
from evaluation.reports.thumbnails import list_thumbnails, list_worst

INTERVAL_BAR_CSS: Final = Path(__file__).parents[1] / "static" / "evaluation" / "interval_bar.css"
MAX_WITHOUT_IMAGE: Final = 24
MAX_RECORD: Final = 100_000
# Control characters are of no use on a page, and some reverse the direction of the text after them.
INVISIBLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
VERDICTS: Final = {"pass": "Pass", "fail": "Fail", "inconclusive": "Inconclusive", "none": "No verdict"}
COUNTED: Final = {"pass": "passed", "fail": "failed", "inconclusive": "inconclusive"}


def to_html(report: RunReport, read_image: Callable[[str], bytes]) -> str:
    """The page. ``read_image`` gives the original of a sha256; if it fails, the page says so in the image's place.

    Images are small copies: of the worst samples of each metric, and of at most 120 others.
    """
    pictures = ThumbnailSet(read_image)
    worst, thumbnails = list_worst(report, pictures), list_thumbnails(report, pictures)
    without_image = [sample for sample in report.samples if not sample.image]
    verdict = report.verdict.outcome if report.verdict else "none"
    record = write_json(report.spec)
    context = {
        "report": report,
        "interval_bar_css": _read_css(),
        "verdict": verdict,
        "word": VERDICTS[verdict],
        "summary": _summarize(report),
        "figures": _list_figures(report),
        "rules": [(rule, VERDICTS[rule.outcome]) for rule in rank_rules(report)],
        "metric_cards": [make_metric_card(report, outcome) for outcome in report.outcomes],
        "worst": worst,
        "thumbnails": thumbnails,
        "n_hidden": sum(bool(sample.image) for sample in report.samples) - len(thumbnails),
        "without_image": without_image[:MAX_WITHOUT_IMAGE],
        "n_without_image_hidden": max(0, len(without_image) - MAX_WITHOUT_IMAGE),
        "pictures": pictures.pictures,
        "record": record[:MAX_RECORD],
        "record_cut": len(record) > MAX_RECORD,
    }
    return INVISIBLE.sub("", render_to_string("evaluation/report.html", context))


@cache
def _read_css() -> str:
    return INTERVAL_BAR_CSS.read_text(encoding="utf-8")


def _summarize(report: RunReport) -> str:
    if report.verdict is None:
        return "The suite has no rules." if report.status == "done" else f"The run is {report.status}."
    found = [rule.outcome for rule in report.verdict.rules]
    if not found:
        return "The suite has no rules."
    if set(found) == {"pass"}:
        return "The only rule passed." if len(found) == 1 else f"All {len(found)} rules passed."
    counts = [f"{found.count(outcome)} {COUNTED[outcome]}" for outcome in SEVERITY if outcome in found]
    return f"Of {len(found)} rule{'s' if len(found) > 1 else ''}: {', '.join(counts)}."


def _list_figures(report: RunReport) -> list[tuple[str, str, str]]:
    """(name, figure, detail)."""
    details = [f"{n:,} {what}" for n, what in ((report.n_refused, "refused"), (report.n_failed, "failed")) if n]
    n_open = report.n_samples - report.n_drawn - report.n_refused - report.n_failed
    details += [f"{n_open:,} not drawn yet"] if n_open > 0 else []
    figures = [("Samples", f"{report.n_drawn:,} of {report.n_samples:,}", ", ".join(details) or "all drawn")]
    if report.usd is not None:
        each = f"{write_value(report.usd / report.n_drawn, DOLLARS)} per image" if report.n_drawn else ""
        figures.append(("Cost", f"${report.usd:,.2f}", each))
    if (seconds := find_seconds(report)) is not None:
        figures.append(("Time", _write_duration(seconds), _write_time(report.finished)))
    elif report.started:
        figures.append(("Started", _write_time(report.started), report.status))
    if report.commit:
        figures.append(("Commit", report.commit[:10], ""))
    return figures


def _write_duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _write_time(moment: str) -> str:
    try:
        return f"{datetime.fromisoformat(moment):%-d %b %Y, %H:%M}"
    except ValueError:
        return moment
