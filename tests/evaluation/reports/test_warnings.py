"""Warnings: each stands in every report."""

from collections.abc import Callable
from html import unescape
from xml.etree import ElementTree as ET

import pytest

from evaluation.reports.html import to_html
from evaluation.reports.json import to_json
from evaluation.reports.junit import to_junit
from evaluation.reports.markdown import to_markdown
from evaluation.reports.report import RunReport, list_warnings
from tests.evaluation.reports.sample_reports import make_outcome, make_report, read_image

BIASED = "With 20 images the value is about 3 too high"
FEW = "Only 20 samples were scored; the value is not meaningful below 50."


def warned_report() -> RunReport:
    outcomes = (
        make_outcome(label="fid", title="FID", warnings=(BIASED, FEW)),
        make_outcome(label="kid", title="KID", warnings=(FEW,)),
        make_outcome(),
    )
    return make_report(outcomes=outcomes, warnings=("The disk was away.",))


@pytest.mark.parametrize("write", [to_markdown, to_junit, to_json, lambda report: to_html(report, read_image)])
def test_every_report_has_every_warning(write: Callable[[RunReport], str]) -> None:
    text = unescape(write(warned_report()))
    for warning in (BIASED, FEW, "The disk was away."):
        assert warning in text


def test_a_warning_is_listed_once_with_the_metrics_that_it_is_on() -> None:
    assert list_warnings(warned_report()) == ["The disk was away.", f"FID: {BIASED}", f"FID; KID: {FEW}"]
    lines = to_markdown(warned_report()).splitlines()
    assert lines[lines.index("Warnings:") + 2 :][:3] == [
        "- The disk was away.",
        f"- FID: {BIASED}",
        f"- FID; KID: {FEW}",
    ]


def test_a_report_without_warnings_has_no_heading_for_them() -> None:
    assert "Warnings" not in to_markdown(make_report())


def test_a_test_case_has_the_warnings_of_its_metric() -> None:
    suite = ET.fromstring(to_junit(warned_report())).find("testsuite")
    assert suite is not None
    texts = {str(case.get("name")): "".join(case.itertext()) for case in suite.iter("testcase")}
    assert len(texts) > 2
    for name, text in texts.items():
        assert (f"Warning: {BIASED}" in text) == name.startswith("fid")


def test_every_report_has_the_bias_and_says_what_it_is_of() -> None:
    outcome = make_outcome(label="fid", title="FID", unit="", value=14.0, ci_low=12.0, ci_high=16.0, bias=0.4512)
    report = make_report(outcomes=(outcome,), policy=())
    assert "| 12 to 16, bias by N about +0.45 |" in to_markdown(report)
    assert "; bias by N: the value minus its limit for infinitely many images" in to_markdown(report)
    assert "95 % interval 12 to 16, bias by N about +0.45 (" in to_junit(report)
    assert "bias by N about +0.45" in unescape(to_html(report, read_image))
    assert '"bias": 0.4512' in to_json(report)
    assert "bias" not in to_markdown(make_report())
