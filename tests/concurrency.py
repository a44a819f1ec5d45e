"""Concurrency in tests: waiting for a condition, calls at the same moment, and locks between them."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection

# Seconds. Generous: a wait ends with its event, and only a test that fails waits this long.
PATIENCE = 120.0


def wait_until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Poll ``condition`` and return its first true value. Fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return value


def run_at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Call each function in its own thread, all at the same moment. Returns what each returned or raised."""
    answers: list[Any] = [None] * len(calls)
    barrier = threading.Barrier(len(calls), timeout=PATIENCE)

    def run(index: int) -> None:
        try:
            barrier.wait()
            answers[index] = calls[index]()
        except BaseException as error:
            answers[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[index]) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def is_blocking_another() -> bool:
    """Whether another PostgreSQL session waits for a lock that this thread's transaction holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid)))")
        return cursor.fetchone()[0]
