"""The tiny network of the demo: a diffusers pipeline with random weights, which shows how a real model is run."""

import logging
import tomllib
from importlib.util import find_spec
from pathlib import Path

from django.conf import settings

from arena.boards import declare_all
from arena.demo.processes import Child, start_command
from arena.models import Board
from generators.fixtures import find_fixture


def start_writing() -> Child | None:
    """Start to write the weights, beside the drawing; None if they are there, or diffusers is not installed."""
    if find_spec("diffusers") is None:
        logging.warning("The demo runs without a neural network. To add one: pip install 'paragone[workers]'.")
        return None
    if (_find_folder() / "model_index.json").exists():
        return None
    # A process of its own: the memory that torch takes is free again when it ends.
    return start_command("tiny-network", "make_tiny_model", str(_find_folder()))


def declare_board(writing: Child | None) -> Board | None:
    """The board of the tiny network, once its weights are written; None if there are none."""
    if writing and writing.process.wait():
        logging.warning("The tiny network could not be written, so the demo runs without it: see %s", writing.log)
    if find_spec("diffusers") is None or not (_find_folder() / "model_index.json").exists():
        return None
    file = find_fixture("tiny")
    declared = tomllib.loads(file.read_text())
    for model in declared["models"]:
        model["settings"]["path"] = str(_find_folder())
    (board,) = declare_all(declared, file)
    return board


def _find_folder() -> Path:
    return Path(settings.VAR) / "models" / "tiny"
