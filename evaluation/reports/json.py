"""JSON of a run report, as in the schema ``docs/run-report.schema.json``."""

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evaluation.reports.report import SCHEMA_VERSION, RunReport


def to_json(report: RunReport) -> str:
    """The report as JSON. NaN and infinities are the strings "NaN", "Infinity" and "-Infinity"."""
    return _adapter().dump_json(report, indent=2).decode()


def from_json(text: str) -> RunReport:
    """The report that ``to_json`` wrote. Raises ValueError for other JSON or another schema version."""
    try:
        version = json.loads(text)["schema_version"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"This is not a run report: {type(error).__name__}: {error}.") from error
    if version != SCHEMA_VERSION:
        raise ValueError(f"This report has schema version {version}; this version reads {SCHEMA_VERSION}.")
    try:
        return _adapter().validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"This is not a run report: {place}: {first['msg']}.") from error


def make_schema() -> dict[str, Any]:
    """JSON Schema of a report."""
    schema: dict[str, Any] = _allow_nan(_adapter().json_schema(mode="serialization"))
    return {**schema, "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Paragone run report"}


def _allow_nan(schema: Any) -> Any:
    """The schema with NaN and infinities allowed: pydantic writes them as strings and does not declare that."""
    if isinstance(schema, list):
        return [_allow_nan(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "number":
        rest = {key: value for key, value in schema.items() if key != "type"}
        return {**rest, "anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
    return {key: _allow_nan(value) for key, value in schema.items()}


@cache
def _adapter() -> TypeAdapter[RunReport]:
    return TypeAdapter(RunReport)
