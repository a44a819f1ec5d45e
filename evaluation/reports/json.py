"""JSON of a run report, by the published schema ``docs/run-report.schema.json``."""

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evaluation.reports.report import SCHEMA_VERSION, RunReport


def to_json(report: RunReport) -> str:
    """The report by ``docs/run-report.schema.json``. NaN and infinities are the strings "NaN", "Infinity"."""
    return _adapter().dump_json(report, indent=2).decode()


def from_json(text: str) -> RunReport:
    """The report that ``to_json`` wrote. Raises ValueError: no report, or one of another schema version."""
    try:
        version = json.loads(text)["schema_version"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"This is no run report: {type(error).__name__}: {error}.") from error
    if version != SCHEMA_VERSION:
        raise ValueError(f"This report has schema version {version}; wanted {SCHEMA_VERSION}.")
    try:
        return _adapter().validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"This is no run report: {place}: {first['msg']}.") from error


def make_schema() -> dict[str, Any]:
    """The JSON Schema of a report."""
    schema: dict[str, Any] = _name_no_numbers(_adapter().json_schema(mode="serialization"))
    return {**schema, "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Paragone run report"}


def _name_no_numbers(schema: Any) -> Any:
    """The schema with numbers that may be NaN or infinite: pydantic writes them by name and does not declare it."""
    if isinstance(schema, list):
        return [_name_no_numbers(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "number":
        rest = {key: value for key, value in schema.items() if key != "type"}
        return {**rest, "anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
    return {key: _name_no_numbers(value) for key, value in schema.items()}


@cache
def _adapter() -> TypeAdapter[RunReport]:
    return TypeAdapter(RunReport)
