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
    """Note what the whole test takes, its peers and warm-ups included, and what others took."""
    started, stolen_s = time.perf_counter(), _stolen_s()
    yield
    wall_s, lost_s = time.perf_counter() - started, _stolen_s() - stolen_s
    benchmark.extra_info["wall_s"] = round(wall_s, 1)
    benchmark.extra_info["stolen"] = round(lost_s / (wall_s * (os.cpu_count() or 1)), 3)


def _stolen_s() -> float:
    """CPU seconds so far that a virtual machine's host gave to others; 0 where nobody counts."""
    try:
        words = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    except OSError:
        return 0.0
    return int(words[8]) / os.sysconf("SC_CLK_TCK")


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
