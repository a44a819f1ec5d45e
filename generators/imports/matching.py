"""Prompts of a manifest's lines: found in the database, or new."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, Never

from django.core.exceptions import ValidationError

from generators.imports.manifests import Entry, ImageImportError
from generators.input_files.faults import InvalidLineError, quote_value
from generators.models import ImageModel, Prompt, PromptSet
from generators.prompts.text import check_prompt


class MatchedLine(NamedTuple):
    """A valid line of a manifest, with its model and prompt, which may be unsaved."""

    number: int
    content: str
    entry: Entry
    model: ImageModel
    prompt: Prompt

    @property
    def subject(self) -> tuple[str, str]:
        """The model and prompt, within which seeds are unique, by names that unsaved rows have too."""
        return self.model.slug, self.prompt.key


class KnownPrompts:
    """The prompts of an existing prompt set."""

    new: Sequence[Prompt] = ()

    def __init__(self, name: str) -> None:
        slug, _, version = name.partition(" ")
        found = PromptSet.objects.filter(slug=slug, version=version).first()
        if found is None:
            known = ", ".join(str(known) for known in PromptSet.objects.order_by("slug", "version")) or "none"
            raise ImageImportError(f"There is no prompt set {quote_value(name)}; known are {known}.")
        self.prompt_set = found
        self._by_key = {prompt.key: prompt for prompt in found.prompts.all()}
        self._by_text: dict[str, list[Prompt]] = defaultdict(list)
        for prompt in self._by_key.values():
            self._by_text[prompt.text].append(prompt)

    def find(self, entry: Entry) -> Prompt:
        if not entry.prompt_key:
            prompts = self._by_text.get(entry.prompt, [])
            if not prompts:
                _fail(f"the prompt set {self.prompt_set} has no prompt {quote_value(entry.prompt)}")
            if len(prompts) > 1:
                keys = ", ".join(prompt.key for prompt in prompts)
                _fail(f"{self.prompt_set} has the prompt {quote_value(entry.prompt)} as {keys}; give its prompt_key")
            return prompts[0]
        prompt = self._by_key.get(entry.prompt_key)
        if prompt is None:
            _fail(f"the prompt set {self.prompt_set} has no prompt_key {quote_value(entry.prompt_key)}")
        if entry.prompt not in {"", prompt.text}:
            texts = f"{quote_value(prompt.text)}, not {quote_value(entry.prompt)}"
            _fail(f"the prompt {prompt.key} of {self.prompt_set} is {texts}")
        return prompt


class NewPrompts:
    """The prompts of a prompt set that the manifest declares. Each text has one key."""

    def __init__(self, name: str) -> None:
        slug, _, version = name.partition(" ")
        self.prompt_set = PromptSet(slug=slug, version=version, title=slug)
        try:
            self.prompt_set.clean_fields()
        except ValidationError as error:
            raise ImageImportError(
                f'The prompt set {quote_value(name)} cannot be created; wanted "SLUG VERSION". '
                + " ".join(error.messages)
            ) from error
        self._by_key: dict[str, Prompt] = {}
        self._by_text: dict[str, Prompt] = {}

    @property
    def new(self) -> Sequence[Prompt]:
        return list(self._by_key.values())

    def find(self, entry: Entry) -> Prompt:
        key = entry.prompt_key or hashlib.sha256(entry.prompt.encode()).hexdigest()[:16]
        known = self._by_text.get(entry.prompt) or self._by_key.get(key)
        if known is None:
            return self._add(Prompt(key=key, text=entry.prompt))
        if known.text != entry.prompt or entry.prompt_key not in {"", known.key}:
            earlier = f"an earlier line has {quote_value(known.text)} as {known.key}"
            _fail(f"the prompt {quote_value(entry.prompt)} has the key {key}, but {earlier}")
        return known

    def _add(self, prompt: Prompt) -> Prompt:
        try:
            check_prompt(prompt.text)
            prompt.clean_fields(exclude=["prompt_set"])
        except ValidationError as error:
            _fail(f"the prompt cannot be created: {' '.join(error.messages)}")
        except ValueError as error:
            _fail(str(error))
        self._by_key[prompt.key] = self._by_text[prompt.text] = prompt
        return prompt


def _fail(reason: str) -> Never:
    raise InvalidLineError(reason)
