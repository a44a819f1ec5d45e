"""From declarations (dictionaries as TOML gives them) to models and prompt sets. Declaring twice changes nothing."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from pydantic import BaseModel, ConfigDict, Field

from generators.adapters.registry import validate_settings
from generators.models import ImageModel, Prompt, PromptSet


class Declaration(BaseModel):
    """Base of what can be declared: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


class ModelDeclaration(Declaration):
    slug: str
    name: str
    organization: str = ""
    license: str = ""
    family: str = ""
    revision: str = "1"
    in_house: bool = False
    adapter: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    lifecycle: ImageModel.Lifecycle = ImageModel.Lifecycle.LIVE


class PromptDeclaration(Declaration):
    key: str
    text: str = Field(min_length=1)
    category: str = ""
    language: str = ""
    targets: list[str] = Field(default_factory=list)


class PromptSetDeclaration(Declaration):
    slug: str
    version: str
    title: str
    source: str = ""
    license: str = ""
    prompts: list[PromptDeclaration] = Field(min_length=1)


class PromptSetChanged(Exception):
    """A prompt set that exists was declared with another content."""


def declare_model(declared: Mapping[str, Any]) -> ImageModel:
    """The model as declared, made or brought up to date.

    Raises pydantic.ValidationError for unknown or missing keys, AdapterError for an unknown adapter or its settings.
    """
    declaration = ModelDeclaration.model_validate(declared)
    if declaration.adapter:
        validate_settings(declaration.adapter, declaration.settings)
    fields = declaration.model_dump(exclude={"slug"})
    fields["family"] = fields["family"] or declaration.slug
    model, _ = ImageModel.objects.update_or_create(slug=declaration.slug, defaults=fields)
    return model


@transaction.atomic
def declare_prompt_set(declared: Mapping[str, Any]) -> PromptSet:
    """The prompt set as declared. Raises PromptSetChanged when that version exists with other prompts."""
    declaration = PromptSetDeclaration.model_validate(declared)
    content = json.dumps([prompt.model_dump() for prompt in declaration.prompts], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    prompt_set, made = PromptSet.objects.get_or_create(
        slug=declaration.slug,
        version=declaration.version,
        defaults={**declaration.model_dump(include={"title", "source", "license"}), "digest": digest},
    )
    if made:
        prompts = [Prompt(prompt_set=prompt_set, **prompt.model_dump()) for prompt in declaration.prompts]
        Prompt.objects.bulk_create(prompts)
    elif prompt_set.digest != digest:
        raise PromptSetChanged(
            f"Prompt set {prompt_set} exists with other prompts. A prompt set never changes: give it a new version."
        )
    return prompt_set
