"""Weights that cannot be loaded: each case has its outcome and a message that says what to do."""

import io
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pytest_httpserver import HTTPServer

from generators.adapters.base import AdapterError, GeneratedImage, GenerationRequest, Outcome
from generators.adapters.registry import load_generator, validate_settings

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REQUEST = GenerationRequest("a cube", 1, 64, 64)


def load(declared: dict[str, Any]) -> AdapterError:
    """The error of the first drawing."""
    with pytest.raises(AdapterError) as raised:
        load_generator("diffusers", {"steps": 1, **declared}).generate([REQUEST])
    return raised.value


@pytest.fixture
def hub(httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """A Hub on loopback, and an empty cache."""
    import huggingface_hub
    from huggingface_hub import constants

    address = httpserver.url_for("").rstrip("/")
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", address)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    huggingface_hub.close_session()
    return httpserver


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({"path": "/nowhere/at/all"}, "There is no folder /nowhere/at/all"),
        (
            {"scheduler": "NoSuchScheduler"},
            "NoSuchScheduler is not a scheduler for this model.*compatible: DDIMScheduler",
        ),
        ({"scheduler": "FlowMatchEulerDiscreteScheduler"}, "is not a scheduler for this model"),
        ({"scheduler": "DPMSolverSDEScheduler"}, "is not a scheduler for this model"),
        ({"device": "cuda:7"}, "There is no device cuda:7"),
        ({"device": "cpu", "offload": "model"}, "offload='model' needs a GPU; the device is cpu"),
        ({"revision": "main"}, "revision needs a Hub id"),
        ({"variant": "fp16"}, "could not be loaded as a diffusers pipeline: ValueError: .*variant=fp16"),
    ],
)
def test_settings_that_cannot_be_met_are_invalid(tiny: Path, declared: dict[str, Any], says: str) -> None:
    error = load({"path": str(tiny), **declared})
    assert error.outcome is Outcome.INVALID
    assert re.search(says, error.message), error.message


@pytest.mark.parametrize(
    "declared",
    [
        {},
        {"path": ""},
        {"device": "gpu"},
        {"scheduler": "os.system"},
        {"steps": 0},
        {"strength": 0},
        {"watermark": True},
    ],
)
def test_malformed_settings_are_refused_before_loading(declared: dict[str, Any]) -> None:
    if declared and "path" not in declared:
        declared = {"path": "anywhere", **declared}
    with pytest.raises(AdapterError, match="Settings of adapter 'diffusers' are not valid"):
        validate_settings("diffusers", declared)


def test_a_broken_folder_is_invalid(tiny: Path, tmp_path: Path) -> None:
    assert "could not be loaded" in load({"path": str(tmp_path)}).message
    folder = tmp_path / "broken"
    shutil.copytree(tiny, folder)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"no weights")
    error = load({"path": str(folder)})
    assert error.outcome is Outcome.INVALID
    assert "could not be loaded as a diffusers pipeline" in error.message


def test_a_setting_unknown_to_the_pipeline_is_invalid_and_not_ignored(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "consistency"
    shutil.copytree(tiny, folder)
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace("StableDiffusionPipeline", "LatentConsistencyModelPipeline"))
    answer = load_generator("diffusers", {"path": str(folder), "negative_prompt": "ugly"}).generate([REQUEST])[0]
    assert isinstance(answer, AdapterError)
    assert answer.outcome is Outcome.INVALID
    assert answer.message.startswith("LatentConsistencyModelPipeline takes no negative_prompt.")


def test_a_task_that_the_model_cannot_do_is_invalid(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "text_only"
    shutil.copytree(tiny, folder)
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace("StableDiffusionPipeline", "PixArtAlphaPipeline"))
    index.write_text(index.read_text().replace('"unet"', '"transformer"'))
    shutil.move(folder / "unet", folder / "transformer")
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    edit = GenerationRequest("a cube", 1, 64, 64, sources=(buffer.getvalue(),))
    answer = load_generator("diffusers", {"path": str(folder)}).generate([edit])[0]
    assert isinstance(answer, AdapterError)
    assert answer.outcome is Outcome.INVALID
    assert answer.message == f"PixArtAlphaPipeline of {folder} has no pipeline for image to image."


def test_a_missing_package_is_named_with_its_extra(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    error = load({"path": str(tiny)})
    assert error.outcome is Outcome.INVALID
    assert "transformers" in error.message
    assert "pip install 'paragone[workers]'" in error.message


def test_a_hub_id_outside_the_cache_is_invalid_without_a_request_to_the_hub(hub: HTTPServer) -> None:
    error = load({"path": "someone/model"})
    assert error.outcome is Outcome.INVALID
    assert "set download to true" in error.message
    assert not hub.log


def test_a_hub_id_in_the_cache_is_loaded_and_its_commit_reported(hub: HTTPServer, tiny: Path, tmp_path: Path) -> None:
    model = tmp_path / "cache" / "models--someone--model"
    shutil.copytree(tiny, model / "snapshots" / COMMIT)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT)
    answer = load_generator("diffusers", {"path": "someone/model", "steps": 1}).generate([REQUEST])[0]
    assert isinstance(answer, GeneratedImage)
    assert answer.reported["parameters"]["path"] == "someone/model"
    assert answer.reported["parameters"]["commit"] == COMMIT
    assert not hub.log


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(404, Outcome.INVALID), (401, Outcome.INVALID), (429, Outcome.TRANSIENT), (500, Outcome.TRANSIENT)],
)
def test_the_status_of_the_hub_decides_about_a_retry(hub: HTTPServer, status: int, outcome: Outcome) -> None:
    hub.expect_request("/api/models/someone/model").respond_with_data("no", status=status)
    error = load({"path": "someone/model", "download": True})
    assert error.outcome is outcome
    assert f"HTTP {status}" in error.message
    assert hub.log


def test_an_unreachable_hub_is_a_transient_error(hub: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import hf_api

    monkeypatch.setattr(hf_api.api, "endpoint", "http://127.0.0.1:9")
    error = load({"path": "someone/model", "download": True})
    assert error.outcome is Outcome.TRANSIENT
    assert "ConnectError" in error.message
