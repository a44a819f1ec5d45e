"""Import of a vote file onto a board, in one transaction: all votes or none.

**No vote is imported twice.** A line is already on the board if the board has a vote on the same models with the same
winner, rater, prompt and time (without the time if the file has none). A file that does not identify its votes could
have been imported before, so it is accepted only by a board without votes. Votes are compared as stored: a line that
has gained a rater since its first import is another vote.

Votes that do not count in the file do not count on the board: they are under exclusions for the same reasons.
"""

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import pandas as pd
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from arena.models import Board, Origin, Rater, Vote
from arena.votes.exclusions import exclude_imported
from arena.votes.files import VoteFile
from generators.input_files.faults import NAMED, LineFault, describe_faults, quote_value
from generators.model_names import ModelNameError, ModelNames
from generators.models import ImageModel, Prompt, PromptSet

BATCH = 2000


class VoteImportError(Exception):
    """Votes cannot be imported, and nothing was written. The message says why, and what to do."""


@dataclass(frozen=True)
class VoteImport:
    """The result of an import. ``reused_models`` existed before; ``rejected`` are the lines that were not imported."""

    board: Board
    board_is_new: bool
    n_votes: int
    n_raters: int
    n_prompts: int
    n_excluded: int
    new_models: tuple[ImageModel, ...]
    reused_models: tuple[ImageModel, ...]
    rejected: tuple[LineFault, ...]


class _Row(NamedTuple):
    """A valid line, with the ids of its models, rater and prompt."""

    line: int
    content: str
    model_a: int
    model_b: int
    winner: str
    rater: int | None
    prompt: int | None
    time: datetime | None
    language: str
    category: str
    how: str
    seconds_shown: float | None
    exclusions: str


def import_votes(
    votes: VoteFile,
    board_slug: str,
    *,
    title: str = "",
    task: str = "",
    keep_valid: bool = False,
    on_batch: Callable[[int, int], None] = lambda n_done, total: None,
) -> VoteImport:
    """Import votes onto a board, which is created if it does not exist.

    Args:
        votes: The vote file.
        board_slug: Slug of the board, whose origin must be imported votes.
        title: Title of a new board; its slug by default.
        task: Task of a new board; text to image by default.
        keep_valid: Import the valid lines of a file that has invalid ones.
        on_batch: Called after each batch with the votes written and their total.

    Raises:
        VoteImportError: The board does not accept the votes, or a line is invalid.
    """
    try:
        with transaction.atomic():
            return _import(votes, *_open_board(board_slug, title, task), keep_valid, on_batch)
    except IntegrityError as error:
        raise VoteImportError("Another process wrote the same rows at the same time. Import again.") from error


def _import(
    votes: VoteFile, board: Board, board_is_new: bool, keep_valid: bool, on_batch: Callable[[int, int], None]
) -> VoteImport:
    if not votes.identifies_votes and board.votes.exists():
        raise VoteImportError(
            f"The board {board.slug} has votes, and this file may have been imported before. Give it a column time, "
            "or the columns rater and prompt, or use another board."
        )
    models, new_models = _open_models(votes.rows)
    reused_models = tuple(model for model in models.values() if model not in new_models)
    rows = _resolve_rows(votes, board, {name: model.pk for name, model in models.items()})
    rows, rejected = _split_known(board, rows, votes)
    if rejected and not keep_valid:
        raise VoteImportError(describe_faults(rejected, votes.unit))
    if not rows:
        raise VoteImportError("The file has no valid line that is new. " + describe_faults(rejected, votes.unit))
    board.image_models.add(*models.values())
    _write_votes(board, rows, on_batch)
    return VoteImport(
        board=board,
        board_is_new=board_is_new,
        n_votes=len(rows),
        n_raters=len({row.rater for row in rows} - {None}),
        n_prompts=len({row.prompt for row in rows} - {None}),
        n_excluded=sum(bool(row.exclusions) for row in rows),
        new_models=new_models,
        reused_models=reused_models,
        rejected=rejected,
    )


