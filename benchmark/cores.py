"""Which cores there are to use."""

from __future__ import annotations

import os


def cores() -> tuple[int, ...]:
    """Those that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def available_cores() -> int:
    """How many they are."""
    return len(cores())
