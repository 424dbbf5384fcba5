"""Two workers against one on eight independent cells of Pong; a worker's memory over fifty jobs.

    make perf

The worker that is compared with is a pool of one, so that either side pays for its processes.
"""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest

from benchmark.cores import cores
from benchmark.display import Silent
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.executors.hand import Tools
from benchmark.runs.executors.pool import Pool
from benchmark.runs.executors.workers import split
from benchmark.runs.job import Job
from benchmark.runs.plan import make_plan
from benchmark.runs.spec import resolve_run
from tests.perf import facts

CELLS, STEPS = 8, 300_000
ASKED = 1.8
JOBS = 50


def _trainings(store: Store, count: int, steps: int) -> list[Job]:
    """Trainings of the baseline that need nothing of each other."""
    spec = resolve_run(
        victims=Victims(store.victims), game_name="pong-v1", victim_names=["house-relu"],
        attack_names=["baseline"], defense_names=[], seeds=count, tier="smoke", budget=steps,
        settings={}, command="bench run",
    )  # fmt: skip
    return [job for job in make_plan(spec).jobs if job.budget_steps]


def _seconds(root: Path, workers: int) -> float:
    store = Store(root)
    store.prepare()
    mine = split(cores(), 2)[:workers]
    began = time.perf_counter()
    failures = Pool(Tools(store=root), mine).run(_trainings(store, CELLS, STEPS), Silent())
    assert not failures
    return time.perf_counter() - began


@pytest.mark.skipif(len(cores()) < 2, reason="two workers need two cores")
def test_eight_cells_on_two_workers_over_one(benchmark: Any, tmp_path: Path) -> None:
    """Wall time of one worker over two's, each on one core; processes and imports included."""
    ratios: list[float] = []

    def pair() -> None:
        turn = len(ratios)
        one = _seconds(tmp_path / f"one{turn}", 1)
        ratios.append(one / _seconds(tmp_path / f"two{turn}", 2))

    benchmark.pedantic(pair, rounds=1)
    facts.ratio(benchmark, "wall time of one worker over two's", ratios, better="higher",
                asked=ASKED)  # fmt: skip


class _Memory(Silent):
    """Notes the only worker's resident memory whenever a job of it has ended."""

    def __init__(self) -> None:
        self.mib: list[float] = []

    def finish(self, job: Job, failure: Any) -> None:
        (worker,) = multiprocessing.active_children()
        lines = Path(f"/proc/{worker.pid}/status").read_text().splitlines()
        self.mib += [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")]


def test_memory_of_a_worker_over_fifty_jobs(benchmark: Any, tmp_path: Path) -> None:
    """Resident memory after the last ten jobs over that after the second ten."""
    store = Store(tmp_path)
    store.prepare()
    memory = _Memory()
    jobs = _trainings(store, JOBS, 65_536)
    pool = Pool(Tools(store=tmp_path), split(cores(), 1))
    benchmark.pedantic(lambda: pool.run(jobs, memory), rounds=1)
    assert len(memory.mib) == JOBS
    early, late = memory.mib[10:20], memory.mib[-10:]
    growth = (sum(late) / len(late)) / (sum(early) / len(early))
    facts.ratio(benchmark, "resident memory, late over early", [growth], asked=1.05)
    benchmark.extra_info["mib"] = [round(value, 1) for value in memory.mib[::5]]