def _open_board(slug: str, title: str, task: str) -> tuple[Board, bool]:
    board = Board.objects.select_for_update(no_key=True).filter(slug=slug).first()
    if board is None:
        board = Board(slug=slug, title=title or slug, task=task or Board.Task.TEXT_TO_IMAGE, origin=Origin.IMPORTED)
        try:
            board.full_clean()
            PromptSet._meta.get_field("slug").clean(name_prompt_set(board), None)
        except ValidationError as error:
            raise VoteImportError(
                f"The board {quote_value(slug)} cannot be created: {' '.join(error.messages)}"
            ) from error
        board.save()
        return board, True
    if board.origin != Origin.IMPORTED:
        raise VoteImportError(
            f"The board {slug} has votes of the origin {board.origin} ({board.get_origin_display()}), which are not "
            "mixed with imported votes. Name another board; it is created if it does not exist."
        )
    for name, wanted in (("title", title), ("task", task)):
        if wanted and wanted != getattr(board, name):
            raise VoteImportError(
                f"The board {slug} has the {name} {quote_value(getattr(board, name))}, not {quote_value(wanted)}. "
                f"Omit --{name} to add votes to it."
            )
    return board, False


def _open_models(rows: pd.DataFrame) -> tuple[Mapping[str, ImageModel], tuple[ImageModel, ...]]:
    """The models of the file by their names in it, and those of them that are new."""
    names, models, faults = ModelNames(), dict[str, ImageModel](), list[str]()
    sides = [rows[[side, f"{side}_name"]].set_axis(["text", "name"], axis=1) for side in ("model_a", "model_b")]
    for text, name in pd.concat(sides).drop_duplicates().itertuples(index=False):
        try:
            models[text] = names.read(name or text, make=True, slug=text if name else "")
        except ModelNameError as error:
            faults.append(str(error))
    if faults:
        more = f"\n  ... and {len(faults) - NAMED:,} more" if len(faults) > NAMED else ""
        raise VoteImportError("Models of the file:\n  " + "\n  ".join(faults[:NAMED]) + more)
    return models, tuple(ImageModel.objects.bulk_create(names.new))


def _resolve_rows(votes: VoteFile, board: Board, model_ids: Mapping[str, int]) -> list[_Row]:
    """The rows with the ids of what they name. New raters and prompts are created."""
    rows = votes.rows
    rater_ids = _open_raters(board, rows["rater"])
    prompt_keys = [
        key or _prompt_key(*texts)
        for key, *texts in zip(*(rows[name] for name in ("prompt_key", *PROMPT_COLUMNS)), strict=True)
    ]
    prompt_ids = _open_prompts(board, rows.assign(prompt_key=prompt_keys))
    columns = {name: rows[name].tolist() for name in _Row._fields}
    for side in ("model_a", "model_b"):
        columns[side] = [model_ids[text] for text in columns[side]]
    columns["rater"] = [rater_ids.get(name) for name in columns["rater"]]
    columns["prompt"] = [prompt_ids.get(key) for key in prompt_keys]
    columns["time"] = [None if time is pd.NaT else time.to_pydatetime() for time in columns["time"]]
    columns["seconds_shown"] = [None if math.isnan(seconds) else seconds for seconds in columns["seconds_shown"]]
    return list(map(_Row._make, zip(*columns.values(), strict=True)))


def _open_raters(board: Board, names: "pd.Series[str]") -> Mapping[str, int]:
    """Ids of the board's raters by name."""
    known = dict(Rater.objects.filter(board=board).values_list("name", "pk"))
    new = [name for name in pd.unique(names) if name and name not in known]
    made = Rater.objects.bulk_create(
        [Rater(origin=Origin.IMPORTED, board=board, name=name) for name in new], batch_size=BATCH
    )
    return known | {rater.name: rater.pk for rater in made}


# Prompts

PROMPT_COLUMNS = ("prompt", "category", "language")


def name_prompt_set(board: Board) -> str:
    """The slug of the prompt sets that hold the prompts of the board's imported votes."""
    return f"votes-{board.slug}"


