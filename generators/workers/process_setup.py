"""Set-up of a worker before it forks its pool. It must not import torch: the forked processes would hang."""

import os
from typing import Any


def share_cores(sender: Any, **_: Any) -> None:
    """Divide the cores among the processes of the pool, unless OMP_NUM_THREADS is set.

    torch reads OMP_NUM_THREADS when a process first imports it. By default every process uses all cores; the threads
    then compete, and a small model draws ten times slower.
    """
    if isinstance(sender.concurrency, int):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // sender.concurrency)))
