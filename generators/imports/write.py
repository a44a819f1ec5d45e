"""Images made elsewhere, brought in by a manifest: so a model without an API takes part in battles and runs.

First it is found what every line is about, and every image is read and stored (``plan_import``). Then the rows are
written, finished as they are, in one transaction (``write_import``). Where that fails, no row is left. Originals may
stay in the store, where they do no harm: their names are their content's, and nobody finds one without a row.

**Nothing is imported twice.** A line whose model and prompt have that very file already brings nothing new. Neither
does a refusal where the model is known to have refused the prompt elsewhere (with that seed, where the line gives one).
A line without a seed takes the next free number, in the order of the manifest.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Never

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify
from pydantic import ValidationError as DeclarationError
from tqdm import tqdm

from generators.adapters.base import Outcome
from generators.images.decoding import UnusableImageError, read_image
from generators.images.ingest import StoredImage, store_image
from generators.imports.manifests import Entry, Manifest, read_beside
from generators.input_files.faults import InvalidLineError, LineFault, quote_value
from generators.models import Generation, ImageModel, Prompt, PromptSet
from generators.prompts.packs import PromptSetChangedError, declare_prompt_set
from generators.prompts.text import check_prompt

BATCH = 500


class ImageImportError(Exception):
    """No row was written. The message says why, and what to do."""


@dataclass(frozen=True)
class ImportPlan:
    """What a manifest comes to.

    ``rows``: the generations to write, by line. ``new_prompts``: those that the prompt set is to be declared with;
    empty where it exists. ``n_known``: the number of lines that bring nothing new.
    """

    prompt_set: PromptSet
    new_prompts: Sequence[Prompt]
    rows: Mapping[int, Generation]
    n_known: int
    faults: tuple[LineFault, ...]

    @property
    def new_models(self) -> list[ImageModel]:
        models = {row.model.slug: row.model for row in self.rows.values() if row.model.pk is None}
        return list(models.values())


def plan_import(
    manifest: Manifest, prompt_set: str, *, declare: bool = False, make_models: bool = False, store: bool = True
) -> ImportPlan:
    """Find what every line is about, read its image and, with ``store``, put it into the store of originals.

    ``prompt_set``: "SLUG VERSION" of a prompt set that exists or (``declare``) is to be made of the manifest's prompts.
    ``make_models``: models that are not known are made. Raises ImageImportError for what concerns more than a line.
    """
    prompts = _NewPrompts(prompt_set) if declare else _KnownPrompts(prompt_set)
    models = _Models(make_models)
    faults = list(manifest.faults)
    lines: list[_MatchedLine] = []
    for number, content, entry in manifest.lines:
        try:
            lines.append(_MatchedLine(number, content, entry, models.find(entry), prompts.find(entry)))
        except InvalidLineError as error:
            faults.append(LineFault(number, str(error), content))
    variants = _find_variants(prompts.prompt_set, lines)
    rows: dict[int, Generation] = {}
    n_known = 0
    # disable=None: no bar where nobody watches.
    for line in tqdm(lines, desc="reading", unit="image", disable=None, dynamic_ncols=True):
        try:
            row = _plan_row(line, variants[line.subject], manifest, store)
        except InvalidLineError as error:
            faults.append(LineFault(line.number, str(error), line.content))
            continue
        if row is None:
            n_known += 1
        else:
            rows[line.number] = row
    faults.sort(key=lambda fault: fault.line)
    return ImportPlan(prompts.prompt_set, prompts.new, rows, n_known, tuple(faults))


def write_import(plan: ImportPlan, *, keep: bool = True) -> list[int]:
    """Write the plan's rows, all or none; the lines whose image is there under another model or prompt, too.

    Without ``keep`` everything is tried and nothing kept. Raises ImageImportError.
    """
    try:
        with transaction.atomic():
            for model in plan.new_models:
                model.save(force_insert=True)
            if plan.new_prompts:
                _declare_prompts(plan)
            Generation.objects.bulk_create(plan.rows.values(), batch_size=BATCH)
            shared = _find_shared(plan.rows)
            if not keep:
                transaction.set_rollback(True)
    except PromptSetChangedError as error:
        raise ImageImportError(f"{error} Or import onto the prompts that it has: --prompt-set.") from error
    except DeclarationError as error:
        raise ImageImportError(f"The prompt set cannot be declared: {error}") from error
    except IntegrityError as error:
        raise ImageImportError(f"Something else was written at the same time; import it again. ({error})") from error
    return shared


def _declare_prompts(plan: ImportPlan) -> None:
    made = declare_prompt_set(
        {
            "slug": plan.prompt_set.slug,
            "version": plan.prompt_set.version,
            "title": plan.prompt_set.title,
            "prompts": [{"key": prompt.key, "text": prompt.text} for prompt in plan.new_prompts],
        }
    )
    pks = dict(made.prompts.values_list("key", "pk"))
    for prompt in plan.new_prompts:
        prompt.pk = pks[prompt.key]


def _find_shared(rows: Mapping[int, Generation]) -> list[int]:
    by_original: dict[str, list[int]] = defaultdict(list)
    for line, row in rows.items():
        if row.original:
            by_original[row.original].append(line)
    digests = list(by_original)
    shared: list[int] = []
    for start in range(0, len(digests), BATCH):
        found = Generation.objects.filter(original__in=digests[start : start + BATCH])
        subjects = Counter(original for original, _, _ in found.values_list("original", "model", "prompt").distinct())
        shared += [line for original, count in subjects.items() if count > 1 for line in by_original[original]]
    return sorted(shared)


# What a line is about


class _MatchedLine(NamedTuple):
    number: int
    content: str
    entry: Entry
    model: ImageModel
    prompt: Prompt

    @property
    def subject(self) -> tuple[str, str]:
        """What a seed is unique in: model and prompt, by names that those have too which are not saved yet."""
        return self.model.slug, self.prompt.key


class _Models:
    def __init__(self, make: bool) -> None:
        self._make = make
        known = list(ImageModel.objects.all())
        self._by_slug = {model.slug: model for model in known}
        self._by_revision = {(model.family, model.revision): model for model in known}

    def find(self, entry: Entry) -> ImageModel:
        """By slug, or by family and revision."""
        named = self._by_slug.get(entry.model)
        if named and entry.version in {"", named.revision}:
            return named
        if entry.version and (model := self._by_revision.get((entry.model, entry.version))):
            return model
        what = f"{quote_value(entry.model)} {entry.version and f'of version {quote_value(entry.version)} '}"
        if not self._make:
            known = ", ".join(sorted(self._by_slug)[:8]) + (", ..." if len(self._by_slug) > 8 else "")
            _fail(f"the model {what}is unknown; known are {known or 'none'}. With --make-models it is made")
        model = ImageModel(
            slug=slugify("-".join(filter(None, [entry.model, entry.version])).replace(".", "-")),
            name=" ".join(filter(None, [entry.model, entry.version])),
            family=entry.model,
            revision=entry.version or "1",
        )
        if other := self._by_slug.get(model.slug):
            _fail(
                f"the model {what}would be called {model.slug}, and that is {quote_value(other.name)}; name {model.slug}"
            )
        try:
            model.full_clean()
        except ValidationError as error:
            _fail(f"no model {what}can be made: {' '.join(error.messages)}")
        self._by_slug[model.slug] = self._by_revision[model.family, model.revision] = model
        return model


class _KnownPrompts:
    """The prompts of a set that exists."""

    new: Sequence[Prompt] = ()

    def __init__(self, name: str) -> None:
        slug, _, version = name.partition(" ")
        found = PromptSet.objects.filter(slug=slug, version=version).first()
        if found is None:
            known = ", ".join(str(known) for known in PromptSet.objects.order_by("slug", "version")) or "none"
            raise ImageImportError(f"There is no prompt set {quote_value(name)}. Known are {known}.")
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
                _fail(f"{self.prompt_set} has the prompt {quote_value(entry.prompt)} as {keys}; give the prompt_key")
            return prompts[0]
        prompt = self._by_key.get(entry.prompt_key)
        if prompt is None:
            _fail(f"the prompt set {self.prompt_set} has no prompt_key {quote_value(entry.prompt_key)}")
        if entry.prompt not in {"", prompt.text}:
            _fail(
                f"the prompt {prompt.key} of {self.prompt_set} is {quote_value(prompt.text)}, not {quote_value(entry.prompt)}"
            )
        return prompt


class _NewPrompts:
    """The prompts of a set that the manifest declares. One text has one key."""

    def __init__(self, name: str) -> None:
        slug, _, version = name.partition(" ")
        self.prompt_set = PromptSet(slug=slug, version=version, title=slug)
        try:
            self.prompt_set.clean_fields()
        except ValidationError as error:
            raise ImageImportError(
                f'No prompt set {quote_value(name)} can be made; wanted "SLUG VERSION". {error}'
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
            _fail(
                f"the prompt {quote_value(entry.prompt)} is {key} here; a line before has {quote_value(known.text)} as {known.key}"
            )
        return known

    def _add(self, prompt: Prompt) -> Prompt:
        try:
            check_prompt(prompt.text)
            prompt.clean_fields(exclude=["prompt_set"])
        except ValidationError as error:
            _fail(f"no prompt can be made of it: {' '.join(error.messages)}")
        except ValueError as error:
            _fail(str(error))
        self._by_key[prompt.key] = self._by_text[prompt.text] = prompt
        return prompt


# What it brings


@dataclass
class _Variants:
    """What there is of one model and prompt: who has which seed, the digests of images, the seeds of refusals."""

    holders: dict[int, str] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    refusals: set[int] = field(default_factory=set)
    reserved: set[int] = field(default_factory=set)
    next: int = 0

    def take_seed(self, line: _MatchedLine) -> int:
        seed = line.entry.seed
        if seed is None:
            while self.next in self.holders or self.next in self.reserved:
                self.next += 1
            seed = self.next
        elif holder := self.holders.get(seed):
            _fail(f"the seed {seed} of this model and prompt is taken by another outcome, of {holder}")
        self.holders[seed] = f"line {line.number}"
        return seed


def _find_variants(prompt_set: PromptSet, lines: Sequence[_MatchedLine]) -> dict[tuple[str, str], _Variants]:
    """By subject: what the database has, and the seeds that lines give."""
    variants: dict[tuple[str, str], _Variants] = defaultdict(_Variants)
    there = Generation.objects.filter(
        model__slug__in={line.model.slug for line in lines},
        prompt__prompt_set__slug=prompt_set.slug,
        prompt__prompt_set__version=prompt_set.version,
    ).select_related("model", "prompt")
    for row in there.only("model__slug", "prompt__key", "seed", "status", "original", "imported_from").iterator():
        of_subject = variants[row.model.slug, row.prompt.key]
        of_subject.holders[row.seed] = str(row)
        if row.original:
            of_subject.images.add(row.original)
        if row.imported_from and row.status == Generation.Status.REFUSED:
            of_subject.refusals.add(row.seed)
    for line in lines:
        if line.entry.seed is not None:
            variants[line.subject].reserved.add(line.entry.seed)
    return variants


def _plan_row(line: _MatchedLine, variants: _Variants, manifest: Manifest, store: bool) -> Generation | None:
    """The generation that a line comes to, unsaved; None where it brings nothing new."""
    outcome = (
        _read_refusal(line.entry, variants) if line.entry.refused else _read_image(line, variants, manifest, store)
    )
    if outcome is None:
        return None
    entry, now = line.entry, timezone.now()
    seed = variants.take_seed(line)
    if entry.refused:
        variants.refusals.add(seed)
    else:
        variants.images.add(outcome["original"])
    created_at = entry.created_at.isoformat() if entry.created_at else ""
    reported = {"parameters": entry.parameters, "created_at": created_at, "source": entry.source, "file": entry.file}
    return Generation(
        model=line.model,
        prompt=line.prompt,
        seed=seed,
        reported={name: value for name, value in reported.items() if value},
        imported_from=manifest.file.name,
        due_at=now,
        finished_at=now,
        **outcome,
    )


def _read_refusal(entry: Entry, variants: _Variants) -> dict[str, Any] | None:
    known = variants.refusals
    if known and (entry.seed is None or entry.seed in known):
        return None
    status, reason = Generation.Status.REFUSED, Outcome.REFUSED.value
    # No size was asked for here.
    return {"status": status, "reason": reason, "stage": entry.refusal_stage, "width": 0, "height": 0}


def _read_image(line: _MatchedLine, variants: _Variants, manifest: Manifest, store: bool) -> dict[str, Any] | None:
    entry = line.entry
    data = read_beside(manifest.file, entry.file)
    digest = hashlib.sha256(data).hexdigest()
    if entry.sha256 not in {"", digest}:
        _fail(f"the file {quote_value(entry.file)} has the sha256 {digest}, not {entry.sha256}; was it changed?")
    if digest in variants.images:
        return None
    try:
        image = _store(data) if store else read_image(data)
    except UnusableImageError as error:
        _fail(f"the file {quote_value(entry.file)}: {error}")
    facts = {"provenance": image.provenance, "phash": image.phash} if isinstance(image, StoredImage) else {}
    return {
        "status": Generation.Status.OK,
        "original": digest,
        "media_type": image.media_type,
        "width": image.width,
        "height": image.height,
        **facts,
    }


def _store(data: bytes) -> StoredImage:
    """Raises UnusableImageError, or ImageImportError where the store does not take it."""
    try:
        return store_image(data)
    except OSError as error:
        raise ImageImportError(
            f"The original could not be stored: {error}. Import it again when there is room."
        ) from error


def _fail(reason: str) -> Never:
    raise InvalidLineError(reason)
