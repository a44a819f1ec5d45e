"""A report as one HTML file that needs nothing else: no script, no font, no request to anywhere."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.template.loader import render_to_string

from evaluation.reports.metric_cards import make_card, write_json
from evaluation.reports.pictures import Album
from evaluation.reports.report import SEVERITY, RunReport, find_seconds, rank_rules
from evaluation.reports.thumbnails import list_tiles, list_worst

MOST_LOST: Final = 24
# Control characters: none is of use on a page, and some turn the direction of the text behind them.
UNSEEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
LONGEST_RECORD: Final = 100_000
WORDS: Final = {"pass": "Pass", "fail": "Fail", "inconclusive": "Inconclusive", "none": "No verdict"}
COUNTED: Final = {"pass": "passed", "fail": "failed", "inconclusive": "inconclusive"}


def to_html(report: RunReport, read_image: Callable[[str], bytes]) -> str:
    """The page. ``read_image`` gives the original of a sha256; where it fails, the page says so in its place.

    Images are small copies: the worst samples of each metric, and at most 120 of all.
    """
    album = Album(read_image)
    worst, tiles = list_worst(report, album), list_tiles(report, album)
    lost = [sample for sample in report.samples if not sample.image]
    verdict = report.verdict.outcome if report.verdict else "none"
    record = write_json(report.spec)
    context = {
        "report": report,
        "verdict": verdict,
        "word": WORDS[verdict],
        "summary": _summarize(report),
        "facts": _list_facts(report),
        "rules": [(rule, WORDS[rule.outcome]) for rule in rank_rules(report)],
        "cards": [make_card(report, outcome) for outcome in report.outcomes],
        "worst": worst,
        "tiles": tiles,
        "n_hidden": sum(bool(sample.image) for sample in report.samples) - len(tiles),
        "lost": lost[:MOST_LOST],
        "n_lost_hidden": max(0, len(lost) - MOST_LOST),
        "pictures": album.pictures,
        "record": record[:LONGEST_RECORD],
        "record_cut": len(record) > LONGEST_RECORD,
    }
    return UNSEEN.sub("", render_to_string("evaluation/report.html", context))


def _summarize(report: RunReport) -> str:
    if report.verdict is None:
        return "No rule was judged." if report.status == "done" else f"The run is {report.status}."
    found = [rule.outcome for rule in report.verdict.rules]
    if not found:
        return "The suite has no rules, so nothing is promised."
    if set(found) == {"pass"}:
        return "The one rule holds." if len(found) == 1 else f"All {len(found)} rules hold."
    counts = [f"{found.count(outcome)} {COUNTED[outcome]}" for outcome in SEVERITY if outcome in found]
    return f"Of {len(found)} rule{'s' if len(found) > 1 else ''}: {', '.join(counts)}."


def _list_facts(report: RunReport) -> list[tuple[str, str, str]]:
    """(what, how much, more of it)."""
    lost = [f"{n:,} {what}" for n, what in ((report.n_refused, "refused"), (report.n_failed, "failed")) if n]
    facts = [("Samples", f"{report.n_drawn:,} of {report.n_samples:,}", ", ".join(lost) or "all drawn")]
    if report.n_drawn + report.n_refused + report.n_failed < report.n_samples:
        facts = [("Samples", f"{report.n_drawn:,} of {report.n_samples:,}", ", ".join([*lost, "not all drawn yet"]))]
    if report.usd is not None:
        each = f"US$ {report.usd / report.n_drawn:.4f} an image" if report.n_drawn else ""
        facts.append(("Cost", f"US$ {report.usd:,.2f}", each))
    if (seconds := find_seconds(report)) is not None:
        facts.append(("Time", _say_duration(seconds), _say_time(report.finished)))
    elif report.started:
        facts.append(("Started", _say_time(report.started), report.status))
    if report.commit:
        facts.append(("Commit", report.commit[:10], ""))
    return facts


def _say_duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _say_time(moment: str) -> str:
    try:
        return f"{datetime.fromisoformat(moment):%-d %b %Y, %H:%M}"
    except ValueError:
        return moment
