"""Exports of a board's votes, to a file that an import reads back: the same votes in the same order.

Importing the file into an empty database gives the same votes, counts and ratings, and exporting those gives the same
bytes. Models are written as slugs, with their names in columns of their own. Raters are pseudonyms, the same in every
export of an installation with the same secret key; raters of imported and simulated votes keep their names.

Not in the file: images, battles and networks; the notes, authors and times of exclusions, and those that were lifted;
the declarations of the board, its models and its prompt sets.
"""

import hashlib
import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.utils.crypto import salted_hmac

from arena.models import Board, ExcludedVote, Exclusion, Rater, Vote
from arena.read_transaction import read_transaction
from arena.votes.exclusions import keep_countable
from arena.votes.imports import name_prompt_set
from generators.input_files.csv_export import write_csv
from generators.models import ImageModel, Prompt

BATCH: Final = 50_000


class _Line(NamedTuple):
    """A vote as it is exported. All but ``vote``, its number in the file, are columns that an import reads.

    The number tells equal votes apart: without it, the second of two would be a duplicate of the first.
    """

    model_a: str
    model_b: str
    winner: str
    rater: str
    prompt: str
    time: datetime
    language: str
    category: str
    prompt_key: str
    how: str
    seconds_shown: float | None
    model_a_name: str
    model_b_name: str
    exclusions: str
    vote: int


# The columns that are fields of Vote, by the names of these.
STORED: Final = {
    "winner": "winner",
    "cast_at": "time",
    "language": "language",
    "category": "category",
    "how": "how",
    "seconds_shown": "seconds_shown",
}


@dataclass(frozen=True)
class VoteExport:
    """The result of an export: the votes in the file, and the excluded ones that are not in it."""

    n_votes: int
    n_left_out: int


def export_votes(board: Board, file: Path, *, with_excluded: bool = False) -> VoteExport:
    """Write a board's votes to a file, in the format of its suffix, which is one of WRITERS.

    Args:
        board: The board.
        file: The file, which is replaced if it exists.
        with_excluded: Also export votes that do not count, with their reasons in the column ``exclusions``.

    Raises:
        OSError: The file cannot be written. An existing file is unchanged.
    """
    columns = [name for name in _Line._fields if with_excluded or name != "exclusions"]
    places = [_Line._fields.index(name) for name in columns]
    partial = file.with_name(f"{file.name}.partial")
    n_votes = 0

    def count_lines(lines: Iterable[_Line]) -> Iterator[list[Any]]:
        nonlocal n_votes
        for line in lines:
            n_votes += 1
            yield [line[place] for place in places]

    try:
        with read_transaction():
            n_all = board.votes.count()
            WRITERS[file.suffix.lower()](partial, columns, count_lines(_read_lines(board, with_excluded)))
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return VoteExport(n_votes, n_all - n_votes)


def _read_lines(board: Board, with_excluded: bool) -> Iterator[_Line]:
    models = {pk: (slug, name) for pk, slug, name in ImageModel.objects.values_list("pk", "slug", "name")}
    raters, prompts, exclusions = _name_raters(board), _read_prompts(board), _read_exclusions(board)
    votes = board.votes.all() if with_excluded else keep_countable(board.votes.all())
    rows = votes.order_by("pk").values_list("pk", "model_a", "model_b", "rater", "prompt", *STORED)
    for number, row in enumerate(rows.iterator(chunk_size=BATCH), start=1):
        pk, model_a, model_b, rater, prompt, *stored = row
        (slug_a, name_a), (slug_b, name_b) = models[model_a], models[model_b]
        text, key = prompts.get(prompt, ("", ""))
        yield _Line(
            model_a=slug_a,
            model_b=slug_b,
            rater=raters.get(rater, ""),
            prompt=text,
            prompt_key=key,
            model_a_name=name_a,
            model_b_name=name_b,
            exclusions=" ".join(exclusions.get(pk, ())),
            vote=number,
            **dict(zip(STORED.values(), stored, strict=True)),
        )


def _name_raters(board: Board) -> Mapping[int | None, str]:
    """The name or pseudonym of each rater of the board by id.

    A pseudonym is a hash of the rater's key with the secret key: keys of accounts could be found by trial otherwise.
    """
    raters = Rater.objects.filter(pk__in=board.votes.values("rater")).values_list("pk", "name", "key")
    return {pk: name or _make_pseudonym(key) for pk, name, key in raters.iterator()}


def _make_pseudonym(key: uuid.UUID) -> str:
    return f"rater-{salted_hmac(__name__, key.bytes, algorithm='sha256').hexdigest()[:16]}"


def _read_prompts(board: Board) -> dict[int | None, tuple[str, str]]:
    """The text and key of each prompt by id. Imported prompts keep their keys; others name their prompt set."""
    own = name_prompt_set(board)
    longest = Prompt._meta.get_field("key").max_length or 0
    found: dict[int | None, tuple[str, str]] = {}
    voted = Prompt.objects.filter(pk__in=Vote.objects.filter(board=board).values("prompt")).select_related("prompt_set")
    for prompt in voted.iterator(chunk_size=BATCH):
        key = prompt.key if prompt.prompt_set.slug == own else f"{prompt.prompt_set} {prompt.key}"
        found[prompt.pk] = prompt.text, key if len(key) <= longest else hashlib.sha256(key.encode()).hexdigest()
    return found


def _read_exclusions(board: Board) -> Mapping[int, list[str]]:
    """The reasons in force by vote, in the order of Exclusion.Reason."""
    in_force = ExcludedVote.objects.filter(exclusion__in=Exclusion.objects.in_force().filter(board=board))
    found = defaultdict(set)
    for vote, reason in in_force.values_list("vote", "exclusion__reason").iterator(chunk_size=BATCH):
        found[vote].add(reason)
    return {vote: sorted(reasons, key=Exclusion.Reason.values.index) for vote, reasons in found.items()}


# Formats


def _write_time(cell: Any) -> Any:
    return cell.isoformat(timespec="microseconds").replace("+00:00", "Z") if isinstance(cell, datetime) else cell


def _write_csv(file: Path, columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        write_csv(stream, columns, (list(map(_write_time, line)) for line in lines), restorable=True)


def _write_json_lines(file: Path, columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        for line in lines:
            cells = dict(zip(columns, map(_write_time, line), strict=True))
            stream.write(json.dumps(cells, ensure_ascii=False) + "\n")


def _write_parquet(file: Path, columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    # Imported here because the web process does not need it otherwise.
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"time": pa.timestamp("us", "UTC"), "seconds_shown": pa.float64(), "vote": pa.int64()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in columns])
    rest = iter(lines)
    with pq.ParquetWriter(file, schema) as writer:
        while batch := list(islice(rest, BATCH)):
            cells = [
                pa.array(column, kind) for column, kind in zip(zip(*batch, strict=True), schema.types, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(cells, schema=schema))


WRITERS: Final[Mapping[str, Callable[[Path, Sequence[str], Iterable[Sequence[Any]]], None]]] = {
    ".csv": _write_csv,
    ".jsonl": _write_json_lines,
    ".parquet": _write_parquet,
}
