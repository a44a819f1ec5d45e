"""Prompts of public benchmarks: the published files, read as prompt sets. Each format is a row model."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from generators.input_files.cells import Filled
from generators.input_files.csv_jsonl import TEXT_READERS, Record, read_table, read_tsv
from generators.input_files.faults import InputFileError, InvalidLineError, describe_faults, quote_value
from generators.input_files.rows import Row, check_columns, read_rows
from generators.prompts.packs import PromptDeclaration, PromptSetDeclaration
from generators.prompts.text_files import SUFFIX, read_text_files

IDEOGRAPH: Final = re.compile("[\u3400-\u9fff]")


class BenchmarkRow(Row):
    """A row of a benchmark's file, and the benchmark's title, source and license."""

    title: ClassVar[str]
    source: ClassVar[str]
    license: ClassVar[str]
    # Whether a prompt may have several rows: they have one key and one text.
    repeats: ClassVar[bool] = False

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


def _read_empty(value: object) -> object:
    """An empty tuple for null, which the readers of files give as an empty text."""
    return () if value == "" else value


def _read_one(value: object) -> object:
    """A tuple of one text for a text that is not in a list."""
    return (value,) if isinstance(value, str) and value else value


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

    An included object must be there at least ``count`` times, and with one more excluded exactly so often. Checks of
    counts are always exact, so a count above 1 without any exclusion becomes an exact one: "three clocks" means three.
    """

    title = "GenEval"
    source = "https://github.com/djghosh13/geneval"
    license = "MIT"

    tag: str
    prompt: str
    include: tuple[GenEvalObject, ...] = Field(min_length=1)
    exclude: Annotated[tuple[GenEvalObject, ...], BeforeValidator(_read_empty)] = ()

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
        if limits and included.count + 1 not in limits:
            name, one_more = quote_value(included.name), included.count + 1
            raise InvalidLineError(f"{name} has a count and an exclusion, but not of {one_more}, which makes it exact")
        if limits or included.count > 1:
            check["count"] = included.count
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
    """DPG-Bench (Hu et al. 2024, "ELLA: equip diffusion models with LLM for enhanced semantic alignment").

    Published as a CSV with a row for each question about a prompt, and as a folder with one text file a prompt.
    """

    title = "DPG-Bench"
    source = "https://github.com/TencentQQGYLab/ELLA"
    license = "Apache-2.0"
    repeats = True
    one_of_each = (("text", "prompt"),)

    item_id: Annotated[str, Filled]
    text: str = ""
    prompt: str = ""

    def declare(self, number: int) -> dict[str, Any]:
        if self.text and self.prompt and self.text != self.prompt:
            raise InvalidLineError("it has a text and another prompt; wanted one of the two")
        if not (text := self.text or self.prompt):
            raise InvalidLineError("prompt is missing")
        return {"key": self.item_id, "text": text, "category": "dense", "language": "en"}


class LongTextRow(BenchmarkRow):
    """LongText-Bench (Geng et al. 2025, "X-Omni"). Its language is Chinese or English, by its script."""

    title = "LongText-Bench"
    source = "https://github.com/X-Omni-Team/X-Omni"
    license = "Apache-2.0"

    prompt_id: int
    prompt: str
    category: str
    length: str
    text: Annotated[tuple[str, ...], BeforeValidator(_read_one), Field(min_length=1)]

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
        file: A file that ends in one of READERS. For DPG-Bench also a text file, or a folder of text files.
        slug: The slug of the prompt set.

    Raises:
        InputFileError: The file cannot be read, or has an invalid line.
    """
    row_type = FORMATS[file_format]
    prompts: dict[str, PromptDeclaration] = {}
    lines: dict[str, int] = {}

    def accept(record: Record, row: BenchmarkRow) -> None:
        declared = row.declare(len(lines) + 1)
        # Line breaks inside a cell are those of the program that wrote the file.
        declared["text"] = declared["text"].replace("\r\n", "\n")
        prompt = PromptDeclaration.model_validate(declared)
        known = prompts.setdefault(prompt.key, prompt)
        line = lines.setdefault(prompt.key, record.line)
        if line != record.line and not (row.repeats and known.text.split() == prompt.text.split()):
            other = ", with another prompt" if row.repeats else ""
            raise InvalidLineError(f"its key {quote_value(prompt.key)} is that of {table.unit} {line}{other}")

    if file.is_dir() and row_type is not DpgRow:
        raise InputFileError(f"{file.name} is a folder; {row_type.title} is read from a file.")
    texts = row_type is DpgRow and (file.is_dir() or file.suffix.lower() == SUFFIX)
    table = read_text_files(file) if texts else read_table(file, READERS)
    check_columns(table.columns, row_type.list_required())
    _, faults = read_rows(table.records, row_type, accept)
    if faults:
        raise InputFileError(f"The file is not a valid {row_type.title} file. {describe_faults(faults, table.unit)}")
    if not prompts:
        raise InputFileError("The file has no prompts.")
    about = {"title": row_type.title, "source": row_type.source, "license": row_type.license}
    return PromptSetDeclaration(slug=slug, version="1", **about, prompts=[*prompts.values()])


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
