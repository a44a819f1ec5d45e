"""Declarations of boards in TOML, with the models and prompts they name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import transaction
from pydantic import Field

from arena.models import Board, Origin
from arena.simulation import StrengthModel
from generators.adapters.registry import find_capabilities
from generators.declarations import declare_model
from generators.fixtures import find_prompt_file
from generators.input_files.declared_files import read_declared_file
from generators.input_files.fields import Declaration, FilledLine, Slug
from generators.model_names import ModelNameError, ModelNames
from generators.models import ImageModel, Prompt, PromptSet
from generators.prompts.packs import find_prompt_sets, prepare_prompt_set, write_prompt_set


class BoardDeclaration(Declaration):
    slug: Slug
    title: FilledLine
    description: str = ""
    task: Board.Task = Board.Task.TEXT_TO_IMAGE
    origin: Origin = Origin.HUMAN
    models: list[str] = Field(default_factory=list)
    prompt_sets: list[str] = Field(default_factory=list)
    canvas_width: int = Field(default=1024, ge=64, le=4096)
    canvas_height: int = Field(default=1024, ge=64, le=4096)
    seeds: int = Field(default=1, ge=1)
    preliminary_below: int = Field(default=50, ge=0)
    interval: Board.Interval = Board.Interval.RATER
    target_model: str | None = None
    rater_prompts: Board.RaterPrompts = Board.RaterPrompts.OFF
    rater_prompts_per_hour: int = Field(default=20, ge=1, le=10_000)
    simulation: StrengthModel | None = None


class UnknownDeclarationError(Exception):
    """A board names a model or prompt set that is not declared."""


class InvalidDeclarationError(Exception):
    """A board names prompts of another task, or a model that cannot draw them."""


def declare_board(declared: Mapping[str, Any]) -> Board:
    """Create or update a board. ``prompt_sets`` are written "slug version". The origin of a board cannot change.

    Raises:
        pydantic.ValidationError: The declaration is invalid.
        UnknownDeclarationError: A model or prompt set is not declared.
        InvalidDeclarationError: A prompt belongs to another task, or a model cannot edit the board's images.
        AdapterError: The settings of a model are invalid.
    """
    declaration = BoardDeclaration.model_validate(declared)
    models, target = _find_models(declaration)
    prompt_sets = find_prompt_sets(declaration.prompt_sets)
    _expect_all("prompt set", declaration.prompt_sets, {str(prompt_set) for prompt_set in prompt_sets})
    _expect_task(declaration, prompt_sets)
    if declaration.task == Board.Task.IMAGE_EDIT:
        _expect_editors(declaration, models, prompt_sets)
    fields = declaration.model_dump(exclude={"slug", "models", "prompt_sets", "target_model"})
    fields["target_model"] = target
    board, _ = Board.objects.update_or_create(slug=declaration.slug, defaults=fields)
    board.image_models.set(models)
    board.prompt_sets.set(prompt_sets)
    return board


def _find_models(declaration: BoardDeclaration) -> tuple[list[ImageModel], ImageModel | None]:
    """The models of the board, and the one that battles measure first."""
    names = ModelNames()
    try:
        found = {name: names.find(name) for name in (*declaration.models, declaration.target_model) if name}
    except ModelNameError as error:
        raise UnknownDeclarationError(f"Board {declaration.slug}: {error}.") from error
    _expect_all("model", list(found), {name for name, model in found.items() if model})
    models = [model for name in dict.fromkeys(declaration.models) if (model := found[name])]
    target = found[declaration.target_model] if declaration.target_model else None
    if target and target not in models:
        raise UnknownDeclarationError(
            f"The target_model {declaration.target_model} of board {declaration.slug} is not one of its models."
        )
    return models, target


def _expect_all(kind: str, wanted: list[str], known: set[str]) -> None:
    if missing := sorted(set(wanted) - known):
        raise UnknownDeclarationError(f"No {kind} is declared with the name {', '.join(missing)}. Declare it first.")


def _expect_task(declaration: BoardDeclaration, prompt_sets: list[PromptSet]) -> None:
    prompts, edits = Prompt.objects.filter(prompt_set__in=prompt_sets), declaration.task == Board.Task.IMAGE_EDIT
    mismatches = prompts.filter(sources=[]) if edits else prompts.exclude(sources=[])
    if mismatch := mismatches.select_related("prompt_set").first():
        has = "has no source image" if edits else "has a source image"
        raise InvalidDeclarationError(
            f"Prompt {mismatch.key} of {mismatch.prompt_set} {has}, but board {declaration.slug} has the task"
            f" {declaration.task}. Change the board's prompt sets or its task."
        )


def _expect_editors(declaration: BoardDeclaration, models: list[ImageModel], prompt_sets: list[PromptSet]) -> None:
    """Check that each model with an adapter can edit. Models without an adapter use imported images."""
    prompts = list(Prompt.objects.filter(prompt_set__in=prompt_sets).only("sources", "mask"))
    n_sources = max((len(prompt.sources) for prompt in prompts), default=1)
    masked = any(prompt.mask for prompt in prompts)
    unable = []
    for model in models:
        if model.adapter and model.lifecycle != ImageModel.Lifecycle.RETIRED:
            capable = find_capabilities(model.adapter, model.settings)
            if capable.max_sources < n_sources or (masked and not capable.masks):
                unable.append(model.slug)
    if unable:
        wanted = f"{n_sources} source image{'s' if n_sources > 1 else ''}{' and a mask' if masked else ''}"
        raise InvalidDeclarationError(
            f"Board {declaration.slug} has prompts with {wanted}, which these models do not support:"
            f" {', '.join(sorted(unable))}. Remove them from the board."
        )


def seed(file: Path) -> list[Board]:
    """Declare everything in a TOML file: ``prompt_files``, ``models``, ``boards``. Raises DeclaredFileError too."""
    return declare_all(read_declared_file(file).values, file)


def declare_all(declared: Mapping[str, Any], file: Path) -> list[Board]:
    """Declare all models, prompt sets and boards of a TOML file, or none. ``prompt_files`` are paths, or names."""
    prompt_files = [find_prompt_file(name, file) for name in declared.get("prompt_files", [])]
    # Files are read and stored before the transaction.
    prompt_sets = [prepare_prompt_set(read_declared_file(pack).values, pack.parent) for pack in prompt_files]
    with transaction.atomic():
        for prompt_set in prompt_sets:
            write_prompt_set(prompt_set)
        for model in declared.get("models", []):
            declare_model(model)
        return [declare_board(board) for board in declared.get("boards", [])]
