"""What a worker does at its start, before its pool is forked. Never anything with torch: its child would then hang."""

import os
from typing import Any


def share_cores(sender: Any, **_: Any) -> None:
    """Give each process of the pool its part of the cores, unless OMP_NUM_THREADS is set already.

    torch reads this when a process first imports it. Left to itself every process takes all cores, and their threads
    wait for each other: a small model then draws ten times slower.
    """
    if isinstance(sender.concurrency, int):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // sender.concurrency)))
