"""Shutdown of a worker: on SIGTERM its processes finish within a few seconds, or give their claims back and end.

Celery itself would wait for the running tasks without limit, until the container or service manager kills the worker
and each claim counts as a lost attempt. A claim given back counts as none. It makes no difference whether SIGTERM is
sent to the main process, as by container runtimes and shells, or to all of them, as by systemd.
"""

import faulthandler
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog
from billiard import current_process
from django.conf import settings

log = structlog.get_logger(__name__)

GiveBack = Callable[[], object]
# Seconds for the main process, after those for the tasks: for giving claims back, and for the broker.
EXTRA: Final = 15
# Seconds that a process without a task waits for the pool to end it in the usual way.
LINGER: Final = 1.0
STDERR: Final = 2

_held: list[GiveBack] = []
_idle = threading.Event()
_idle.set()


@contextmanager
def holding(give_back: GiveBack) -> Iterator[None]:
    """Work on a claim. If the worker stops before the end, ``give_back`` is called, in another thread."""
    _held.append(give_back)
    try:
        yield
    finally:
        _held.remove(give_back)


def give_claims_back() -> None:
    """Give back all claims of this process. One that fails does not affect the others: it expires."""
    for give_back in _held:
        try:
            give_back()
        except Exception:
            log.exception("claim_not_given_back")


def note_start(**_: Any) -> None:
    _idle.clear()


def note_end(**_: Any) -> None:
    _idle.set()


def watch_for_sigterm(**_: Any) -> None:
    """Wait for SIGTERM in a thread of its own, in each process of the pool.

    A handler would run in the main thread, only after the library call that it is in.
    """
    if current_process().name == "MainProcess":
        return  # the pool "solo" has no other process
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_await_sigterm, name="shutdown", daemon=True).start()


def _await_sigterm() -> None:
    signal.sigwait({signal.SIGTERM})
    if _idle.wait(settings.SHUTDOWN_SECONDS):
        time.sleep(LINGER)
    else:
        log.warning("task_interrupted", after_seconds=settings.SHUTDOWN_SECONDS)
    give_claims_back()
    os._exit(0)


def pass_on_sigterm(worker: Any) -> None:
    """Send SIGTERM to the processes of the pool, and end this one in any case some seconds after them."""
    # The time limit is kept by a thread in C, which a stuck main thread cannot delay. The processes end with this one.
    faulthandler.dump_traceback_later(settings.SHUTDOWN_SECONDS + EXTRA, exit=True, file=STDERR)
    for pid in worker.pool.info.get("processes", []):
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
