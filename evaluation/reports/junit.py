"""JUnit XML of a run report: one test case for each rule of the gate.

A failed rule is a ``failure`` and an inconclusive one an ``error``: GitLab, Jenkins and GitHub's reporters show errors
in red, but skipped tests as if nothing were wrong. All metrics, and their warnings, are properties of the suite.
If no rule was judged, the file holds one error, because a file without test cases looks green.
"""

import re
from typing import Final
from xml.etree import ElementTree as ET

from evaluation.number_format import write_interval, write_value
from evaluation.reasons import write_reasons
from evaluation.reports.report import RunReport, find_seconds, write_bias
from evaluation.results import MetricOutcome, RuleVerdict

# Characters that XML 1.0 cannot hold, even escaped.
FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
TAGS: Final = {"fail": "failure", "inconclusive": "error"}


def to_junit(report: RunReport) -> str:
    """The XML document. It is green if and only if the verdict is PASS."""
    rules = _list_cases(report)
    counts = {
        "tests": str(len(rules)),
        "failures": str(sum(rule.outcome == "fail" for rule in rules)),
        "errors": str(sum(rule.outcome == "inconclusive" for rule in rules)),
        "skipped": "0",
        "time": f"{find_seconds(report) or 0.0:.3f}",
    }
    root = ET.Element("testsuites", {"name": "Paragone", **counts})
    about = {"name": _clean(report.suite.name), "timestamp": _clean(report.started), **counts}
    suite = ET.SubElement(root, "testsuite", about)
    properties = ET.SubElement(suite, "properties")
    for name, value in _list_properties(report):
        ET.SubElement(properties, "property", {"name": _clean(name), "value": _clean(value)})
    for rule in rules:
        notes = [note for outcome in report.outcomes if outcome.label == rule.label for note in _list_notes(outcome)]
        _add_case(suite, rule, f"{report.suite.name}.{report.model.slug}", "".join(f"\n{note}" for note in notes))
    ET.indent(root)
    return f"{DECLARATION}{ET.tostring(root, encoding='unicode')}\n"


def _list_cases(report: RunReport) -> tuple[RuleVerdict, ...]:
    if report.verdict and report.verdict.rules:
        return report.verdict.rules
    reason = f"The run is {report.status} and has no verdict." if not report.verdict else "The suite has no rules."
    return (RuleVerdict(rule="the suite has a verdict", label="gate", outcome="inconclusive", reason=reason),)


def _list_notes(outcome: MetricOutcome) -> list[str]:
    reasons = write_reasons(outcome.reasons)
    return [*(f"Warning: {warning}" for warning in outcome.warnings), *([f"Unscored: {reasons}"] if reasons else [])]


def _add_case(suite: ET.Element, rule: RuleVerdict, classname: str, notes: str) -> None:
    case = ET.SubElement(suite, "testcase", {"classname": _clean(classname), "name": _clean(rule.rule), "time": "0"})
    if rule.outcome == "pass":
        ET.SubElement(case, "system-out").text = _clean(f"{rule.reason}{notes}")
        return
    needed = "" if rule.samples_needed is None else f" {rule.samples_needed:,} more samples would decide it."
    found = ET.SubElement(case, TAGS[rule.outcome], {"type": rule.outcome, "message": _clean(rule.reason)})
    found.text = _clean(f"{rule.rule}\n{rule.reason}{needed}{notes}")


def _list_properties(report: RunReport) -> list[tuple[str, str]]:
    baseline = report.baseline
    about = [
        ("run", report.run),
        ("model", f"{report.model.slug} {report.model.revision}".strip()),
        ("baseline", f"{baseline.slug} {baseline.revision}".strip() if baseline else ""),
        ("commit", report.commit),
        ("verdict", report.verdict.outcome if report.verdict else ""),
    ]
    metrics = [(f"metric.{outcome.label}", _write(outcome)) for outcome in report.outcomes]
    warnings = [("warning", warning) for warning in report.warnings]
    warnings += [
        (f"metric.{outcome.label}.warning", warning) for outcome in report.outcomes for warning in outcome.warnings
    ]
    unscored = [(f"metric.{outcome.label}.unscored", write_reasons(outcome.reasons)) for outcome in report.outcomes]
    return [(name, value) for name, value in [*about, *metrics, *unscored, *warnings] if value]


def _write(outcome: MetricOutcome) -> str:
    title, counts = outcome.title, f"{outcome.n_scored} scored, {outcome.n_unscored} unscored"
    if outcome.value is None:
        return f"{title}: unscored: {outcome.reason} ({counts})"
    value = write_value(outcome.value, outcome.unit)
    if outcome.ci_low is None or outcome.ci_high is None:
        return f"{title}: {value} ({counts})"
    interval = write_interval(outcome.ci_low, outcome.ci_high, outcome.unit)
    bias = f", {found}" if (found := write_bias(outcome)) else ""
    return f"{title}: {value}, {100 * outcome.confidence:g} % interval {interval}{bias} ({counts})"


def _clean(text: str) -> str:
    return FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
