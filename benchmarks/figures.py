"""Figures of a benchmark: best times, peak memory, and printed lines with their requirements.

Uses the standard library alone: cases of other packages import it under other interpreters.
"""

import time
from collections.abc import Callable
from pathlib import Path


def best_of(repeats: int, run: Callable[[], object]) -> float:
    """Seconds of the fastest of several runs."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def read_peak() -> float:
    """Peak resident size of this process in MB. getrusage would include the memory of the parent before the fork."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def print_line(text: str, figure: str, passed: bool | None = None, required: str = "") -> None:
    """Print a figure, and whether it meets its requirement."""
    verdict = "" if passed is None else "PASS" if passed else "MISSED"
    print(f"{text:<60} {figure:<30} {verdict:<7} {required}", flush=True)
