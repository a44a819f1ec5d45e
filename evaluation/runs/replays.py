"""Replay of a finished run: measures it again from its sample inputs, originals and stored features."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evaluation.models import Run
from evaluation.runs import scoring
from evaluation.runs.scoring import OnProgress


@dataclass(frozen=True)
class Difference:
    """A difference between the stored and the new result. ``where`` is its path, for example "fid: value"."""

    where: str
    stored: Any
    found: Any


class ReplayError(Exception):
    """The run has no results to replay."""


def replay(run: Run, *, on_progress: OnProgress) -> list[Difference]:
    """The differences from the stored results; empty if every metric is equal bit for bit.

    Software versions and the digests of networks come first, because they explain other differences. Raises
    ReplayError.
    """
    if run.status != Run.Status.DONE:
        raise ReplayError(f"The run is {run.status}. Only a run that is done can be replayed.")
    inputs = {sample.pk: sample.inputs for sample in run.samples.all()}
    found = scoring.score_snapshot(run, inputs, on_progress=on_progress)
    differences = list(_compare("record", run.record, found.record))
    stored = {result.label: result.outcome for result in run.results.all()}
    for outcome in found.outcomes:
        differences += _compare(outcome.label, stored.get(outcome.label), scoring.as_json(outcome))
    differences += _compare("verdict", run.judgement, scoring.as_json(found.verdict) if found.verdict else {})
    return differences


def _compare(where: str, stored: Any, found: Any) -> Iterator[Difference]:
    """Differences between two JSON values, leaf by leaf. Tuples equal lists."""
    if isinstance(stored, Mapping) and isinstance(found, Mapping):
        for key in dict.fromkeys([*stored, *found]):
            yield from _compare(f"{where}: {key}", stored.get(key), found.get(key))
    elif isinstance(stored, list | tuple) and isinstance(found, list | tuple) and len(stored) == len(found):
        for index, (old, new) in enumerate(zip(stored, found, strict=True)):
            yield from _compare(f"{where}: {index}", old, new)
    elif stored != found:
        yield Difference(where, stored, found)
