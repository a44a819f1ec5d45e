"""JUnit report: one case for each rule, and green if and only if the gate passes."""

from xml.etree import ElementTree as ET

import pytest

from evaluation.reports.junit import to_junit
from evaluation.reports.report import RunReport
from evaluation.suites.gate import Rule
from tests.evaluation.reports.sample_reports import MISSING, make_hostile_report, make_outcome, make_report


def read(report: RunReport) -> ET.Element:
    suite = ET.fromstring(to_junit(report).encode()).find("testsuite")
    assert suite is not None
    return suite


def test_each_rule_is_a_case_and_only_a_pass_is_green() -> None:
    suite = read(make_report())
    cases = {case.get("name"): [child.tag for child in case] for case in suite.iter("testcase")}
    assert cases == {
        "text-sentence-accuracy at least 75 %": ["system-out"],
        "text-sentence-accuracy at most 2 percentage points worse than the baseline": ["system-out"],
        "fid at most 15": ["error"],
        "latency at most 2 s (value only)": ["failure"],
    }
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")] == [
        "4",
        "1",
        "1",
        "0",
        "125.000",
    ]
    assert {case.get("classname") for case in suite.iter("testcase")} == {"smoke.fresco-2"}


def test_the_message_is_the_reason() -> None:
    suite = read(make_report())
    failure, error = suite.find(".//failure"), suite.find(".//error")
    assert failure is not None
    assert error is not None
    assert failure.get("message") == "3 s from 120 samples: above the limit of 2 s."
    assert error.get("type") == "inconclusive"
    assert (error.text or "").endswith("630 more samples would decide it.")


def test_metrics_are_properties() -> None:
    unscored = make_outcome(label="clip", value=None, reason="no weights", n_scored=0, n_unscored=3)
    suite = read(make_report(outcomes=(make_outcome(), unscored)))
    found = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert (
        found["metric.text-sentence-accuracy"]
        == "Text: sentence accuracy: 84 %, 95 % interval 79 to 88 % (120 scored, 0 unscored)"
    )
    assert found["metric.clip"] == "Text: sentence accuracy: unscored: no weights (0 scored, 3 unscored)"
    assert found["model"] == "fresco-2 step-48000"


def test_reasons_of_unscored_samples_are_grouped() -> None:
    suite = read(make_report(outcomes=(make_outcome(reasons=MISSING), make_outcome(label="fid", reasons={}))))
    found = {one.get("name"): one.get("value") for one in suite.iter("property")}
    grouped = "25 × no file … (for example 'p0.png'); 2 × no image: refused"
    assert found["metric.text-sentence-accuracy.unscored"] == grouped
    assert "metric.fid.unscored" not in found
    case = suite.find("testcase/system-out")
    assert case is not None
    assert (case.text or "").endswith(f"\nUnscored: {grouped}")


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (make_report(verdict=None, status="failed"), "The run is failed and has no verdict."),
        (make_report(policy=()), "The suite has no rules."),
    ],
)
def test_a_run_without_rules_is_not_green(report: RunReport, message: str) -> None:
    suite = read(report)
    assert suite.get("errors") == "1"
    error = suite.find("testcase/error")
    assert error is not None
    assert error.get("message") == message


def test_a_run_that_passes_is_green() -> None:
    suite = read(make_report(policy=(Rule(metric="text-sentence-accuracy", at_least=0.5),)))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "0", "0")
    assert suite.find(".//failure") is None
    assert suite.find(".//error") is None


def test_hostile_texts_make_well_formed_xml() -> None:
    suite = read(make_hostile_report())
    (passed, opened) = suite.iter("testcase")
    assert "<script>alert(1)</script>" in (passed.get("name") or "")
    assert opened.find("error") is not None
    assert "\N{REPLACEMENT CHARACTER}" in (passed.get("name") or "")
