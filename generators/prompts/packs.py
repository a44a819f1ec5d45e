"""Prompt packs: TOML files of prompts, validated and stored as prompt sets."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from django.db import transaction
from pydantic import AfterValidator, Field, JsonValue, ValidationError, field_validator

from generators.images import originals
from generators.images.decoding import read_image
from generators.input_files.declared_files import read_declared_file
from generators.input_files.faults import quote_value
from generators.input_files.fields import Declaration, FilledLine, Line, Slug
from generators.input_files.toml_lines import KeyPath
from generators.models import Prompt, PromptSet
from generators.prompts.text import check_prompt

BATCH = 500


class PromptSetChangedError(Exception):
    """A prompt set was declared again with other prompts."""


class PromptDeclaration(Declaration):
    """A prompt. For an edit, ``sources`` and ``mask`` name image files in the folder of the declaration."""

    key: FilledLine
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
    version: Annotated[FilledLine, Field(max_length=50)]
    title: FilledLine
    source: Annotated[Line, Field(max_length=300)] = ""
    license: Line = ""
    prompts: list[PromptDeclaration] = Field(min_length=1)

    @field_validator("prompts")
    @classmethod
    def _expect_unique_keys(cls, prompts: list[PromptDeclaration]) -> list[PromptDeclaration]:
        keys = (prompt.key for prompt in prompts)
        if duplicates := sorted(key for key, count in Counter(keys).items() if count > 1):
            raise ValueError(f"Keys must be unique; these are repeated: {', '.join(duplicates)}")
        return prompts


@dataclass(frozen=True)
class PromptPack:
    """A prompt pack as read from a file. ``images``: sha256 of source and mask files, by name."""

    file: Path
    declared: PromptSetDeclaration
    images: Mapping[str, str]


def read_pack(file: Path) -> PromptPack:
    """Read and validate a prompt pack.

    Raises:
        DeclaredFileError: The file or one of its images cannot be read, or a declaration is invalid.
    """
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
                raise declared.error_at(("prompts", index, "sources"), message) from error
    return PromptPack(file, pack, images)


@dataclass(frozen=True)
class PreparedPromptSet:
    """A prompt set whose source images are stored, so that only its rows remain to be written.

    ``prompts`` are the fields of its prompts, with digests for files.
    """

    declaration: PromptSetDeclaration
    prompts: Sequence[Mapping[str, Any]]

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.prompts, sort_keys=True).encode()).hexdigest()


def declare_prompt_set(declared: Mapping[str, Any] | PromptSetDeclaration, folder: Path | None = None) -> PromptSet:
    """Store a prompt set, or find it if it is stored already. Source images of edits are read from ``folder``.

    Raises:
        pydantic.ValidationError: The declaration is invalid.
        PromptSetChangedError: This version exists with other prompts.
        ValueError: A source or mask is not a usable image, or is outside the folder.
        OSError: The store of originals failed.
    """
    return write_prompt_set(prepare_prompt_set(declared, folder))


def prepare_prompt_set(
    declared: Mapping[str, Any] | PromptSetDeclaration, folder: Path | None = None
) -> PreparedPromptSet:
    """The first half of ``declare_prompt_set``, outside any transaction: checks the prompts and stores their images.

    The images of a set that exists are not stored again: with a bucket, each would be a request.
    """
    declaration = PromptSetDeclaration.model_validate(declared)
    prepared = PreparedPromptSet(declaration, [_describe_prompt(prompt, folder) for prompt in declaration.prompts])
    if folder and not PromptSet.objects.filter(slug=declaration.slug, version=declaration.version).exists():
        names = (name for prompt in declaration.prompts for name in (*prompt.sources, prompt.mask) if name)
        for name in dict.fromkeys(names):
            originals.store(_read_file(folder, name))
    return prepared


@transaction.atomic
def write_prompt_set(prepared: PreparedPromptSet) -> PromptSet:
    """The second half of ``declare_prompt_set``: writes the rows, or finds them."""
    declaration, digest = prepared.declaration, prepared.digest
    prompt_set, made = PromptSet.objects.get_or_create(
        slug=declaration.slug,
        version=declaration.version,
        defaults={**declaration.model_dump(include={"title", "source", "license"}), "digest": digest},
    )
    if made:
        prompts = [Prompt(prompt_set=prompt_set, **prompt) for prompt in prepared.prompts]
        Prompt.objects.bulk_create(prompts, batch_size=BATCH)
    elif prompt_set.digest != digest:
        raise PromptSetChangedError(
            f"Prompt set {prompt_set} exists with other prompts. A prompt set never changes. Declare a new version."
        )
    return prompt_set


def find_prompt_sets(names: Collection[str]) -> list[PromptSet]:
    """The stored prompt sets with these names, written "slug version"."""
    slugs = [name.partition(" ")[0] for name in names]
    return [prompt_set for prompt_set in PromptSet.objects.filter(slug__in=slugs) if str(prompt_set) in names]


def _describe_prompt(prompt: PromptDeclaration, folder: Path | None) -> dict[str, Any]:
    """The fields of the prompt, with digests for files. Empty fields are left out, so that older digests stay valid."""
    empty = {name for name in ("tags", "checks") if not getattr(prompt, name)}
    if not prompt.sources and not prompt.mask:
        return prompt.model_dump(exclude={"sources", "mask", *empty})
    try:
        return {**prompt.model_dump(exclude=empty), **_describe_images(prompt, folder)}
    except (ValueError, OSError) as error:
        raise ValueError(f"prompt {prompt.key}: {error}") from error


def _describe_images(prompt: PromptDeclaration, folder: Path | None) -> dict[str, Any]:
    if folder is None:
        raise ValueError(
            f"It names {', '.join(prompt.sources) or prompt.mask}, but there is no folder to read it from."
        )
    if not prompt.sources:
        raise ValueError("It has a mask but no source. The mask marks where the first source may change.")
    images = [_read_file(folder, name) for name in prompt.sources]
    infos = [read_image(data) for data in images]
    if prompt.mask:
        mask = _read_file(folder, prompt.mask)
        (width, height), size = (infos[0].width, infos[0].height), read_image(mask)
        if (size.width, size.height) != (width, height):
            raise ValueError(f"The mask has {size.width} × {size.height} pixels, the first source {width} × {height}.")
    return {
        "sources": [hashlib.sha256(data).hexdigest() for data in images],
        "mask": hashlib.sha256(mask).hexdigest() if prompt.mask else "",
    }


def _read_file(folder: Path, name: str) -> bytes:
    file = (folder / name).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise ValueError(f"{name} is outside {folder}. Put the file into that folder.")
    return file.read_bytes()
