"""Votes of simulated raters who follow a stated strength model: for trying the engine, never mixed with people's votes.

A simulated board states in ``Board.simulation`` what its raters follow (StrengthModel), so that the ratings that come
out can be held against the strengths that went in. A vote on the images of models A and B is drawn like this:

1. It is ``both_bad`` with the probability ``both_bad · 10^(-(mean of the two strengths - lowest strength) / 400)``.
2. Otherwise, with d = the strengths' difference A - B, plus the difference of this rater's own tastes, plus ``side``:
   P(A) : P(B) : P(tie) = 10^(d/800) : 10^(-d/800) : 2 tie / (1 - tie) (Davidson 1970, "On extending the Bradley-Terry
   model to accommodate ties"). Without ties that is Bradley and Terry's model, P(A) = 1 / (1 + 10^(-d/400)).

With taste, side, tie or both_bad the fitted ratings lie closer together than the strengths: undecided votes count as
half a win, and raters who differ in taste agree less.
"""

from dataclasses import dataclass
from itertools import islice

import numpy as np
from django.db import transaction
from django.utils import timezone
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from tqdm import tqdm

from arena.models import Board, Origin, Rater, Vote
from evaluation.ratings.outcomes import WINNERS
from generators.models import ImageModel, Prompt

BATCH = 2000


class StrengthModel(BaseModel):
    """What simulated raters follow.

    ``strengths``: rating points by model slug, on the arena's scale (400 points: odds of 10 to 1). ``tie``: probability
    of a tie between two equally strong models. ``both_bad``: probability of both_bad between two models of the board's
    lowest strength. ``taste``: standard deviation, in rating points, of each rater's own deviation per model. ``side``:
    rating points that the left image, A, has ahead.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    strengths: dict[str, FiniteFloat] = Field(min_length=2)
    tie: float = Field(ge=0, lt=1)
    both_bad: float = Field(ge=0, lt=1)
    taste: FiniteFloat = Field(ge=0)
    side: FiniteFloat


class SimulationError(Exception):
    """Nothing was written. The message says why, and what to do."""


@dataclass(frozen=True)
class DrawnVotes:
    """Votes as indices, each of shape (n_votes,): into the raters, the strength model's slugs in alphabetical order
    (two different ones), WINNERS and the prompts."""

    rater: NDArray[np.int64]
    model_a: NDArray[np.int64]
    model_b: NDArray[np.int64]
    winner: NDArray[np.int64]
    prompt: NDArray[np.int64]


def draw_votes(
    model: StrengthModel, *, n_votes: int, n_raters: int, n_prompts: int, seed: int, n_earlier: int = 0
) -> DrawnVotes:
    """Draw votes: raters, ordered pairs of models and prompts uniformly, answers by the strength model.

    The same arguments give the same votes; another ``n_earlier`` (votes drawn before with this seed) gives other ones
    by raters of the same tastes.
    """
    # By slug: not every database keeps the order in which the strengths were stated.
    strengths = np.array([strength for _, strength in sorted(model.strengths.items())], dtype=np.float64)
    # Streams of their own: a rater's taste depends on neither the number of raters nor that of votes.
    tastes = np.random.default_rng([seed, 0]).normal(0.0, model.taste, size=(n_raters, len(strengths)))
    rng = np.random.default_rng([seed, 1, n_earlier])
    rater = rng.integers(n_raters, size=n_votes)
    model_a = rng.integers(len(strengths), size=n_votes)
    model_b = (model_a + rng.integers(1, len(strengths), size=n_votes)) % len(strengths)
    difference = strengths[model_a] - strengths[model_b] + tastes[rater, model_a] - tastes[rater, model_b] + model.side
    quality = (strengths[model_a] + strengths[model_b]) / 2.0 - strengths.min()
    return DrawnVotes(
        rater=rater,
        model_a=model_a,
        model_b=model_b,
        winner=_draw_winners(model, difference, quality, rng),
        prompt=rng.integers(max(n_prompts, 1), size=n_votes),
    )


def _draw_winners(
    model: StrengthModel, difference: NDArray[np.float64], quality: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Indices into WINNERS. ``difference`` A - B and ``quality`` above the lowest strength, in points, (n_votes,)."""
    both_bad = model.both_bad * 10.0 ** (-quality / 400.0)
    # The larger of the two weights is divided out, so that none overflows.
    exponents = np.stack([difference, -difference, np.zeros_like(difference)]) / 800.0
    weights = 10.0 ** (exponents - np.abs(difference) / 800.0)
    weights[2] *= 2.0 * model.tie / (1.0 - model.tie)
    probabilities = np.vstack([weights / weights.sum(axis=0) * (1.0 - both_bad), both_bad])
    winners: NDArray[np.int64] = (rng.random(len(difference)) >= probabilities.cumsum(axis=0)[:-1]).sum(axis=0)
    return winners


