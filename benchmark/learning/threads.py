"""One thread count for torch and BLAS: it moves speed and the last bit of results."""

from __future__ import annotations

import torch
from threadpoolctl import threadpool_limits

from benchmark.errors import Misuse


def use_threads(count: int) -> None:
    """Limit torch and every loaded BLAS or OpenMP library of this process; raises Misuse."""
    if count < 1:
        raise Misuse(f"--threads: at least 1, got {count}")
    torch.set_num_threads(count)
    threadpool_limits(count)


def current_threads() -> int:
    """What torch is set to, for the record."""
    return torch.get_num_threads()
