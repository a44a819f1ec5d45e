"""Markdown report: a comment on a pull request in GitHub's dialect, under 80 lines for any suite."""

import re
import unicodedata
from typing import Final

from evaluation.number_format import write_difference, write_difference_interval, write_interval, write_value
from evaluation.reports.report import (
    RunReport,
    SampleReport,
    describe_ties,
    find_worst,
    list_unscored,
    list_warnings,
    name_metrics,
    rank_outcomes,
    rank_rules,
    write_bias,
)
from evaluation.results import MetricOutcome, RuleVerdict

SIGNS: Final = {"pass": "✅ PASS", "fail": "❌ FAIL", "inconclusive": "⚠️ INCONCLUSIVE"}
MAX_RULES, MAX_METRICS, MAX_WORST, MAX_WARNINGS, MAX_UNSCORED = 12, 16, 5, 10, 6
MAX_TEXT, MAX_NAME, MAX_WARNING = 160, 100, 400


def to_markdown(report: RunReport) -> str:
    """The verdict, the rules (failed first), the metrics, why samples are unscored, the five worst, and the warnings.

    Omitted rows are counted.
    """
    sections = [
        _head(report),
        _list_rules(report),
        _list_metrics(report),
        _list_unscored(report),
        _list_worst(report),
        _list_warnings(report),
    ]
    foot = f"Run {escape(report.run)} · suite digest {escape(report.suite.digest[:12])}"
    return "\n\n".join("\n".join(lines) for lines in [*sections, [f"<sub>{foot}</sub>"]] if lines) + "\n"


