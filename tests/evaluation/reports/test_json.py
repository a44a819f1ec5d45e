"""JSON report: it can be read back, conforms to the published schema, and anything else is rejected."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.reports.json import from_json, make_schema, to_json
from evaluation.reports.report import find_seconds, name_metrics, rank_outcomes
from evaluation.results import Comparison, Verdict
from tests.evaluation.reports.sample_reports import make_hostile_report, make_outcome, make_report

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs" / "run-report.schema.json").read_text())

NUMBERS = st.none() | st.floats(allow_nan=False)
OUTCOMES = st.builds(
    make_outcome,
    label=st.text(),
    unit=st.text(),
    higher_is_better=st.none() | st.booleans(),
    value=NUMBERS,
    ci_low=NUMBERS,
    ci_high=NUMBERS,
    n_scored=st.integers(0, 10**9),
    groups=st.dictionaries(st.text(), st.floats(allow_nan=False), max_size=3),
    reasons=st.dictionaries(st.text(), st.integers(0), max_size=3),
    comparison=st.none() | st.builds(Comparison, difference=NUMBERS, reason=st.text()),
)


def find_faults(content: Any, schema: dict[str, Any] = SCHEMA, place: str = "report") -> list[str]:
    """Violations of a JSON Schema in ``content``, for the keywords that our schema uses."""
    if "$ref" in schema:
        return find_faults(content, SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], place)
    if "anyOf" in schema:
        faults = [find_faults(content, option, place) for option in schema["anyOf"]]
        return [] if [] in faults else [f"{place} is none of its alternatives: {faults}"]
    if "const" in schema or "enum" in schema:
        allowed = schema.get("enum", [schema.get("const")])
        return [] if content in allowed else [f"{place} is {content!r}, not of {allowed}"]
    kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    kind = schema.get("type")
    if kind in kinds:
        fits = isinstance(content, kinds[kind]) and (kind == "boolean" or not isinstance(content, bool))
        return [] if fits else [f"{place} is {content!r}, not a {kind}"]
    if kind == "array":
        if not isinstance(content, list) or not schema.get("minItems", 0) <= len(content) <= schema.get(
            "maxItems", math.inf
        ):
            return [f"{place} is no such list: {content!r}"]
        options = schema.get("prefixItems", [schema.get("items", {})] * len(content))
        pairs = enumerate(zip(content, options, strict=True))
        return [fault for i, (item, option) in pairs for fault in find_faults(item, option, f"{place}[{i}]")]
    if kind == "object":
        return find_faults_of_object(content, schema, place)
    assert set(schema) <= {"title", "description", "default"}, f"the validator does not know {schema}"
    return []


def find_faults_of_object(content: Any, schema: dict[str, Any], place: str) -> list[str]:
    if not isinstance(content, dict):
        return [f"{place} is no object: {content!r}"]
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    faults = [f"{place} has no {name}" for name in schema.get("required", []) if name not in content]
    for name, value in content.items():
        if name in properties or isinstance(others, dict):
            faults += find_faults(value, properties.get(name, others), f"{place}.{name}")
        elif others is False:
            faults.append(f"{place} has an unknown {name}")
    return faults


def test_the_documented_schema_is_up_to_date() -> None:
    assert make_schema() == SCHEMA


@pytest.mark.parametrize("report", [make_report(), make_hostile_report(), make_report(verdict=None, usd=None)])
def test_a_report_can_be_read_back_and_conforms_to_the_schema(report) -> None:
    text = to_json(report)
    assert from_json(text) == report
    assert find_faults(json.loads(text)) == []


@given(st.lists(OUTCOMES, max_size=3))
def test_any_numbers_and_texts_survive(outcomes) -> None:
    report = make_report(outcomes=tuple(outcomes))
    text = to_json(report)
    assert from_json(text) == report
    assert find_faults(json.loads(text)) == []


def test_nan_and_infinities_are_written_as_strings() -> None:
    report = make_report(outcomes=(make_outcome(value=math.nan, ci_low=-math.inf),), verdict=None)
    found = json.loads(to_json(report), parse_constant=pytest.fail)["outcomes"][0]
    assert (found["value"], found["ci_low"]) == ("NaN", "-Infinity")
    assert find_faults(json.loads(to_json(report))) == []
    again = from_json(to_json(report)).outcomes[0]
    assert again.value is not None
    assert math.isnan(again.value)


def test_the_validator_finds_violations() -> None:
    content = json.loads(to_json(make_report()))
    content["outcomes"][0]["value"] = "high"
    content["samples"][0]["surprise"] = 1
    content["samples"][1]["objects"][0]["box"] = [1, 2, 3]
    content["verdict"]["outcome"] = "maybe"
    del content["run"]
    places = " ".join(find_faults(content))
    assert all(
        part in places for part in ("has no run", "outcomes[0].value", "unknown surprise", "objects[0].box", "maybe")
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a run report: JSONDecodeError"),
        ("[]", "not a run report: TypeError"),
        ("{}", "not a run report: KeyError: 'schema_version'"),
        ('{"schema_version": 2}', "schema version 2; this version reads 1"),
        ('{"schema_version": 1}', "not a run report: run: Field required"),
        (to_json(make_report()).replace('"usd"', '"eur"'), "not a run report: eur: Unexpected"),
        (to_json(make_report()).replace('"n_prompts"', '"n_props"'), "outcomes.0.comparison.n_props: Unexpected"),
    ],
)
def test_other_json_is_rejected(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_json(text)


# Order of rules, metrics and samples


def test_metrics_with_one_title_are_named_with_their_labels() -> None:
    titles = {"bright-day": "Brightness", "bright-night": "Brightness", "fid": "FID"}
    report = make_report(outcomes=[make_outcome(label=label, title=title) for label, title in titles.items()])
    assert name_metrics(report) == {
        "bright-day": "Brightness (bright-day)",
        "bright-night": "Brightness (bright-night)",
        "fid": "FID",
    }


def test_the_metrics_whose_rules_fail_come_first() -> None:
    report = make_report()
    assert report.verdict
    assert [rule.outcome for rule in report.verdict.rules] == ["pass", "pass", "inconclusive", "fail"]
    assert [outcome.label for outcome in rank_outcomes(report)] == ["latency", "fid", "text-sentence-accuracy"]
    assert rank_outcomes(replace(report, verdict=None)) == list(report.outcomes)


def test_the_duration_is_the_time_between_start_and_finish() -> None:
    assert find_seconds(make_report()) == 125.0
    assert find_seconds(make_report(finished="")) is None
    assert find_seconds(make_report(finished="yesterday", verdict=Verdict(outcome="fail", rules=()))) is None
    assert find_seconds(make_report(finished="2026-03-02T09:02:05")) is None  # one end without its time zone
