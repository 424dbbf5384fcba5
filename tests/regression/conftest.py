"""Players and results of checks, measured once and not compared with what another machine did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.learning.threads import current_threads, use_threads
from benchmark.regression.baseline import FOLDER, POLICIES
from benchmark.regression.stock import Stock

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def stock() -> Stock:
    """The players of this checkout."""
    return Stock(ROOT / FOLDER / POLICIES)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """As in `bench check`."""
    before = current_threads()
    use_threads(1)
    yield
    use_threads(before)
