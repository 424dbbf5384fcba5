"""Where a submission's code runs: its contract and its jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from benchmark.errors import InfrastructureError, Misuse
from benchmark.records.record import Isolation
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.executors.executor import Display
from benchmark.runs.run import Outcome, execute, preview
from benchmark.runs.spec import RunSpec
from benchmark.settings import hint
from benchmark.submissions.contract import Check, checks
from benchmark.submissions.folder import Submission

KINDS = ("auto", "process", "container")
Show = Callable[[RunSpec, Store], Display]


class Runner(Protocol):
    """Runs a submission's code. `kind` is its class where the code may run in this process."""

    isolation: Isolation
    note: str
    """For people: where, and what that is worth."""

    def contract(self, submission: Submission, kind: Any, game: str) -> list[Check]:
        """The checks of the contract on a game."""

    def execute(self, spec: RunSpec, store: Store, victims: Victims, show: Show) -> Outcome:
        """Do a run's jobs and file its records."""


class InProcess:
    """Everything in this process: what the threat model says is trusted, not enforced."""

    isolation = Isolation(kind="process")
    note = "process: the submission's code runs beside the victim (level 0)"

    def contract(self, submission: Submission, kind: Any, game: str) -> list[Check]:
        return checks(kind, submission.manifest, game)

    def execute(self, spec: RunSpec, store: Store, victims: Victims, show: Show) -> Outcome:
        plan = preview(spec, store).plan
        return execute(spec, plan, store, victims, lambda: show(spec, store))


def runner(isolation: str) -> Runner:
    """The runner that `--isolation` asks for; auto: the strictest that there is.

    Raises:
        Misuse: no such isolation; InfrastructureError: it is not to be had here.
    """
    if isolation not in KINDS:
        raise Misuse(f"--isolation: no isolation '{isolation}'; {hint(isolation, KINDS)}")
    if isolation == "container":
        raise InfrastructureError(
            "--isolation container: submissions run in this process only so far; use process"
        )
    return InProcess()
