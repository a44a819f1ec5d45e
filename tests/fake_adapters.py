"""Fake adapters: "slow" waits for a latch while it draws, "scripted" calls a function of the test."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from PIL import Image
from pydantic import SecretStr

from generators.adapters.base import (
    AdapterDeclaration,
    AdapterSettings,
    Answer,
    Capabilities,
    GeneratedImage,
    GenerationRequest,
)
from generators.adapters.servers import ServerSettings
from tests.latch import Latch

Draw = Callable[[GenerationRequest], GeneratedImage]
Script = Callable[[Draw], None]

# What "scripted" declares, and its key, in tests with the fixture ``scripted_provider``.
PAID = AdapterDeclaration(
    key="PARAGONE_SCRIPTED_KEY",
    hosts=("scripted.example",),
    paid=True,
    units=("image", "megapixel", "credit", "input_token", "output_token"),
)
SCRIPTED_KEY = "sk-very-secret"


def paint(shade: int, width: int = 16, height: int = 16) -> bytes:
    """A grey PNG. Each shade is a different image."""
    out = io.BytesIO()
    Image.new("L", (width, height), shade % 256).save(out, "PNG")
    return out.getvalue()


class SlowSettings(AdapterSettings):
    folder: str  # of the latch


class SlowGenerator:
    declaration: ClassVar[AdapterDeclaration] = AdapterDeclaration()
    Settings: ClassVar[type[AdapterSettings]] = SlowSettings

    def __init__(self, settings: SlowSettings, key: SecretStr | None) -> None:
        self.latch = Latch(Path(settings.folder))

    @staticmethod
    def capabilities(settings: SlowSettings) -> Capabilities:
        return Capabilities()

    def close(self) -> None:
        pass

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Answer]:
        (request,) = requests
        self.latch.wait()
        return [GeneratedImage(paint(request.seed, request.width, request.height), "image/png")]


class ScriptedSettings(ServerSettings):
    base_url: str = "https://scripted.example"


class ScriptedGenerator:
    """Draws with the function that the test has set as ``script``."""

    declaration: ClassVar[AdapterDeclaration] = AdapterDeclaration()
    Settings: ClassVar[type[AdapterSettings]] = ScriptedSettings
    script: ClassVar[Draw]
    capable: ClassVar[Capabilities] = Capabilities()
    calls: ClassVar[list[list[GenerationRequest]]] = []

    def __init__(self, settings: AdapterSettings, key: SecretStr | None) -> None:
        pass

    @staticmethod
    def capabilities(settings: AdapterSettings) -> Capabilities:
        return ScriptedGenerator.capable

    def close(self) -> None:
        pass

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        type(self).calls.append(list(requests))
        return [type(self).script(request) for request in requests]
