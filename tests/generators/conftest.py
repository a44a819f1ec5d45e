"""Fixtures: tiny models with random weights, made once per session."""

from pathlib import Path

import pytest

from generators.adapters.diffusers.tiny import make_tiny_pipeline
from tests.generators.adapters.onnx_export import export_pipeline


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a diffusers pipeline with random weights."""
    import torch

    # On shared cores, several threads wait for each other longer than they work.
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("tiny")
    make_tiny_pipeline(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_export(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights as ONNX."""
    folder = tmp_path_factory.mktemp("onnx")
    export_pipeline(tiny, folder)
    return folder