def escape(text: str, longest: int = MAX_TEXT) -> str:
    """The text as one line without markup, mentions, references, links or changes of direction."""
    visible = "".join(c for c in " ".join(text.split()) if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co"})
    cut = visible if len(visible) <= longest else f"{visible[: longest - 1].rstrip()}…"
    marked = re.sub(r"[\\`*_{}\[\]<>#!|~&@$^]", lambda found: f"&#{ord(found[0])};", cut)
    # GitHub makes mentions, references, links and emoji of "@name", "#1", "www." and ":x" after decoding entities.
    return re.sub(r"(&#64;|&#35;|:(?=\S)|(?i:www)(?=\.))", r"\1&#8203;", marked)


def _head(report: RunReport) -> list[str]:
    sign = SIGNS[report.verdict.outcome] if report.verdict else "▫️ NO VERDICT"
    title = f"### {sign} · {_name(report.model.name, report.model.revision)} on {escape(report.suite.name, 60)}"
    against = (
        f" Baseline: {_name(report.baseline.name, report.baseline.revision)}." if report.baseline else " No baseline."
    )
    drawn = f"{report.n_drawn:,} of {report.n_samples:,} samples drawn"
    not_drawn = f", {report.n_refused:,} refused, {report.n_failed:,} failed"
    spent = "" if report.usd is None else f", ${report.usd:,.2f}"
    commit = f" Commit {escape(report.commit, 60)}." if report.commit else ""
    state = "" if report.status == "done" else f" The run is {escape(report.status)}."
    return [title, "", f"{drawn}{not_drawn}{spent}.{against}{commit}{state}"]


def _name(name: str, revision: str) -> str:
    return f"{escape(name, 60)} ({escape(revision, 40)})" if revision else escape(name, 60)


def _list_rules(report: RunReport) -> list[str]:
    rules = rank_rules(report)
    if not rules:
        return ["No rule was judged."]
    rows = [
        f"| {SIGNS[rule.outcome]} | {escape(rule.rule)} | {escape(rule.reason, 240)}{_write_needed(rule)} |"
        for rule in rules[:MAX_RULES]
    ]
    return ["| Verdict | Rule | Why |", "|---|---|---|", *rows, *_count_rest(len(rules) - MAX_RULES, "rule")]


def _write_needed(rule: RuleVerdict) -> str:
    return "" if rule.samples_needed is None else f" **{rule.samples_needed:,} more samples** would decide it."


def _list_metrics(report: RunReport) -> list[str]:
    if not report.outcomes:
        return []
    names = name_metrics(report)
    rows = [
        f"| {escape(names[outcome.label], MAX_NAME)} | {_write_value(outcome)} | {_write_interval(outcome)} "
        f"| {_write_difference(outcome)} | {outcome.n_scored:,} / {outcome.n_unscored:,} |"
        for outcome in report.outcomes[:MAX_METRICS]
    ]
    head = ["| Metric | Value | Interval | Against the baseline | Scored / unscored |", "|---|---:|---:|---:|---:|"]
    explained = ["↑ higher is better, ↓ lower is better"] if any("↑" in row or "↓" in row for row in rows) else []
    if any(outcome.bias is not None for outcome in report.outcomes[:MAX_METRICS]):
        explained.append(
            "bias by N: the value minus its limit for infinitely many images; intervals are of the value at N"
        )
    legend = ["", "; ".join(explained)] if explained else []
    return [*head, *rows, *_count_rest(len(report.outcomes) - MAX_METRICS, "metric"), *legend]


def _write_value(outcome: MetricOutcome) -> str:
    if outcome.value is None:
        return f"unscored: {escape(outcome.reason, 120)}"
    arrow = {True: " ↑", False: " ↓", None: ""}[outcome.higher_is_better]
    return f"**{escape(write_value(outcome.value, outcome.unit))}**{arrow}"


def _write_interval(outcome: MetricOutcome) -> str:
    if outcome.ci_low is None or outcome.ci_high is None:
        return "–"
    interval = write_interval(outcome.ci_low, outcome.ci_high, outcome.unit)
    return escape(", ".join(filter(None, (interval, write_bias(outcome)))))


def _write_difference(outcome: MetricOutcome) -> str:
    found = outcome.comparison
    if found is None:
        return "–"
    if found.difference is None:
        return escape(found.reason, 120)
    if found.ci_low is None or found.ci_high is None:
        return escape(write_difference(found.difference, outcome.unit))
    interval = write_difference_interval(found.ci_low, found.ci_high, outcome.unit)
    return escape(f"{write_difference(found.difference, outcome.unit)} ({interval})")


def _list_unscored(report: RunReport) -> list[str]:
    found = list_unscored(report)
    if not found:
        return []
    lines = [f"- {_join(metrics)}: {escape(reasons, MAX_WARNING)}" for metrics, reasons in found[:MAX_UNSCORED]]
    rest = sum(len(metrics) for metrics, _ in found[MAX_UNSCORED:])
    more = [f"- and {rest} more metric{'s' if rest > 1 else ''}: see the HTML report"] if rest else []
    return ["Unscored:", "", *lines, *more]


def _join(names: list[str]) -> str:
    shown = ", ".join(escape(name, MAX_NAME) for name in names[:3])
    return (
        f"{shown} and {len(names) - 3} more metrics"
        if len(names) > 4
        else ", ".join(escape(name, MAX_NAME) for name in names)
    )


def _list_worst(report: RunReport) -> list[str]:
    outcome, worst, ties = _choose_worst(report)
    if outcome is None:
        return []
    head = f"Worst samples by {escape(name_metrics(report)[outcome.label], MAX_NAME)}:"
    if not worst:
        return [f"{head} {escape(ties)}"]
    rows = [
        f"| {escape(sample.prompt)} | {sample.seed} | {_write_score(sample, outcome)} "
        f"| {escape(sample.scores[outcome.label].note)} |"
        for sample in worst
    ]
    return [
        f"{head} {escape(ties)}".rstrip(),
        "",
        "| Prompt | Seed | Value | Note |",
        "|---|---:|---:|---|",
        *rows,
    ]


def _choose_worst(report: RunReport) -> tuple[MetricOutcome | None, list[SampleReport], str]:
    """The worst samples of the metric with the most severe verdict that has scores of samples, and their ties."""
    for outcome in rank_outcomes(report):
        worst, ties = find_worst(report, outcome, MAX_WORST), describe_ties(report, outcome, MAX_WORST)
        if worst or ties:
            return outcome, worst, ties
    return None, [], ""


def _write_score(sample: SampleReport, outcome: MetricOutcome) -> str:
    value = sample.scores[outcome.label].value
    return "–" if value is None else escape(write_value(value, outcome.unit))


def _list_warnings(report: RunReport) -> list[str]:
    warnings = list_warnings(report)
    if not warnings:
        return []
    kept = [f"- {escape(warning, MAX_WARNING)}" for warning in warnings[:MAX_WARNINGS]]
    rest = len(warnings) - MAX_WARNINGS
    more = [f"- and {rest} more warning{'s' if rest > 1 else ''}: see the HTML report"] if rest > 0 else []
    return ["Warnings:", "", *kept, *more]


def _count_rest(n: int, noun: str) -> list[str]:
    """The last row of a table, which counts the rows left out."""
    return [f"| … | and {n} more {noun}{'s' if n > 1 else ''}: see the HTML report | |"] if n > 0 else []
