"""Cores that this process may use."""

import os


def count_cores() -> int:
    """The number of cores, limited by the process's CPU affinity where the system has one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
