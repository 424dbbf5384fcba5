"""The executor's contract: do the jobs whose artifacts the store lacks; failures are data."""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel, ConfigDict

from benchmark.arena.tally import Tally
from benchmark.errors import CheckFailed, InfrastructureError
from benchmark.isolation.status import Status
from benchmark.runs.job import Job

BLOCKED = "blocked"
"""Kind of the failure of a job that needs another one, which failed."""


class Failure(BaseModel):
    """Why a job left no artifact."""

    model_config = ConfigDict(frozen=True)

    job: str
    label: str
    kind: str
    message: str
    trace: str = ""
    """Where a method's own code crashed."""
    status: Status | None = None
    """What became of its container, if it had one."""
    log: tuple[str, ...] = ()
    """The last lines that its container wrote; of a contestant, its own word."""
    lost: bool = False
    """The process or the machine that did it died."""

    @property
    def blocked(self) -> bool:
        """Not tried: what it needs failed."""
        return self.kind == BLOCKED

    @property
    def infrastructure(self) -> bool:
        """Not the method's doing: the same command tries the job again."""
        return self.lost or (self.status is not None and self.status.infrastructure)


def end(failures: list[Failure], where: object) -> None:
    """Raise what a run with these failures ends in: InfrastructureError if any was that."""
    if not failures:
        return
    lost = sum(one.infrastructure for one in failures)
    line = f"{len(failures)} job(s) failed; the others are in {where}"
    if lost:
        raise InfrastructureError(
            f"{line}; {lost} lost their process or containers: the same command tries them again"
        )
    raise CheckFailed(line)


class Display(Protocol):
    """Told what happens while jobs run."""

    def start(self, job: Job) -> None:
        """A job begins."""

    def step(self, job: Job, steps: int, tally: Tally) -> None:
        """A training got to `steps`; tally: matches since the last call."""

    def finish(self, job: Job, failure: Failure | None) -> None:
        """A job ended, or was found finished, or could not be done."""

    def elsewhere(self, job: Job) -> None:
        """Another run on the same store is at a job; it is waited for."""


class Executor(Protocol):
    """Runs a plan's jobs in an order that respects what they need."""

    def run(self, jobs: list[Job], display: Display) -> list[Failure]:
        """Do every job that can be done; returns those that failed."""
