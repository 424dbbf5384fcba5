"""`bench run`, without the terminal: plan, check, execute, assemble."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmark.errors import BenchError
from benchmark.records.leases import Taken, lease
from benchmark.records.record import Record
from benchmark.records.store import Store, storage_errors
from benchmark.registry import Victims
from benchmark.runs.assemble import records_of
from benchmark.runs.boxes import Boxes
from benchmark.runs.estimate import training_seconds
from benchmark.runs.executors.executor import Display, Executor, Failure
from benchmark.runs.executors.local import LocalExecutor
from benchmark.runs.job import Job
from benchmark.runs.jobs import SOURCE, Worker, is_floor, source_of
from benchmark.runs.journal import Journal
from benchmark.runs.plan import Plan, make_plan
from benchmark.runs.progress import Logs
from benchmark.runs.spec import RunSpec

REPLAY_COSTS = 3.0  # times the ranked physics, to estimate a run's time


@dataclass
class Outcome:
    """What a run left behind."""

    records: list[Record]
    failures: list[Failure]


@dataclass
class Preview:
    """What a run will do, told before it starts."""

    plan: Plan
    done: int
    seconds: float
    in_process: int = 0
    """Trainings that the store already holds and that ran in no container."""
    other_source: tuple[str, ...] = ()
    """Methods of whose finished trainings some were made by another source file than there is."""


def preview(spec: RunSpec, store: Store, plan: Plan | None = None) -> Preview:
    """The plan, how much of it the store already holds, and about how long the rest takes.

    plan: the run's own, unless it is ordered otherwise.
    """
    plan = plan or make_plan(spec)
    missing = [job for job in plan.jobs if not store.has(job.key)]
    training = sum(training_seconds(job, spec.game) for job in missing)
    playing = 0.0
    for job in missing:
        costs = 1.0 if job.game_options == spec.game_options else REPLAY_COSTS
        playing += costs * spec.game.evaluation_s * job.episodes / 200
    done = [job for job in plan.jobs if store.has(job.key)]
    in_process = sum(_in_process(job, store) for job in done)
    changed = {job.method.name for job in done if job.method and _of_other_source(job, store)}
    return Preview(plan, len(done), training + playing, in_process, tuple(sorted(changed)))


def _of_other_source(job: Job, store: Store) -> bool:
    """Whether the method's file changed since, while its version, which is in the key, did not."""
    if job.kind not in ("attack", "harden"):
        return False
    with contextlib.suppress(BenchError):
        now = source_of(job).get(SOURCE)
        then = store.result(job.key).get("provenance", {}).get(SOURCE)
        return None not in (now, then) and now != then
    return False


def _in_process(job: Job, store: Store) -> bool:
    """Whether a finished training ran a method's code outside of a container."""
    if job.kind not in ("attack", "harden") or is_floor(job):
        return False
    with contextlib.suppress(BenchError):  # a damaged one is told when it is read
        kind: str = store.result(job.key).get("isolation", {}).get("kind", "process")
        return kind == "process"
    return False


def execute(
    command: str,
    plan: Plan,
    store: Store,
    victims: Victims,
    show: Callable[[], Display],
    boxes: Boxes | None = None,
    logs: Logs | None = None,
    executor: Executor | None = None,
) -> Outcome:
    """Do the plan's jobs and file the records of every cell that is complete.

    command: what the run is called by those who look on.
    boxes: containers that methods are trained in; none: this process. logs: of their curves.
    executor: who does the jobs, with boxes and logs of its own; none: this process.

    Raises:
        Misuse: a policy does not fit its seat; InfrastructureError: the store is unusable.
    """
    store.prepare()
    worker = Worker(store, victims, boxes, logs)
    for job in plan.jobs:
        worker.check_players(job)
    journal = Journal.of(plan, command)
    try:
        with _leading(journal, store):
            failures = (executor or LocalExecutor(worker)).run(plan.jobs, show())
    except BaseException:  # stopped: what is complete becomes records all the same
        with contextlib.suppress(BenchError):
            records_of(plan, store)
        raise
    records, unreadable = records_of(plan, store)
    if not unreadable and all(_on_record(failure, store) for failure in failures):
        journal.end(store)  # last: until then, what is finished is kept for this run
    return Outcome(records, failures + unreadable)


def _on_record(failure: Failure, store: Store) -> bool:
    """Whether a record tells of a failure: nothing of its cell is left to go on with.

    A crash outside of a training, of a detector say, is filed nowhere, and what was trained for it
    is all that there is of its cell.
    """
    if failure.infrastructure:
        return False
    return failure.blocked or store.failure(failure.job) is not None


@contextlib.contextmanager
def _leading(journal: Journal, store: Store) -> Iterator[None]:
    """Be the one that `bench status` names; of two that run the same plan, the first one is."""
    with contextlib.ExitStack() as stack:
        try:
            with storage_errors(store.root):
                stack.enter_context(lease(store.root, journal.lease))
            journal.write(store)
        except Taken:
            pass
        yield
