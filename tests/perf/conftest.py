"""Speed, as ratios between peers in one run; never a timed assertion."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.learning.threads import use_threads
from benchmark.records import provenance
from tests.perf.summary import COMMITTED, load, short_name

ZOO = Path(__file__).parents[3] / "shared/zoo"
LOAD = os.getloadavg()[0]
"""Processes that were busy before the suite began: on an idle machine about 0."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Every peer gets one thread."""
    use_threads(1)


@pytest.fixture(autouse=True)
def timed(benchmark: Any) -> Iterator[None]:
    """Note what the whole test takes, its peers and warm-ups included."""
    started = time.perf_counter()
    yield
    benchmark.extra_info["wall_s"] = round(time.perf_counter() - started, 1)


def pytest_report_collectionfinish(items: list[pytest.Item]) -> str:
    """About how long it will take, from what the committed summary says of each test."""
    known = load(COMMITTED)["tests"] if COMMITTED.is_file() else {}
    names = [short_name(item.nodeid) for item in items]
    seconds = sum(known[name]["wall_s"] for name in names if name in known)
    new = sum(name not in known for name in names)
    rest = f", and {new} tests that were not timed before" if new else ""
    busy = "" if LOAD < 0.5 else f"; {LOAD:.1f} processes are busy now, so expect more"
    return f"perf: about {seconds / 60:.1f} min on an idle machine{rest}{busy}"


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """What moves speed besides the processor's name."""
    facts = provenance.collect()
    machine_info["bench"] = {
        "cpu": facts["cpu"], "cores": facts["cores"], "threads": 1, "python": facts["python"],
        "system": facts["system"], "packages": facts["packages"], "load": round(LOAD, 2),
        "zoo": ZOO.is_dir(),
    }  # fmt: skip