@transaction.atomic
def simulate_votes(board: Board, *, n_votes: int, n_raters: int = 50, seed: int = 0) -> StrengthModel:
    """Add ``n_votes`` to a simulated board and return the strength model they follow.

    The same seed on the same board gives the same votes, but for their time, which is now. Another call with that seed
    goes on where the first ended, with the same raters. Raises SimulationError.
    """
    board = Board.objects.select_for_update(no_key=True).get(pk=board.pk)
    model = read_strength_model(board)
    models = ImageModel.objects.in_bulk(list(model.strengths), field_name="slug")
    model_ids = [models[slug].pk for slug in sorted(model.strengths)]
    prompts = list(Prompt.objects.filter(prompt_set__boards=board).distinct().order_by("pk"))
    drawn = draw_votes(
        model,
        n_votes=n_votes,
        n_raters=n_raters,
        n_prompts=len(prompts),
        seed=seed,
        n_earlier=board.votes.count(),
    )
    _write_votes(board, drawn, _open_raters(board, n_raters), model_ids, prompts)
    return model


def read_strength_model(board: Board) -> StrengthModel:
    """What the board's raters follow. Raises SimulationError unless the board states it, for each of its models."""
    if board.origin != Origin.SIMULATED:
        others = ", ".join(Board.objects.filter(origin=Origin.SIMULATED).values_list("slug", flat=True))
        raise SimulationError(
            f"The board {board.slug} holds votes of the origin {board.origin} ({board.get_origin_display()}), and "
            f"simulated votes never mix with others. Simulated boards: {others or 'none yet'}."
        )
    try:
        model = StrengthModel.model_validate(board.simulation)
    except ValidationError as error:
        raise SimulationError(f"The strength model of the board {board.slug} does not hold. {error}") from error
    board_models = set(board.image_models.values_list("slug", flat=True))
    for slugs, what in (
        (set(model.strengths) - board_models, "a strength is stated, but they are not models of the board"),
        (board_models - set(model.strengths), "no strength is stated, but they are models of the board"),
    ):
        if slugs:
            raise SimulationError(f"Board {board.slug}: of {', '.join(sorted(slugs))} {what}. State one for each.")
    return model


def _open_raters(board: Board, n_raters: int) -> list[int]:
    """Ids of the board's first simulated raters, made where there are fewer."""
    names = [f"simulated rater {number:03d}" for number in range(1, n_raters + 1)]
    known = dict(Rater.objects.filter(board=board, origin=Origin.SIMULATED).values_list("name", "pk"))
    new = [Rater(origin=Origin.SIMULATED, board=board, name=name) for name in names if name not in known]
    known |= {rater.name: rater.pk for rater in Rater.objects.bulk_create(new, batch_size=BATCH)}
    return [known[name] for name in names]


def _write_votes(
    board: Board, drawn: DrawnVotes, raters: list[int], model_ids: list[int], prompts: list[Prompt]
) -> None:
    now = timezone.now()
    columns = (drawn.rater, drawn.model_a, drawn.model_b, drawn.winner, drawn.prompt)
    made = (
        Vote(
            board_id=board.pk,
            origin=Origin.SIMULATED,
            rater_id=raters[rater],
            model_a_id=model_ids[model_a],
            model_b_id=model_ids[model_b],
            winner=WINNERS[winner],
            prompt=prompts[prompt] if prompts else None,
            category=prompts[prompt].category if prompts else "",
            language=prompts[prompt].language if prompts else "",
            cast_at=now,
        )
        for rater, model_a, model_b, winner, prompt in zip(*(column.tolist() for column in columns), strict=True)
    )
    # disable=None: no bar where nobody watches.
    with tqdm(total=len(drawn.rater), desc="simulating", unit="vote", disable=None, dynamic_ncols=True) as bar:
        while batch := list(islice(made, BATCH)):
            Vote.objects.bulk_create(batch)
            bar.update(len(batch))
