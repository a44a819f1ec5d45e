"""The environment of a demo: its settings, its folder, the lock on it, free disk space and a free port."""

import fcntl
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from arena.demo.processes import DemoError

DISK_NEEDED = 300_000_000  # bytes: database, images and logs of the demo, with room to spare
# Settings that would move the demo's data out of its folder.
REMOVED = (
    "PARAGONE_DATABASE_URL",
    "PARAGONE_BROKER_URL",
    "PARAGONE_MEDIA_ROOT",
    "PARAGONE_S3_BUCKET",
    "PARAGONE_PRODUCTION",
)


def enter_environment(*, check: bool) -> None:
    """Run this process again, once, with the demo's own settings; a check gets an empty folder."""
    wanted = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in REMOVED}
    # The sketch models and the tiny network are drawn side by side.
    wanted.setdefault("PARAGONE_CACHED_GENERATORS", "2")
    # The children run in another folder, where a relative path would mean another place.
    wanted |= {"PARAGONE_VAR": str(settings.VAR), "PARAGONE_WEIGHTS": str(settings.WEIGHTS)}
    if check and "PARAGONE_DEMO_CHECK" not in wanted:
        folder = Path(settings.VAR) / "check"
        shutil.rmtree(folder, ignore_errors=True)
        wanted |= {"PARAGONE_VAR": str(folder), "PARAGONE_DEMO_CHECK": "1"}
    if wanted != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], wanted)


@contextmanager
def hold_lock() -> Iterator[None]:
    """One demo per folder: two would count each other's images as their own."""
    folder = Path(settings.VAR)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "demo.lock").open("w")
    except OSError as error:
        raise DemoError(
            f"The state folder {folder} cannot be written ({error.strerror}). Set PARAGONE_VAR to a writable folder."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(f"A demo is already running on {folder}. Stop it first.") from None
        yield


def expect_disk_space() -> None:
    """Raises DemoError if the disk has less than DISK_NEEDED bytes left."""
    free = shutil.disk_usage(settings.VAR).free
    if free < DISK_NEEDED:
        raise DemoError(
            f"The disk under {settings.VAR} is full: {free / 1e6:.0f} MB free, needed are {DISK_NEEDED / 1e6:.0f} MB."
        )


def expect_free_port(port: int) -> None:
    """Raises DemoError if another process listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DemoError(
                f"Port {port} is in use ({error.strerror}). Stop the program that listens on it, or choose another: "
                f"paragone demo --port {port + 1}, or make demo ARGS='--port {port + 1}'."
            ) from error


def explain(error: Exception) -> str:
    """An error of the disk or the database in one sentence."""
    text = " ".join(str(error).split())
    if "full" in text or "No space left" in text:
        return f"The disk under {settings.VAR} is full ({text})."
    return f"{type(error).__name__}: {text}."
