"""All jobs in this process, one after the other."""

from __future__ import annotations

import time

from benchmark.records.leases import Taken
from benchmark.runs.executors.agenda import Agenda
from benchmark.runs.executors.attempt import attempt
from benchmark.runs.executors.executor import Display, Failure
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker

PAUSE_S = 0.2


class LocalExecutor:
    """Does what the store lacks. A failed job fails those that need it, and no others."""

    def __init__(self, worker: Worker):
        self.worker = worker

    def run(self, jobs: list[Job], display: Display) -> list[Failure]:
        """See `Executor`. An InfrastructureError ends the run, since nothing could be kept."""
        agenda = Agenda(jobs, self.worker.store, display)
        while not agenda.over:
            job = agenda.next()
            if job is None:
                time.sleep(PAUSE_S)  # for another run, which is at all that is left
            else:
                self._attempt(job, agenda, display)
        return agenda.failures

    def _attempt(self, job: Job, agenda: Agenda, display: Display) -> None:
        try:
            failure = attempt(
                self.worker, job,
                watch=lambda steps, tally: display.step(job, steps, tally),
                begins=lambda: display.start(job),
            )  # fmt: skip
        except Taken:
            agenda.put_back(job)
        else:
            agenda.end(job, failure)
