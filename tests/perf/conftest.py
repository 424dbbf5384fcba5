"""Speed, as ratios between peers in one run; never a timed assertion."""

from __future__ import annotations

import pytest

from benchmark.learning.threads import use_threads


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Every peer gets one thread."""
    use_threads(1)
