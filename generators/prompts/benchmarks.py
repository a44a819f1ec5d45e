"""Prompts of public benchmarks: the published files, read as prompt sets. Each format is a row model."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from generators.input_files.csv_jsonl import TEXT_READERS, Record, read_table, read_tsv
from generators.input_files.faults import InputFileError, InvalidLineError, describe_faults, quote_value
from generators.input_files.rows import Row, check_columns, read_rows
from generators.prompts.packs import PromptDeclaration, PromptSetDeclaration

IDEOGRAPH: Final = re.compile("[\u3400-\u9fff]")


class BenchmarkRow(Row):
    """A row of a benchmark's file, and the benchmark's title, source and license."""

    title: ClassVar[str]
    source: ClassVar[str]
    license: ClassVar[str]

    def declare(self, number: int) -> dict[str, Any]:
        """The fields of a PromptDeclaration. ``number`` counts the rows from 1. Raises InvalidLineError."""
        raise NotImplementedError


class PartiRow(BenchmarkRow):
    """PartiPrompts (Yu et al. 2022, "Scaling autoregressive models for content-rich text-to-image generation")."""

    title = "PartiPrompts"
    source = "https://github.com/google-research/parti"
    license = "Apache-2.0"

    prompt: str = Field(alias="Prompt")
    category: str = Field(alias="Category")
    challenge: str = Field(alias="Challenge")

    def declare(self, number: int) -> dict[str, Any]:
        tags = [self.challenge] if self.challenge else []
        return {"key": f"{number:04}", "text": self.prompt, "category": self.category, "language": "en", "tags": tags}


class GenEvalObject(BaseModel):
    """An object that an image must have, or must not have ``count`` times."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(alias="class", min_length=1)
    count: int = Field(ge=1)
    color: str | None = None
    # The relation to another object, and the index of that object in the row's ``include``.
    position: tuple[Literal["left of", "right of", "above", "below"], int] | None = None


class GenEvalRow(BenchmarkRow):
    """GenEval (Ghosh et al. 2023, "GenEval: an object-focused framework for evaluating text-to-image alignment").

    An included object must be there at least ``count`` times. The count is exact, and becomes a check, only if one
    more is excluded.
    """

    title = "GenEval"
    source = "https://github.com/djghosh13/geneval"
    license = "MIT"

    tag: str
    prompt: str
    include: tuple[GenEvalObject, ...] = Field(min_length=1)
    exclude: tuple[GenEvalObject, ...] = ()

    def declare(self, number: int) -> dict[str, Any]:
        checks = [self._check(included) for included in self.include]
        return {
            "key": f"{number:04}",
            "text": self.prompt,
            "category": self.tag,
            "language": "en",
            "tags": [self.tag],
            "checks": checks,
        }

    def _check(self, included: GenEvalObject) -> dict[str, Any]:
        check: dict[str, Any] = {"object": included.name}
        limits = [other.count for other in self.exclude if other.name == included.name]
        if included.count + 1 in limits:
            check["count"] = included.count
        elif included.count > 1 or limits:
            name, one_more = quote_value(included.name), included.count + 1
            raise InvalidLineError(f"{name} has a count, but no exclusion of {one_more} makes it exact")
        if included.color is not None:
            check["color"] = included.color
        if included.position is not None:
            relation, index = included.position
            if not 0 <= index < len(self.include) or self.include[index] is included:
                name = quote_value(included.name)
                raise InvalidLineError(f"{name} is {relation} object {index}, but include has no other object {index}")
            check["position"] = {"relation": relation, "other": self.include[index].name}
        return check


class DpgRow(BenchmarkRow):
    """DPG-Bench (Hu et al. 2024, "ELLA: equip diffusion models with LLM for enhanced semantic alignment")."""

    title = "DPG-Bench"
    source = "https://github.com/TencentQQGYLab/ELLA"
    license = "Apache-2.0"

    item_id: str
    prompt: str

    def declare(self, number: int) -> dict[str, Any]:
        return {"key": self.item_id, "text": self.prompt, "category": "dense", "language": "en"}


class LongTextRow(BenchmarkRow):
    """LongText-Bench (Geng et al. 2025, "X-Omni"). Its language is Chinese or English, by its script."""

    title = "LongText-Bench"
    source = "https://github.com/X-Omni-Team/X-Omni"
    license = "Apache-2.0"

    prompt_id: int
    prompt: str
    category: str
    length: str
    text: tuple[str, ...] = Field(min_length=1)

    def declare(self, number: int) -> dict[str, Any]:
        return {
            "key": f"{self.prompt_id:04}",
            "text": self.prompt,
            "category": self.category,
            "language": "zh" if IDEOGRAPH.search(self.prompt) else "en",
            "targets": list(self.text),
            "tags": [self.category, self.length],
        }


FORMATS: Final[dict[str, type[BenchmarkRow]]] = {
    "parti": PartiRow,
    "geneval": GenEvalRow,
    "dpg-bench": DpgRow,
    "longtext-bench": LongTextRow,
}


READERS: Final = {**TEXT_READERS, ".tsv": read_tsv}


def read_prompts(file_format: str, file: Path, slug: str) -> PromptSetDeclaration:
    """The prompt set ``slug`` of a benchmark's file.

    Args:
        file_format: A key of FORMATS.
        file: A file that ends in one of READERS.
        slug: The slug of the prompt set.

    Raises:
        InputFileError: The file cannot be read, or has an invalid line.
    """
    row_type = FORMATS[file_format]
    lines: dict[str, int] = {}

    def accept(record: Record, row: BenchmarkRow) -> PromptDeclaration:
        prompt = PromptDeclaration.model_validate(row.declare(len(lines) + 1))
        if prompt.key in lines:
            raise InvalidLineError(f"its key {quote_value(prompt.key)} is that of line {lines[prompt.key]}")
        lines[prompt.key] = record.line
        return prompt

    table = read_table(file, READERS)
    check_columns(table.columns, row_type.list_required())
    prompts, faults = read_rows(table.records, row_type, accept)
    if faults:
        raise InputFileError(f"The file is not a valid {row_type.title} file. {describe_faults(faults)}")
    if not prompts:
        raise InputFileError("The file has no prompts.")
    return PromptSetDeclaration(
        slug=slug, version="1", title=row_type.title, source=row_type.source, license=row_type.license, prompts=prompts
    )


def format_prompt_set(declared: PromptSetDeclaration) -> str:
    """The prompt set as the TOML of a prompt file, without empty fields."""
    head = [_format_field(name, getattr(declared, name)) for name in ("slug", "version", "title", "source", "license")]
    tables = []
    for prompt in declared.prompts:
        fields = [_format_field(name, value) for name, value in prompt.model_dump().items()]
        tables.append("".join(["\n[[prompts]]\n", *fields]))
    return "".join(head + tables)


def _format_field(name: str, value: object) -> str:
    return f"{name} = {_format_value(value)}\n" if value not in ("", [], ()) else ""


def _format_value(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_format_key(key)} = {_format_value(inner)}' for key, inner in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(_format_value(inner) for inner in value)}]"
    # JSON strings, numbers and booleans are valid TOML.
    return json.dumps(value, ensure_ascii=False)


def _format_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
