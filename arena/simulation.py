"""Simulated votes, drawn from a known strength model to test the ratings. They never mix with people's votes.

A simulated board declares its StrengthModel in ``Board.simulation``, so that its ratings can be compared with the true
strengths. A vote on models A and B is drawn as follows:

1. It is ``both_bad`` with the probability ``both_bad · 10^(-(mean of the two strengths - lowest strength) / 400)``.
2. Otherwise, with d = the difference of the strengths A - B, plus that of the rater's tastes, plus ``side``:
   P(A) : P(B) : P(tie) = 10^(d/800) : 10^(-d/800) : 2 tie / (1 - tie) (Davidson 1970, "On extending the Bradley-Terry
   model to accommodate ties"). Without ties this is the Bradley-Terry model, P(A) = 1 / (1 + 10^(-d/400)).

With taste, side, tie or both_bad, the fitted ratings are closer together than the strengths: ties and "both bad" count
as half a win, and raters with different tastes agree less.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from django.db import transaction
from django.utils import timezone
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from arena.models import Board, Origin, Rater, Vote
from evaluation.ratings.outcomes import WINNERS
from generators.models import ImageModel, Prompt

BATCH = 2000


class StrengthModel(BaseModel):
    """The strength model of simulated raters.

    Attributes:
        strengths: Rating points by model slug, on the arena's scale (400 points: odds of 10 to 1).
        tie: Probability of a tie between two equally strong models.
        both_bad: Probability of both_bad between two models of the board's lowest strength.
        taste: Standard deviation, in rating points, of each rater's deviation per model.
        side: Advantage of the left image, A, in rating points.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    strengths: dict[str, FiniteFloat] = Field(min_length=2)
    tie: float = Field(ge=0, lt=1)
    both_bad: float = Field(ge=0, lt=1)
    taste: FiniteFloat = Field(ge=0)
    side: FiniteFloat


class SimulationError(Exception):
    """No votes were written. The message says why and what to do."""


@dataclass(frozen=True)
class DrawnVotes:
    """Votes as indices, each of shape (n_votes,): of the rater, of the two models (in alphabetical order of the slugs),
    of the winner in WINNERS, and of the prompt."""

    rater: NDArray[np.int64]
    model_a: NDArray[np.int64]
    model_b: NDArray[np.int64]
    winner: NDArray[np.int64]
    prompt: NDArray[np.int64]


def draw_votes(
    model: StrengthModel, *, n_votes: int, n_raters: int, n_prompts: int, seed: int, n_earlier: int = 0
) -> DrawnVotes:
    """Draw votes: raters, ordered pairs of models and prompts uniformly, winners from the strength model.

    The same arguments give the same votes. Another ``n_earlier`` (number of votes drawn before with this seed) gives
    other votes by raters with the same tastes.
    """
    # Sorted by slug: not every database keeps the order of JSON keys.
    strengths = np.array([strength for _, strength in sorted(model.strengths.items())], dtype=np.float64)
    # Separate random streams, so that a rater's taste does not depend on the number of raters or votes.
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
    """Indices into WINNERS, shape (n_votes,).

    ``difference`` is A - B, ``quality`` the mean strength above the lowest one; both in points, shape (n_votes,).
    """
    both_bad = model.both_bad * 10.0 ** (-quality / 400.0)
    # Divided by the larger weight, so that none overflows.
    exponents = np.stack([difference, -difference, np.zeros_like(difference)]) / 800.0
    weights = 10.0 ** (exponents - np.abs(difference) / 800.0)
    weights[2] *= 2.0 * model.tie / (1.0 - model.tie)
    probabilities = np.vstack([weights / weights.sum(axis=0) * (1.0 - both_bad), both_bad])
    winners: NDArray[np.int64] = (rng.random(len(difference)) >= probabilities.cumsum(axis=0)[:-1]).sum(axis=0)
    return winners


@transaction.atomic
def simulate_votes(
    board: Board,
    *,
    n_votes: int,
    n_raters: int = 50,
    seed: int = 0,
    on_batch: Callable[[int, int], None] = lambda n_done, total: None,
) -> StrengthModel:
    """Add ``n_votes`` to a simulated board and return their strength model.

    The same seed on the same board gives the same votes, except for their time, which is now. A second call with the
    same seed continues with the same raters. ``on_batch`` is called with the votes written and their total.

    Raises:
        SimulationError: The board is not simulated, or its strength model does not match its models.
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
    _write_votes(board, drawn, _open_raters(board, n_raters), model_ids, prompts, on_batch)
    return model


def read_strength_model(board: Board) -> StrengthModel:
    """The board's strength model. Raises SimulationError unless it has a strength for each model of the board."""
    if board.origin != Origin.SIMULATED:
        others = ", ".join(Board.objects.filter(origin=Origin.SIMULATED).values_list("slug", flat=True))
        raise SimulationError(
            f"The board {board.slug} has the origin {board.origin} ({board.get_origin_display()}), and simulated votes "
            f"cannot be added to it. Simulated boards: {others or 'none yet'}."
        )
    try:
        model = StrengthModel.model_validate(board.simulation)
    except ValidationError as error:
        raise SimulationError(f"The strength model of the board {board.slug} is invalid. {error}") from error
    board_models = set(board.image_models.values_list("slug", flat=True))
    for slugs, problem in (
        (set(model.strengths) - board_models, "lists models that are not on the board"),
        (board_models - set(model.strengths), "lacks models of the board"),
    ):
        if slugs:
            raise SimulationError(
                f"The strength model of the board {board.slug} {problem}: {', '.join(sorted(slugs))}."
                " Give exactly the models of the board a strength."
            )
    return model


def _open_raters(board: Board, n_raters: int) -> list[int]:
    """Ids of the board's first ``n_raters`` simulated raters. Creates the missing ones."""
    names = [f"simulated rater {number:03d}" for number in range(1, n_raters + 1)]
    known = dict(Rater.objects.filter(board=board, origin=Origin.SIMULATED).values_list("name", "pk"))
    new = [Rater(origin=Origin.SIMULATED, board=board, name=name) for name in names if name not in known]
    known |= {rater.name: rater.pk for rater in Rater.objects.bulk_create(new, batch_size=BATCH)}
    return [known[name] for name in names]


def _write_votes(
    board: Board,
    drawn: DrawnVotes,
    raters: list[int],
    model_ids: list[int],
    prompts: list[Prompt],
    on_batch: Callable[[int, int], None],
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
    n_written = 0
    while batch := list(islice(made, BATCH)):
        Vote.objects.bulk_create(batch)
        n_written += len(batch)
        on_batch(n_written, len(drawn.rater))
