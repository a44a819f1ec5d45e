"""The site's web server: one command line for production, the demo and the tests, and workers that end with it."""

import ctypes
import multiprocessing
import os
import signal
import sys
from typing import Final

# docs/operation.md explains each.
OPTIONS: Final = (
    *("--interface", "wsgi"),
    *("--blocking-threads", "4"),
    "--respawn-failed-workers",
    *("--workers-kill-timeout", "15"),  # seconds
    *("--http1-header-read-timeout", "10000"),  # milliseconds
)
APPLICATION: Final = "arena.wsgi:application"

PR_SET_PDEATHSIG: Final = 1


def site_arguments(port: int) -> list[str]:
    """The arguments of Python for a site with one worker that this machine alone can reach."""
    return ["-m", "granian", "--host", "127.0.0.1", "--port", str(port), *OPTIONS, APPLICATION]


def end_with_parent() -> None:
    """Have the kernel kill this worker when the main process of the server is gone.

    Without it, a worker whose main process was killed goes on: it holds the port and serves the code that it has
    loaded. Only Linux can do this. Does nothing in a process that no server has forked, such as a test or a command.
    """
    parent = multiprocessing.parent_process()
    if parent is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent.pid:  # it was gone before the call
        os._exit(1)
