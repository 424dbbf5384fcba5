"""Who does the jobs of a command: where methods run, how many at once, in which processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.executors.executor import Display
from benchmark.runs.executors.hand import Tools
from benchmark.runs.executors.pool import Pool
from benchmark.runs.executors.workers import Workers, workers
from benchmark.runs.isolation import Choice, choose
from benchmark.runs.logs import beside
from benchmark.runs.plan import Plan
from benchmark.runs.run import Outcome, Preview, execute
from benchmark.runs.spec import RunSpec


@dataclass(frozen=True)
class Crew:
    """What a command line says about how jobs are done."""

    place: Choice
    tools: Tools

    @classmethod
    def of(
        cls, store: Path, isolation: str, *, allow_unpinned: bool, threads: int, tensorboard: bool
    ) -> Crew:
        """Looked up now, so that what is amiss is told before anything begins."""
        place = choose(isolation, allow_unpinned=allow_unpinned, threads=threads)
        if tensorboard:
            beside(store)
        tools = Tools(
            store=store.resolve(), threads=threads, tensorboard=tensorboard,
            isolation="process" if place.boxes is None else "container",
            allow_unpinned=allow_unpinned,
        )  # fmt: skip
        return cls(place, tools)

    def workers(self, asked: str, ahead: Preview, say: Callable[[str], None]) -> Workers:
        """How many there are; say: told before that is measured, which takes half a minute."""
        jobs = [job for job in ahead.plan.jobs if not Store(self.tools.store).has(job.key)]
        return workers(asked, jobs, ahead.seconds, self.tools, say)

    def execute(
        self, spec: RunSpec, plan: Plan, workers: Workers, victims: Victims,
        show: Callable[[], Display],
    ) -> Outcome:  # fmt: skip
        """Do the plan; a single worker is this process."""
        store = Store(self.tools.store)
        logs = beside(store.root) if self.tools.tensorboard else None
        pool = Pool(self.tools, workers.cores) if workers.count > 1 else None
        return execute(spec, plan, store, victims, show, self.place.boxes, logs, pool)
