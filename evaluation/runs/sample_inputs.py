"""Sample inputs: the facts a metric may use (price, latency, votes), stored with the run so that it can be replayed.

Images may be drawn again, prices change and raters go on voting. Metrics read the JSON snapshot in ``Sample.inputs``,
so that none of this changes a number.
"""

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from evaluation.metrics.base import PromptInputs, SampleInputs, VoteInputs
from evaluation.models import Run
from evaluation.runs.extractions import Extractions
from generators.generations import WITHOUT_IMPORT
from generators.models import Charge, Generation, Prompt

Snapshot = dict[str, Any]
# The key of Run.record with the images that could not be read, by sha256, with the reason.
UNREAD = "unread"
OUTCOMES = {Generation.Status.OK: "ok", Generation.Status.REFUSED: "refused"}

VotesOn = Callable[[Collection[int]], Mapping[int, tuple[VoteInputs, ...]]]
_vote_sources: list[VotesOn] = []


def register_vote_source(votes_on: VotesOn) -> None:
    """Add a source of votes for metrics of human preference: ``votes_on`` maps generation ids to their votes.

    The arena registers its votes when Django starts. Without a source, no image has votes.
    """
    if votes_on not in _vote_sources:
        _vote_sources.append(votes_on)


def read_votes_on(generation_ids: Collection[int]) -> dict[int, tuple[VoteInputs, ...]]:
    """Votes from all registered sources, by generation id."""
    votes: dict[int, tuple[VoteInputs, ...]] = {}
    for votes_on in _vote_sources:
        for generation_id, found in votes_on(generation_ids).items():
            votes[generation_id] = votes.get(generation_id, ()) + found
    return votes


def snapshot_inputs(run: Run) -> dict[int, Snapshot]:
    """The current inputs of each sample, by its primary key.

    If a run is scored again only because images could not be read, its samples keep their inputs: a vote or a price
    that came since would change the numbers of the other samples.
    """
    if run.record.get(UNREAD):
        return {sample.pk: sample.inputs for sample in run.samples.order_by("pk")}
    samples = list(run.samples.select_related("generation").order_by("pk"))
    ids = [sample.generation_id for sample in samples]
    costs = dict(
        Charge.objects.filter(generation__samples__run=run)
        .exclude(state=Charge.State.RESERVED)
        .values_list("generation")
        .annotate(Sum("amount"))
    )
    votes = read_votes_on(ids)
    return {
        sample.pk: _snapshot(sample.generation, costs.get(sample.generation_id), votes.get(sample.generation_id, ()))
        for sample in samples
    }


def _snapshot(generation: Generation, cost: Decimal | None, votes: tuple[VoteInputs, ...]) -> Snapshot:
    outcome = OUTCOMES.get(Generation.Status(generation.status), "failed")
    drawn = outcome == "ok"
    return {
        "seed": generation.seed,
        "outcome": outcome,
        "reason": "" if drawn else generation.reason,
        "message": "" if drawn else generation.message,
        "original": generation.original,
        "width": generation.reported.get("width") if drawn else None,
        "height": generation.reported.get("height") if drawn else None,
        "phash": generation.phash,
        "seconds": generation.seconds if drawn and not generation.imported_from else None,
        # Generations claimed together were drawn in one call.
        "call": generation.claimed_at.isoformat() if generation.claimed_at else None,
        "usd": None if cost is None else float(cost),
        "votes": [vars(vote) for vote in votes],
    }


def restore_inputs(snapshot: Mapping[str, Any], prompt: Prompt, extractions: Extractions) -> SampleInputs:
    """The inputs for metrics. Features are read when a metric looks them up."""
    return SampleInputs(
        prompt=describe_prompt(prompt),
        seed=snapshot["seed"],
        outcome=snapshot["outcome"],
        reason=snapshot["message"] if snapshot["reason"] in WITHOUT_IMPORT else snapshot["reason"],
        width=snapshot["width"],
        height=snapshot["height"],
        phash=snapshot["phash"],
        seconds=snapshot["seconds"],
        call=snapshot["call"],
        usd=snapshot["usd"],
        votes=tuple(VoteInputs(**vote) for vote in snapshot["votes"]),
        extracted=extractions.of_image(snapshot["original"]),
        texts=extractions.of_texts(),
        alphabets=extractions.alphabets,
    )


def describe_prompt(prompt: Prompt) -> PromptInputs:
    return PromptInputs(
        key=f"{prompt.prompt_set_id}/{prompt.key}",
        text=prompt.text,
        category=prompt.category,
        language=prompt.language,
        targets=tuple(prompt.targets),
        tags=tuple(prompt.tags),
        checks=tuple(prompt.checks),
    )
