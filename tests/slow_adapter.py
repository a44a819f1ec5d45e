"""Adapters of the tests: one that is held in the middle of a drawing, and one that does as it is told."""

import io
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from PIL import Image
from pydantic import SecretStr

from generators.adapters.base import AdapterSettings, Answer, Capabilities, GeneratedImage, GenerationRequest

Draw = Callable[[GenerationRequest], GeneratedImage]
Script = Callable[[Draw], None]


def paint(shade: int, width: int = 16, height: int = 16) -> bytes:
    """A grey PNG; another shade is another image."""
    out = io.BytesIO()
    Image.new("L", (width, height), shade % 256).save(out, "PNG")
    return out.getvalue()


class SlowSettings(AdapterSettings):
    folder: str  # where the test looks and answers


class SlowGenerator:
    Settings: ClassVar[type[AdapterSettings]] = SlowSettings

    def __init__(self, settings: SlowSettings, key: SecretStr) -> None:
        self.studio = Studio(Path(settings.folder))

    @staticmethod
    def capabilities(settings: SlowSettings) -> Capabilities:
        return Capabilities()

    def close(self) -> None:
        pass

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Answer]:
        (request,) = requests
        self.studio.hold()
        return [GeneratedImage(paint(request.seed, request.width, request.height), "image/png")]


class Studio:
    """The folder in which a test and the adapter, in another process, meet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def hold(self) -> None:
        """Say that somebody is here, and wait until the studio opens."""
        (self.folder / f"{time.time_ns()}.{os.getpid()}").touch()
        # Nobody waits here for ever, should the test be gone.
        deadline = time.monotonic() + 120
        while not self.is_open() and time.monotonic() < deadline:
            time.sleep(0.01)

    def painters(self) -> list[int]:
        """The process of each drawing begun so far, oldest first."""
        return [int(file.suffix[1:]) for file in sorted(self.folder.glob("*.*"))]

    def open(self) -> None:
        """Let every drawing, begun or to come, be finished."""
        (self.folder / "open").touch()

    def close(self) -> None:
        (self.folder / "open").unlink(missing_ok=True)

    def is_open(self) -> bool:
        return (self.folder / "open").exists()


class ScriptedGenerator:
    """Draws with whatever function the test put here."""

    Settings: ClassVar[type[AdapterSettings]] = AdapterSettings
    script: ClassVar[Draw]
    capable: ClassVar[Capabilities] = Capabilities()
    calls: ClassVar[list[list[GenerationRequest]]] = []

    def __init__(self, settings: AdapterSettings, key: SecretStr) -> None:
        pass

    @staticmethod
    def capabilities(settings: AdapterSettings) -> Capabilities:
        return ScriptedGenerator.capable

    def close(self) -> None:
        pass

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        type(self).calls.append(list(requests))
        return [type(self).script(request) for request in requests]
