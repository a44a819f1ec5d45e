"""Import of images generated elsewhere, by a manifest, for models without an API.

``plan_import`` matches each line with its model and prompt, and reads and stores its image. ``write_import`` writes the
generations in one transaction: all or none. If it fails, the originals may stay in the store. That is harmless: the
store is content-addressed, and no row names them.

**Nothing is imported twice.** An image is skipped if its model and prompt already have the same file, and a refusal if
the model has an imported refusal of the prompt (with that seed, if the line gives one). Lines without a seed take the
next free seeds, in the order of the manifest.

**A line whose file is missing or is no usable image has a failed generation**, which says why. It is written with the
valid lines, so that suites and boards count the image as missing, and a later import replaces it.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Never

from django.db import IntegrityError, transaction
from django.db.models.fields.json import KT
from django.utils import timezone
from pydantic import ValidationError as DeclarationError
from tqdm import tqdm

from generators.adapters.base import Outcome
from generators.generations import UNUSABLE_FILE, WITHOUT_IMPORT
from generators.images.decoding import UnusableImageError, read_image
from generators.images.ingest import StoredImage, store_image
from generators.imports.manifests import Entry, ImageImportError, Manifest, read_beside
from generators.imports.matching import KnownPrompts, MatchedLine, NewPrompts
from generators.input_files.faults import InvalidLineError, LineFault, UnusableFileError, make_printable, quote_value
from generators.model_names import ModelNameError, ModelNames
from generators.models import Generation, ImageModel, Prompt, PromptSet
from generators.prompts.packs import PromptSetChangedError, declare_prompt_set

Status = Generation.Status
BATCH = 500
# The fields of a failed generation that an import replaces.
REPLACED = (
    "status", "original", "media_type", "width", "height", "provenance", "phash", "reported", "imported_from", "reason",
    "stage", "message", "finished_at",
)  # fmt: skip


@dataclass(frozen=True)
class ImportPlan:
    """The generations that a manifest adds.

    Attributes:
        prompt_set: The prompt set of all lines, unsaved if it is new.
        new_prompts: The prompts of a new prompt set; empty if it exists.
        rows: The unsaved generations by line number, images and refusals. Those with a key replace a failed one.
        unusable: Likewise, the failed generations of lines whose file cannot be used.
        n_known: Number of lines that are already imported.
        faults: The invalid lines of the manifest, and those whose file cannot be used.
        unit: The word for a line, as in the manifest.
    """

    prompt_set: PromptSet
    new_prompts: Sequence[Prompt]
    rows: Mapping[int, Generation]
    unusable: Mapping[int, Generation]
    n_known: int
    faults: tuple[LineFault, ...]
    unit: str

    @property
    def new_models(self) -> list[ImageModel]:
        rows = [*self.rows.values(), *self.unusable.values()]
        models = {row.model.slug: row.model for row in rows if row.model.pk is None}
        return list(models.values())


def plan_import(
    manifest: Manifest, prompt_set: str, *, declare: bool = False, make_models: bool = False, store: bool = True
) -> ImportPlan:
    """Match each line of a manifest with its model and prompt, and read its image.

    Args:
        manifest: The manifest.
        prompt_set: "SLUG VERSION" of the prompt set of all prompts.
        declare: Create the prompt set from the manifest's prompts.
        make_models: Create unknown models.
        store: Put the images into the store of originals.

    Raises:
        ImageImportError: The prompt set is unknown or its name invalid, or the store accepts no image. Invalid lines
            are faults of the plan instead.
    """
    prompts = NewPrompts(prompt_set) if declare else KnownPrompts(prompt_set)
    models = ModelNames()
    faults = list(manifest.faults)
    lines: list[MatchedLine] = []
    for number, content, entry in manifest.lines:
        try:
            model = models.read(entry.model, entry.version, make=make_models)
            lines.append(MatchedLine(number, content, entry, model, prompts.find(entry)))
        except (ModelNameError, InvalidLineError) as error:
            faults.append(LineFault(number, str(error), content))
    variants = _find_variants(prompts.prompt_set, lines)
    rows: dict[int, Generation] = {}
    unusable: dict[int, Generation] = {}
    n_known = 0
    # disable=None: no progress bar without a terminal.
    for line in tqdm(lines, desc="reading", unit="image", disable=None, dynamic_ncols=True):
        try:
            row = _plan_row(line, variants[line.subject], manifest, store)
        except InvalidLineError as error:
            faults.append(LineFault(line.number, str(error), line.content))
            if isinstance(error, UnusableFileError):
                unusable |= _plan_failure(line, variants[line.subject], manifest, str(error))
            continue
        if row is None:
            n_known += 1
        else:
            rows[line.number] = row
    faults.sort(key=lambda fault: fault.line)
    return ImportPlan(prompts.prompt_set, prompts.new, rows, unusable, n_known, tuple(faults), manifest.unit)


def write_import(plan: ImportPlan, *, keep: bool = True) -> list[int]:
    """Write the rows of a plan, all or none.

    Args:
        plan: The plan.
        keep: Without it, the rows are written and rolled back.

    Returns:
        The line numbers of images that another model or prompt has, too.

    Raises:
        ImageImportError: The prompt set exists with other prompts or is invalid, or the database has changed since the
            plan was made.
    """
    try:
        with transaction.atomic():
            for model in plan.new_models:
                model.save(force_insert=True)
            if plan.new_prompts:
                _declare_prompts(plan)
            _write_rows([*plan.rows.values(), *plan.unusable.values()])
            shared = _find_shared(plan.rows)
            if not keep:
                transaction.set_rollback(True)
    except PromptSetChangedError as error:
        raise ImageImportError(f"{error} Or use its prompts, with --prompt-set.") from error
    except DeclarationError as error:
        raise ImageImportError(f"The prompt set cannot be declared: {error}") from error
    except IntegrityError as error:
        raise ImageImportError("Another process wrote the same rows at the same time. Import again.") from error
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


def _write_rows(rows: Sequence[Generation]) -> None:
    replaced = {row.pk: row for row in rows if row.pk is not None}
    pks = list(replaced)
    Generation.objects.bulk_create([row for row in rows if row.pk is None], batch_size=BATCH)
    for start in range(0, len(pks), BATCH):
        failed = Generation.objects.select_for_update().filter(pk__in=pks[start : start + BATCH], status=Status.FAILED)
        found = [replaced[pk] for pk in failed.values_list("pk", flat=True)]
        if len(found) < len(pks[start : start + BATCH]):
            raise ImageImportError("Another process wrote the same rows at the same time. Import again.")
        Generation.objects.bulk_update(found, REPLACED)


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


# Outcomes of lines


@dataclass
class _Variants:
    """The outcomes of one model and prompt, in the database and in the manifest so far.

    Attributes:
        holders: The row or line that has a seed.
        failed: The primary keys of rows without an image, by their seeds, which are free for an import.
        images: sha256 digests of originals.
        files: Names of the files that they were imported from.
        refusals: Seeds of imported refusals.
        reserved: Seeds that lines of the manifest give.
        next: The next seed to try for a line without one.
    """

    holders: dict[int, str] = field(default_factory=dict)
    failed: dict[int, int] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    files: set[str | None] = field(default_factory=set)
    refusals: set[int] = field(default_factory=set)
    reserved: set[int] = field(default_factory=set)
    next: int = 0

    def take_seed(self, line: MatchedLine, unit: str) -> int:
        seed = line.entry.seed
        if seed is None:
            while self.next in self.holders or self.next in self.reserved:
                self.next += 1
            seed = self.next
        elif holder := self.holders.get(seed):
            _fail(f"the seed {seed} of this model and prompt is taken by {holder}")
        self.holders[seed] = f"{unit} {line.number}"
        return seed


def _find_variants(prompt_set: PromptSet, lines: Sequence[MatchedLine]) -> dict[tuple[str, str], _Variants]:
    """The outcomes that the database has, and the seeds that the lines give, by model and prompt."""
    variants: dict[tuple[str, str], _Variants] = defaultdict(_Variants)
    known = Generation.objects.filter(
        model__slug__in={line.model.slug for line in lines},
        prompt__prompt_set__slug=prompt_set.slug,
        prompt__prompt_set__version=prompt_set.version,
    ).select_related("model", "prompt")
    fields = ("model__slug", "prompt__key", "seed", "status", "reason", "original", "imported_from")
    files = dict(known.ready().annotate(file=KT("reported__file")).values_list("pk", "file"))
    for row in known.only(*fields).iterator():
        of_subject = variants[row.model.slug, row.prompt.key]
        if row.status == Status.FAILED and row.reason in WITHOUT_IMPORT:
            of_subject.failed[row.seed] = row.pk
            continue
        of_subject.holders[row.seed] = str(row)
        if row.original:
            of_subject.images.add(row.original)
            of_subject.files.add(files.get(row.pk))
        if row.imported_from and row.status == Status.REFUSED:
            of_subject.refusals.add(row.seed)
    for line in lines:
        if line.entry.seed is not None:
            variants[line.subject].reserved.add(line.entry.seed)
    return variants


def _plan_row(line: MatchedLine, variants: _Variants, manifest: Manifest, store: bool) -> Generation | None:
    """The unsaved generation of a line; None if it is already imported. Raises InvalidLineError."""
    outcome = (
        _read_refusal(line.entry, variants) if line.entry.refused else _read_image(line, variants, manifest, store)
    )
    if outcome is None:
        return None
    seed = variants.take_seed(line, manifest.unit)
    if line.entry.refused:
        variants.refusals.add(seed)
    else:
        variants.images.add(outcome["original"])
    return _make_row(line, seed, variants, manifest, outcome)


def _plan_failure(line: MatchedLine, variants: _Variants, manifest: Manifest, reason: str) -> dict[int, Generation]:
    """The failed generation of a line whose file cannot be used, by line number. Empty if there is an image already."""
    if line.entry.file in variants.files:
        return {}
    try:
        seed = variants.take_seed(line, manifest.unit)
    except InvalidLineError:
        return {}
    outcome = {"status": Status.FAILED, "reason": UNUSABLE_FILE, "message": reason, "width": 0, "height": 0}
    return {line.number: _make_row(line, seed, variants, manifest, outcome)}


def _make_row(
    line: MatchedLine, seed: int, variants: _Variants, manifest: Manifest, outcome: Mapping[str, Any]
) -> Generation:
    entry, now = line.entry, timezone.now()
    created_at = entry.created_at.isoformat() if entry.created_at else ""
    reported = {"parameters": entry.parameters, "created_at": created_at, "source": entry.source, "file": entry.file}
    return Generation(
        pk=variants.failed.get(seed),
        model=line.model,
        prompt=line.prompt,
        seed=seed,
        reported={name: value for name, value in reported.items() if value},
        imported_from=make_printable(manifest.file.name),
        due_at=now,
        finished_at=now,
        **outcome,
    )


def _read_refusal(entry: Entry, variants: _Variants) -> dict[str, Any] | None:
    known = variants.refusals
    if known and (entry.seed is None or entry.seed in known):
        return None
    status, reason = Status.REFUSED, Outcome.REFUSED.value
    # The size that was requested elsewhere is unknown.
    return {"status": status, "reason": reason, "stage": entry.refusal_stage, "width": 0, "height": 0}


def _read_image(line: MatchedLine, variants: _Variants, manifest: Manifest, store: bool) -> dict[str, Any] | None:
    entry = line.entry
    data = read_beside(manifest.file, entry.file)
    digest = hashlib.sha256(data).hexdigest()
    if entry.sha256 not in {"", digest}:
        changed = f"has the sha256 {digest}, not {entry.sha256}; it has changed"
        raise UnusableFileError(f"the file {quote_value(entry.file)} {changed}")
    if digest in variants.images:
        return None
    try:
        image = _store(data) if store else read_image(data)
    except UnusableImageError as error:
        raise UnusableFileError(f"the file {quote_value(entry.file)}: {error}") from error
    facts = {"provenance": image.provenance, "phash": image.phash} if isinstance(image, StoredImage) else {}
    return {
        "status": Status.OK,
        "original": digest,
        "media_type": image.media_type,
        "width": image.width,
        "height": image.height,
        **facts,
    }


def _store(data: bytes) -> StoredImage:
    """The stored image. Raises UnusableImageError, or ImageImportError if the store cannot be written."""
    try:
        return store_image(data)
    except OSError as error:
        raise ImageImportError(
            f"An image cannot be stored: {error}. Free some space or check the store, then import again."
        ) from error


def _fail(reason: str) -> Never:
    raise InvalidLineError(reason)
