"""Prompt packs: the prompts of a TOML file, validated, and stored as a prompt set that never changes."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from django.db import transaction
from pydantic import AfterValidator, Field, JsonValue, ValidationError, field_validator

from generators.images import originals
from generators.images.decoding import read_image
from generators.input_files.declared_files import read_declared_file
from generators.input_files.faults import quote_value
from generators.input_files.fields import Declaration, Line, Slug
from generators.input_files.toml_lines import KeyPath
from generators.models import Prompt, PromptSet
from generators.prompts.text import check_prompt


class PromptSetChangedError(Exception):
    """A prompt set that exists was declared with another content."""


class PromptDeclaration(Declaration):
    """Of an edit, ``sources`` and ``mask`` are names of image files in the folder that goes with the declaration."""

    key: Annotated[Line, Field(min_length=1)]
    text: Annotated[str, AfterValidator(check_prompt)]
    category: Annotated[Line, Field(max_length=50)] = ""
    language: Annotated[Line, Field(max_length=35)] = ""
    targets: list[str] = Field(default_factory=list)
    sources: list[str] = Field(default_factory=list)
    mask: str = ""
    tags: list[Line] = Field(default_factory=list)
    checks: list[dict[str, JsonValue]] = Field(default_factory=list)


class PromptSetDeclaration(Declaration):
    slug: Slug
    version: Annotated[Line, Field(min_length=1, max_length=50)]
    title: Annotated[Line, Field(min_length=1)]
    source: Annotated[Line, Field(max_length=300)] = ""
    license: Line = ""
    prompts: list[PromptDeclaration] = Field(min_length=1)

    @field_validator("prompts")
    @classmethod
    def _expect_each_key_once(cls, prompts: list[PromptDeclaration]) -> list[PromptDeclaration]:
        keys = (prompt.key for prompt in prompts)
        if doubles := sorted(key for key, count in Counter(keys).items() if count > 1):
            raise ValueError(f"Each prompt has a key of its own; these stand twice: {', '.join(doubles)}")
        return prompts


@dataclass(frozen=True)
class PromptPack:
    """A prompt file as it was read. ``images`` are the sha256 of its edits' source and mask files, by their names."""

    file: Path
    declared: PromptSetDeclaration
    images: Mapping[str, str]


def read_pack(file: Path) -> PromptPack:
    """A prompt file, which may be used without a suite. Raises DeclaredFileError."""
    declared = read_declared_file(file)

    def list_keys(table: KeyPath) -> Iterable[str]:
        return (PromptDeclaration if table else PromptSetDeclaration).model_fields

    try:
        pack = PromptSetDeclaration.model_validate(declared.values)
    except ValidationError as error:
        raise declared.explain(error, list_keys) from error
    images = {}
    for index, prompt in enumerate(pack.prompts):
        for name in filter(None, (*prompt.sources, prompt.mask)):
            try:
                images[name] = hashlib.sha256((file.parent / name).read_bytes()).hexdigest()
            except OSError as error:
                message = f"the image {quote_value(name)} cannot be read: {error.strerror}."
                raise declared.fault(("prompts", index, "sources"), message) from error
    return PromptPack(file, pack, images)


@transaction.atomic
def declare_prompt_set(declared: Mapping[str, Any], folder: Path | None = None) -> PromptSet:
    """The prompt set as declared; the images that its edits start from lie in ``folder`` and are stored.

    Raises pydantic.ValidationError, PromptSetChangedError when that version exists with other prompts, or ValueError for a
    file that is no image or does not lie in the folder.
    """
    declaration = PromptSetDeclaration.model_validate(declared)
    prompts = [_describe_prompt(prompt, folder) for prompt in declaration.prompts]
    digest = hashlib.sha256(json.dumps(prompts, sort_keys=True).encode()).hexdigest()
    prompt_set, made = PromptSet.objects.get_or_create(
        slug=declaration.slug,
        version=declaration.version,
        defaults={**declaration.model_dump(include={"title", "source", "license"}), "digest": digest},
    )
    if made:
        Prompt.objects.bulk_create([Prompt(prompt_set=prompt_set, **prompt) for prompt in prompts])
    elif prompt_set.digest != digest:
        raise PromptSetChangedError(
            f"Prompt set {prompt_set} exists with other prompts. A prompt set never changes: give it a new version."
        )
    return prompt_set


def _describe_prompt(prompt: PromptDeclaration, folder: Path | None) -> dict[str, Any]:
    """The prompt's fields, with digests for files. What it does not have is left out: older sets keep their digest."""
    empty = {name for name in ("tags", "checks") if not getattr(prompt, name)}
    if not prompt.sources and not prompt.mask:
        return prompt.model_dump(exclude={"sources", "mask", *empty})
    try:
        return {**prompt.model_dump(exclude=empty), **_store_images(prompt, folder)}
    except (ValueError, OSError) as error:
        raise ValueError(f"prompt {prompt.key}: {error}") from error


def _store_images(prompt: PromptDeclaration, folder: Path | None) -> dict[str, Any]:
    if folder is None:
        raise ValueError(f"It names {', '.join(prompt.sources) or prompt.mask}, and there is no folder to look in.")
    if not prompt.sources:
        raise ValueError("It has a mask and no source: the mask says where the first source may change.")
    images = [_read_beside(folder, name) for name in prompt.sources]
    facts = [read_image(data) for data in images]
    if prompt.mask:
        mask = _read_beside(folder, prompt.mask)
        (width, height), size = (facts[0].width, facts[0].height), read_image(mask)
        if (size.width, size.height) != (width, height):
            raise ValueError(f"The mask is {size.width} × {size.height}; its first source is {width} × {height}.")
    return {
        "sources": [originals.store(data) for data in images],
        "mask": originals.store(mask) if prompt.mask else "",
    }


def _read_beside(folder: Path, name: str) -> bytes:
    file = (folder / name).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise ValueError(f"{name} does not lie in {folder}: files are named from there, and links do not lead out.")
    return file.read_bytes()
