"""A finished run measured once more, from its frozen inputs, its originals and the stored features."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evaluation.models import Run
from evaluation.runs import scoring
from evaluation.runs.scoring import OnProgress


@dataclass(frozen=True)
class Difference:
    """What is not as it was: ``where`` names it ("fid: value"), with what was stored and what is found now."""

    where: str
    stored: Any
    found: Any


class ReplayError(Exception):
    """The run was never scored."""


def replay(run: Run, *, on_progress: OnProgress) -> list[Difference]:
    """What a new measurement finds different; empty when every metric comes out as it was, bit for bit.

    Versions of what computes and the networks' digests are compared too, and stand first: they say why the rest may
    differ. Raises ReplayError.
    """
    if run.status != Run.Status.DONE:
        raise ReplayError(f"The run is {run.status}; only one that is done can be replayed.")
    inputs = {sample.pk: sample.inputs for sample in run.samples.all()}
    found = scoring.score_snapshot(run, inputs, on_progress=on_progress)
    differences = list(_compare("record", run.record, found.record))
    stored = {result.label: result.outcome for result in run.results.all()}
    for outcome in found.outcomes:
        differences += _compare(outcome.label, stored.get(outcome.label), scoring.as_json(outcome))
    differences += _compare("verdict", run.judgement, scoring.as_json(found.verdict) if found.verdict else {})
    return differences


def _compare(where: str, stored: Any, found: Any) -> Iterator[Difference]:
    """Where two JSON values differ, leaf by leaf; tuples count as lists."""
    if isinstance(stored, Mapping) and isinstance(found, Mapping):
        for key in dict.fromkeys([*stored, *found]):
            yield from _compare(f"{where}: {key}", stored.get(key), found.get(key))
    elif isinstance(stored, list | tuple) and isinstance(found, list | tuple) and len(stored) == len(found):
        for index, (old, new) in enumerate(zip(stored, found, strict=True)):
            yield from _compare(f"{where}: {index}", old, new)
    elif stored != found:
        yield Difference(where, stored, found)
