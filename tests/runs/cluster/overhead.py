"""What Ray costs: `python -m tests.runs.cluster.overhead` plays short pairings with it and without.

One node with one CPU, so that jobs are done one after the other, as in one process.
"""

from __future__ import annotations

import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median

import typer
from ray.cluster_utils import Cluster as Made

from benchmark.display import Silent
from benchmark.learning.threads import use_threads
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.executors.executor import Failure
from benchmark.runs.executors.hand import Tools
from benchmark.runs.executors.local import LocalExecutor
from benchmark.runs.executors.ray import RayExecutor, Wish
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker
from benchmark.runs.plan import make_plan
from tests.runs.executors.test_pool import spec


def pairings(store: Store, count: int, first: int) -> list[Job]:
    """As many jobs of four episodes; their seeds, which move no match, make them differ."""
    plan = make_plan(spec(store, 1, 10_000))
    one = next(job for job in plan.jobs if job.kind == "play" and not job.needs)
    return [one.model_copy(update={"seed": seed}) for seed in range(first, first + count)]


class Stamps(Silent):
    """When jobs ended, and whether they did."""

    def __init__(self) -> None:
        self.at: list[float] = [time.perf_counter()]

    def finish(self, job: Job, failure: Failure | None) -> None:
        """Note the time."""
        assert failure is None, failure
        self.at.append(time.perf_counter())

    def gaps(self) -> list[float]:
        """Seconds from one job's end to the next one's, but for the first, which loads things."""
        return [after - before for before, after in pairwise(self.at)][1:]


def main(count: int = 60, carrier: str = "shared") -> None:
    """Print seconds a job, either way: medians, since other work on the machine has its own pace.

    In one process before and after, so that a change of that pace shows.
    """
    use_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.prepare()
        local = LocalExecutor(Worker(store, Victims(store.victims)))
        alone: list[float] = []
        for first in (1000, 3000):
            stamps = Stamps()
            local.run(pairings(store, count // 2, first), stamps)
            alone.append(median(stamps.gaps()))
            if first == 1000:
                by_ray, ready = on_ray(store, pairings(store, count, 2000), carrier)
        assert len(list((store.root / "artifacts").iterdir())) == 2 * (count // 2) + count
    gaps = by_ray.gaps()
    first_s = by_ray.at[1] - by_ray.at[0]
    print(f"joining, looking at the node: {ready:.2f} s; first job {first_s:.2f} s")
    print(f"a job in one process: {alone[0]:.3f} s before, {alone[1]:.3f} s after")
    print(f"a job by Ray ({carrier}): median {median(gaps):.3f} s, mean {fmean(gaps):.3f} s")


def on_ray(store: Store, jobs: list[Job], carrier: str) -> tuple[Stamps, float]:
    """When jobs ended on a node of one CPU, and how long it took to get there."""
    made = Made(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        began = time.perf_counter()
        wish = Wish(address=made.address, carrier=carrier)
        executor = RayExecutor.ready(wish, Tools(store=store.root), jobs)
        ready, stamps = time.perf_counter() - began, Stamps()
        executor.run(jobs, stamps)
    finally:
        made.shutdown()
    return stamps, ready


if __name__ == "__main__":
    typer.run(main)
