"""What is to be done next of a plan, and what a failure blocks. Knows nothing of processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmark.records.leases import held
from benchmark.records.store import Store
from benchmark.runs.executors.executor import BLOCKED, Display, Failure
from benchmark.runs.job import Job

LOOK_AGAIN_S = 1.0
"""After so long a job that another run was at is looked at again."""


class Agenda:
    """A plan's jobs: waiting, given out, or ended. A failed job fails those that need it.

    Jobs that another run on the same store does are waited for.
    """

    def __init__(
        self,
        jobs: list[Job],
        store: Store,
        display: Display,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._waiting = {job.key: job for job in jobs}
        self._given: dict[str, Job] = {}
        self._elsewhere: dict[str, float] = {}
        self._store, self._display, self._clock = store, display, clock
        self._failures: dict[str, Failure] = {}

    @property
    def over(self) -> bool:
        """Whether every job has ended."""
        return not self._waiting and not self._given

    @property
    def failures(self) -> list[Failure]:
        """Of the jobs that ended without an artifact."""
        return list(self._failures.values())

    def next(self) -> Job | None:
        """Give out a job whose needs are met, if there is one now; the rest waits for others."""
        for job in list(self._waiting.values()):
            if self._settled(job) or any(self._open(key) for key in job.needs):
                continue
            if self._clock() < self._elsewhere.get(job.key, 0.0):
                continue
            del self._waiting[job.key]
            self._given[job.key] = job
            return job
        return None

    def put_back(self, job: Job) -> None:
        """Another run is at it: look again later."""
        if job.key not in self._elsewhere:
            self._display.elsewhere(job)
        self._elsewhere[job.key] = self._clock() + LOOK_AGAIN_S
        self._waiting = {job.key: self._given.pop(job.key), **self._waiting}

    def end(self, job: Job, failure: Failure | None) -> None:
        """A job that was given out, or that need not be done, has ended."""
        self._given.pop(job.key, None)
        self._waiting.pop(job.key, None)
        if failure is not None:
            self._failures[job.key] = failure
        self._display.finish(job, failure)

    def _settled(self, job: Job) -> bool:
        """End a waiting job if there is nothing to do, or nothing that can be done."""
        blocked = next((self._failures[key] for key in job.needs if key in self._failures), None)
        if self._store.has(job.key):
            self.end(job, None)
        elif blocked is not None:
            self.end(job, failed(job, BLOCKED, f"needs '{blocked.label}'"))
        elif (elsewhere := self._failed_elsewhere(job)) is not None:
            self.end(job, elsewhere)
        else:
            return False
        return True

    def _failed_elsewhere(self, job: Job) -> Failure | None:
        """How a job failed that another run was at while this one looked on."""
        if job.key not in self._elsewhere or held(self._store.root, job.key):
            return None
        known = self._store.failure(job.key)
        return None if known is None else failed(job, "failed in another run", known["failure"])

    def _open(self, key: str) -> bool:
        return key in self._waiting or key in self._given


def failed(job: Job, kind: str, message: str, **more: Any) -> Failure:
    """Why a job left no artifact; more: further fields of the failure."""
    return Failure(job=job.key, label=job.label, kind=kind, message=message, **more)