def _prompt_key(text: str, category: str, language: str) -> str:
    """The key of a prompt; "" without a text."""
    return hashlib.sha256(json.dumps([text, category, language]).encode()).hexdigest()[:16] if text else ""


def _open_prompts(board: Board, rows: pd.DataFrame) -> Mapping[str, int]:
    """Ids of the board's imported prompts by key. Prompt sets never change, so new prompts become a new version."""
    slug = name_prompt_set(board)
    stored = list(Prompt.objects.filter(prompt_set__slug=slug).values_list("key", "pk", "text"))
    known = {key: pk for key, pk, _ in stored}
    distinct = rows[rows["prompt_key"] != ""].drop_duplicates("prompt_key").sort_values("prompt_key")
    texts = dict(zip(distinct["prompt_key"], distinct["prompt"], strict=True))
    for key, _, text in stored:
        if texts.get(key, text) != text:
            raise VoteImportError(
                f"The prompt {quote_value(key)} is {quote_value(text)} on the board, not {quote_value(texts[key])}."
            )
    new = distinct[~distinct["prompt_key"].isin(known)]
    if new.empty:
        return known
    prompts = [
        {"key": key, "text": text, "category": category, "language": language, "targets": []}
        for key, text, category, language in zip(
            *(new[name].tolist() for name in ("prompt_key", *PROMPT_COLUMNS)), strict=True
        )
    ]
    digest = hashlib.sha256(json.dumps(prompts, sort_keys=True).encode()).hexdigest()
    prompt_set = PromptSet.objects.create(
        slug=slug, version=digest[:12], title=f"Prompts of the votes imported to {board.slug}", digest=digest
    )
    made = Prompt.objects.bulk_create([Prompt(prompt_set=prompt_set, **prompt) for prompt in prompts], batch_size=BATCH)
    board.prompt_sets.add(prompt_set)
    return known | {prompt.key: prompt.pk for prompt in made}


# Votes


def _split_known(board: Board, rows: Sequence[_Row], votes: VoteFile) -> tuple[list[_Row], tuple[LineFault, ...]]:
    """The rows that are not on the board yet, and all faults, both in the order of the file."""
    timed = "time" in votes.used
    known = set(_identify_votes(board, rows, timed)) if votes.identifies_votes else set()
    fresh: list[_Row] = []
    faults = list(votes.faults)
    for row in rows:
        if (row.model_a, row.model_b, row.winner, row.rater, row.prompt, row.time if timed else None) in known:
            faults.append(LineFault(row.line, "already on the board", row.content))
        else:
            fresh.append(row)
    return fresh, tuple(sorted(faults, key=lambda fault: fault.line))


def _identify_votes(board: Board, rows: Sequence[_Row], timed: bool) -> Iterator[tuple[object, ...]]:
    """The identity of each vote on the board that may be among the rows."""
    votes = board.votes.all()
    times = [row.time for row in rows if row.time]
    if timed and times:
        votes = votes.filter(cast_at__range=(min(times), max(times)))
    for *about, cast_at in votes.values_list("model_a", "model_b", "winner", "rater", "prompt", "cast_at").iterator():
        yield (*about, cast_at if timed else None)


def _write_votes(board: Board, rows: Sequence[_Row], on_batch: Callable[[int, int], None]) -> None:
    now = timezone.now()
    made = (
        Vote(
            board_id=board.pk,
            origin=Origin.IMPORTED,
            model_a_id=row.model_a,
            model_b_id=row.model_b,
            winner=row.winner,
            rater_id=row.rater,
            prompt_id=row.prompt,
            category=row.category,
            language=row.language,
            cast_at=row.time or now,
            how=row.how,
            seconds_shown=row.seconds_shown,
        )
        for row in rows
    )
    excluded = defaultdict[str, list[int]](list)
    n_written = 0
    while batch := list(islice(made, BATCH)):
        for vote, row in zip(Vote.objects.bulk_create(batch), rows[n_written:], strict=False):
            for reason in row.exclusions.split():
                excluded[reason].append(vote.pk)
        n_written += len(batch)
        on_batch(n_written, len(rows))
    for reason, votes in excluded.items():
        exclude_imported(board, reason, votes)
