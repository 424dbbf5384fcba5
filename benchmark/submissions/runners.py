"""Where a submission's code runs: its contract and its jobs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from benchmark.records.record import Isolation
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.boxes import Boxes
from benchmark.runs.executors.executor import Display
from benchmark.runs.isolation import choose
from benchmark.runs.run import Outcome, execute, preview
from benchmark.runs.spec import RunSpec
from benchmark.submissions.contract import Check, checks
from benchmark.submissions.folder import Submission
from benchmark.submissions.outsider import last_object

CONTRACT = ("python", "-m", "benchmark.submissions.contract")
CONTRACT_S = 1800.0
"""Seconds for a contract on all of a submission's games."""
Show = Callable[[RunSpec, Store], Display]


class Runner(Protocol):
    """Runs a submission's code."""

    isolation: Isolation
    note: str
    """For people: where, and what that is worth."""

    def knowing(self, submission: Submission) -> AbstractContextManager[Any]:
        """Know the method by its name: its class, or what stands in for it here."""

    def contract(self, submission: Submission, kind: Any, game: str) -> list[Check]:
        """The checks of the contract on a game, on what `knowing` gave."""

    def execute(self, spec: RunSpec, store: Store, victims: Victims, show: Show) -> Outcome:
        """Do a run's jobs and file its records."""


class InProcess:
    """Everything in this process: what the threat model says is trusted, not enforced."""

    isolation = Isolation(kind="process")
    note = "process: the submission's code runs beside the victim (level 0)"

    def knowing(self, submission: Submission) -> AbstractContextManager[Any]:
        return submission.loaded()

    def contract(self, submission: Submission, kind: Any, game: str) -> list[Check]:
        return checks(kind, submission.manifest, game)

    def execute(self, spec: RunSpec, store: Store, victims: Victims, show: Show) -> Outcome:
        plan = preview(spec, store).plan
        return execute(spec, plan, store, victims, lambda: show(spec, store))


class InContainers:
    """All of the submission's code in containers; the matches of what it made are played here."""

    def __init__(self, boxes: Boxes, note: str):
        self._boxes, self.isolation, self.note = boxes, boxes.isolation, note

    def knowing(self, submission: Submission) -> AbstractContextManager[Any]:
        return submission.described(self._boxes)

    def contract(self, submission: Submission, kind: Any, game: str) -> list[Check]:
        with tempfile.TemporaryDirectory(prefix="submission-") as made:
            copy = Path(made) / submission.manifest.name  # a manifest is named like its folder
            submission.write(copy)
            _let_read(copy)
            verdict, lines = self._boxes.alone(
                [*CONTRACT, f"/task/{copy.name}"], {f"/task/{copy.name}": copy}, CONTRACT_S
            )
        found = _checks(lines).get(game)
        if found is None:
            return [Check(what="runs in a container", passed=False, detail=verdict.message)]
        return found

    def execute(self, spec: RunSpec, store: Store, victims: Victims, show: Show) -> Outcome:
        plan = preview(spec, store).plan
        return execute(spec, plan, store, victims, lambda: show(spec, store), self._boxes)


def _checks(lines: Sequence[str]) -> dict[str, list[Check]]:
    """What the contract printed last; whatever the method itself printed stands before it."""
    try:
        told = json.loads(last_object(lines))
        return {game: [Check.model_validate(one) for one in found] for game, found in told.items()}
    except (ValueError, AttributeError, TypeError):
        return {}


def _let_read(folder: Path) -> None:
    """Let a container's user read a folder."""
    folder.parent.chmod(0o755)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def runner(isolation: str, *, allow_unpinned: bool = False) -> Runner:
    """The runner that `--isolation` asks for; auto: the strictest that there is.

    Raises:
        Misuse: no such isolation; CheckFailed, InfrastructureError: it is not to be had here.
    """
    place = choose(isolation, allow_unpinned=allow_unpinned)
    return InProcess() if place.boxes is None else InContainers(place.boxes, place.note)
