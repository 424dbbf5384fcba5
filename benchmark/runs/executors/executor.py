"""The executor's contract: do the jobs whose artifacts the store lacks; failures are data."""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel, ConfigDict

from benchmark.arena.tally import Tally
from benchmark.runs.job import Job


class Failure(BaseModel):
    """Why a job left no artifact."""

    model_config = ConfigDict(frozen=True)

    job: str
    label: str
    kind: str
    message: str
    trace: str = ""
    """Where a method's own code crashed."""


class Display(Protocol):
    """Told what happens while jobs run."""

    def start(self, job: Job) -> None:
        """A job begins."""

    def step(self, job: Job, steps: int, tally: Tally) -> None:
        """A training got to `steps`; tally: matches since the last call."""

    def finish(self, job: Job, failure: Failure | None) -> None:
        """A job ended, or was found finished, or could not be done."""


class Executor(Protocol):
    """Runs a plan's jobs in an order that respects what they need."""

    def run(self, jobs: list[Job], display: Display) -> list[Failure]:
        """Do every job that can be done; returns those that failed."""
