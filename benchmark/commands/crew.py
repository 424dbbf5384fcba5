"""Who does the jobs of a command: where methods run, how many at once, in which processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmark.commands.common import LOCAL
from benchmark.errors import Misuse
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.cluster.needs import Demand
from benchmark.runs.executors.executor import Display
from benchmark.runs.executors.hand import Tools
from benchmark.runs.executors.pool import Pool
from benchmark.runs.executors.ray import RayExecutor, Wish
from benchmark.runs.executors.workers import AUTO, Workers, workers
from benchmark.runs.isolation import Choice, choose
from benchmark.runs.job import Job
from benchmark.runs.logs import beside
from benchmark.runs.plan import Plan
from benchmark.runs.run import Outcome, Preview, execute

RAY = "ray"
ON_NODES = "container: each node's engine"


def wish(
    executor: str, address: str | None, artifacts: str, url: str, need: list[str] | None
) -> Wish | None:
    """What the options say of a cluster; None: the jobs are for this machine.

    Raises:
        Misuse: no such executor, or options of a cluster without one.
    """
    if executor not in (LOCAL, RAY):
        raise Misuse(f"--executor: expected {LOCAL} or {RAY}, got '{executor}'")
    asked = Wish(address=address, carrier=artifacts, url=url, demand=Demand.parse(need or []))
    asked.check()
    if executor == RAY:
        return asked
    if asked != Wish():
        raise Misuse("--address, --artifacts, --store-url, --need: only with --executor ray")
    return None


@dataclass(frozen=True)
class Crew:
    """What a command line says about how jobs are done."""

    place: Choice
    tools: Tools
    cluster: Wish | None = None

    @classmethod
    def of(
        cls, store: Path, isolation: str, *, allow_unpinned: bool, threads: int, tensorboard: bool,
        cluster: Wish | None = None,
    ) -> Crew:  # fmt: skip
        """Looked up now, so that what is amiss is told before anything begins.

        cluster: who does the jobs; none: this machine.
        """
        if cluster is not None and isolation == "container":
            place = Choice(None, ON_NODES)  # this machine trains nothing, and needs no engine
        else:
            place = choose(isolation, allow_unpinned=allow_unpinned, threads=threads)
        if tensorboard:
            beside(store)
        tools = Tools(
            store=store.resolve(), threads=threads, tensorboard=tensorboard,
            isolation="container" if place.boxes or place.note == ON_NODES else "process",
            allow_unpinned=allow_unpinned,
        )  # fmt: skip
        return cls(place, tools, cluster)

    @property
    def apart(self) -> str | None:
        """Where methods are trained, if that is not in processes of this machine."""
        if self.cluster is not None:
            return "on a cluster's nodes"
        return "in containers" if self.place.boxes else None

    def workers(self, asked: str, ahead: Preview, say: Callable[[str], None]) -> Workers:
        """How many there are; say: told before that is measured, which takes half a minute."""
        jobs = [job for job in ahead.plan.jobs if not Store(self.tools.store).has(job.key)]
        if self.cluster is not None:
            return self._nodes(self.cluster, asked, jobs)
        return workers(asked, jobs, ahead.seconds, self.tools, say)

    def _nodes(self, cluster: Wish, asked: str, jobs: list[Job]) -> Workers:
        """A cluster's, each of which was asked whether it is fit."""
        if asked != AUTO:
            raise Misuse(
                f"--workers {asked}: with --executor ray, the nodes' CPUs say how many jobs are "
                "done at once; leave it out"
            )
        if not jobs:
            return Workers.alone()
        executor = RayExecutor.ready(cluster, self.tools, jobs)
        return Workers([], executor.note, None, executor)

    def execute(
        self, command: str, plan: Plan, workers: Workers, victims: Victims,
        show: Callable[[], Display],
    ) -> Outcome:  # fmt: skip
        """Do the plan, which is somebody's command; a single worker is this process."""
        store = Store(self.tools.store)
        logs = beside(store.root) if self.tools.tensorboard else None
        pool = Pool(self.tools, workers.cores) if workers.count > 1 else None
        executor = workers.executor or pool
        return execute(command, plan, store, victims, show, self.place.boxes, logs, executor)
