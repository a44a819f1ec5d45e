"""Boards as they are declared: in TOML, together with the models and prompts they name."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import transaction
from pydantic import Field

from arena.models import Board, Origin
from arena.simulation import StrengthModel
from generators.declarations import Declaration, declare_model, declare_prompt_set
from generators.models import ImageModel, PromptSet


class BoardDeclaration(Declaration):
    slug: str
    title: str
    description: str = ""
    task: Board.Task = Board.Task.TEXT_TO_IMAGE
    origin: Origin = Origin.HUMAN
    contestants: list[str] = Field(default_factory=list)
    prompt_sets: list[str] = Field(default_factory=list)
    canvas_width: int = Field(default=1024, ge=64, le=4096)
    canvas_height: int = Field(default=1024, ge=64, le=4096)
    seeds: int = Field(default=1, ge=1)
    preliminary_below: int = Field(default=50, ge=0)
    interval: Board.Interval = Board.Interval.RATER
    focus: str | None = None
    simulation: StrengthModel | None = None


class UnknownDeclaration(Exception):
    """A board names a model or prompt set that was never declared."""


def declare_board(declared: Mapping[str, Any]) -> Board:
    """The board as declared, made or brought up to date; ``prompt_sets`` are "slug version". Its origin never changes.

    Raises pydantic.ValidationError, or UnknownDeclaration naming what is not there.
    """
    declaration = BoardDeclaration.model_validate(declared)
    contestants = list(ImageModel.objects.filter(slug__in=declaration.contestants))
    _expect_all("model", declaration.contestants, {model.slug for model in contestants})
    if declaration.focus is not None:
        _expect_all("contestant", [declaration.focus], set(declaration.contestants))
    slugs = [name.partition(" ")[0] for name in declaration.prompt_sets]
    prompt_sets = [s for s in PromptSet.objects.filter(slug__in=slugs) if str(s) in declaration.prompt_sets]
    _expect_all("prompt set", declaration.prompt_sets, {str(prompt_set) for prompt_set in prompt_sets})
    fields = declaration.model_dump(exclude={"slug", "contestants", "prompt_sets", "focus"})
    fields["focus"] = next((model for model in contestants if model.slug == declaration.focus), None)
    board, _ = Board.objects.update_or_create(slug=declaration.slug, defaults=fields)
    board.contestants.set(contestants)
    board.prompt_sets.set(prompt_sets)
    return board


def _expect_all(kind: str, wanted: list[str], known: set[str]) -> None:
    if missing := sorted(set(wanted) - known):
        raise UnknownDeclaration(f"No {kind} is declared as: {', '.join(missing)}.")


@transaction.atomic
def seed(file: Path) -> list[Board]:
    """Declare everything in a TOML file: ``prompt_files`` (beside it), ``models``, ``boards``."""
    declared = tomllib.loads(file.read_text())
    for name in declared.get("prompt_files", []):
        declare_prompt_set(tomllib.loads((file.parent / name).read_text()))
    for model in declared.get("models", []):
        declare_model(model)
    return [declare_board(board) for board in declared.get("boards", [])]
