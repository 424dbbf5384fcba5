"""Where a submission's code runs: its contract and its jobs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from benchmark.errors import InfrastructureError
from benchmark.isolation.status import Status, Verdict
from benchmark.records.record import Isolation
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.boxes import Boxes
from benchmark.runs.executors.executor import Display, end
from benchmark.runs.isolation import choose
from benchmark.runs.run import Outcome, execute, preview
from benchmark.runs.spec import RunSpec
from benchmark.submissions import folder, wheels
from benchmark.submissions.contract import Check, checks, names
from benchmark.submissions.folder import Submission
from benchmark.submissions.manifest import Manifest
from benchmark.submissions.outsider import WHEELS, last_object

CONTRACT = ("python", "-m", "benchmark.submissions.contract")
CONTRACT_S, TARGET_S = 1800.0, 120.0
"""Seconds for a contract on all of a submission's games, and for the image to name its Python."""
Show = Callable[[RunSpec, Store], Display]


class Runner(Protocol):
    """Runs a submission's code."""

    isolation: Isolation
    note: str
    """For people: where, and what that is worth."""

    def ready(self, submission: Submission) -> None:
        """Have at hand what it requires; raises InfrastructureError where that is not to be had."""

    def knowing(self, submission: Submission) -> AbstractContextManager[Any]:
        """Know the method by its name: its class, or what stands in for it here."""

    def contract(self, submission: Submission, kind: Any, game: str) -> list[Check]:
        """The checks of the contract on a game, on what `knowing` gave."""

    def execute(self, spec: RunSpec, store: Store, victims: Victims, show: Show) -> Outcome:
        """Do a run's jobs and file its records."""


class InProcess:
    """Everything in this process: what the threat model says is trusted, not enforced."""

    isolation = Isolation(kind="process")

    def __init__(self, note: str = "process"):
        self.note = note

    def ready(self, submission: Submission) -> None:
        folder.check_requirements(submission.manifest)

    def knowing(self, submission: Submission) -> AbstractContextManager[Any]:
        return submission.loaded()

    def contract(self, submission: Submission, kind: Any, game: str) -> list[Check]:
        return checks(kind, submission.manifest, game)

    def execute(self, spec: RunSpec, store: Store, victims: Victims, show: Show) -> Outcome:
        plan = preview(spec, store).plan
        return execute(spec.command, plan, store, victims, lambda: show(spec, store))


class InContainers:
    """All of the submission's code in containers; the matches of what it made are played here."""

    def __init__(self, boxes: Boxes, note: str, cache: Path):
        """cache: a folder for wheels that submissions require."""
        self._boxes, self.isolation, self.note, self._cache = boxes, boxes.isolation, note, cache
        self._contracts: dict[str, dict[str, list[Check]]] = {}

    def ready(self, submission: Submission) -> None:
        self._wheels(submission)

    def knowing(self, submission: Submission) -> AbstractContextManager[Any]:
        return submission.described(self._boxes, self._wheels(submission))

    def contract(self, submission: Submission, kind: Any, game: str) -> list[Check]:
        """What the contract found in a container, where the method could have printed it as well.

        So it is the method's own word: it tells an honest author what is wrong. What counts is
        played in the trainings that follow, before a referee's eyes.
        """
        if submission.sha256 not in self._contracts:  # it is of all games at once
            self._contracts[submission.sha256] = self._contract(submission)
        return self._contracts[submission.sha256][game]

    def _contract(self, submission: Submission) -> dict[str, list[Check]]:
        home = f"/task/{submission.manifest.name}"  # a manifest is named like its folder
        needed = self._wheels(submission)
        with submission.copied() as copy:
            inputs = {home: copy} | ({} if needed is None else {str(WHEELS): needed})
            verdict, lines = self._boxes.alone([*CONTRACT, *inputs], inputs, CONTRACT_S)
        return told(verdict, lines, submission.manifest)

    def _wheels(self, submission: Submission) -> Path | None:
        """The folder of the packages that it requires, if it does."""
        asked = submission.manifest.requirements
        return wheels.fetched(asked, self._target, self._cache) if asked else None

    @cached_property
    def _target(self) -> wheels.Target:
        """The image's Python; this is asked of the image's own code alone."""
        verdict, lines = self._boxes.alone(wheels.COMMAND, {}, TARGET_S)
        try:
            return wheels.Target.model_validate_json(last_object(lines))
        except ValidationError as error:
            raise InfrastructureError(f"the image does not run: {verdict.message}") from error

    def execute(self, spec: RunSpec, store: Store, victims: Victims, show: Show) -> Outcome:
        plan = preview(spec, store).plan
        outcome = execute(
            spec.command, plan, store, victims, lambda: show(spec, store), self._boxes
        )
        if any(one.infrastructure for one in outcome.failures):  # it says nothing of the method
            end(outcome.failures, store.root)
        return outcome


def told(verdict: Verdict, lines: Sequence[str], manifest: Manifest) -> dict[str, list[Check]]:
    """A container's checks by game, if they can be those of a contract that came to its end."""
    found = _checks(lines)
    looked_at = {game: [one.what for one in found.get(game, [])] for game in manifest.games}
    holds = all(one.passed for checks in found.values() for one in checks)
    ended = verdict.status is (Status.OK if holds else Status.CRASHED)  # exit code 0 or not
    if ended and all(looked_at[game] == names(manifest, game) for game in manifest.games):
        return found
    lost = Check(what="runs in a container", passed=False, detail=verdict.shown)
    return {game: [lost] for game in manifest.games}


def _checks(lines: Sequence[str]) -> dict[str, list[Check]]:
    """What the contract printed last; whatever the method itself printed stands before it."""
    try:
        told = json.loads(last_object(lines))
        return {game: [Check.model_validate(one) for one in found] for game, found in told.items()}
    except (ValueError, AttributeError, TypeError):
        return {}


def runner(isolation: str, store: Store, *, allow_unpinned: bool = False) -> Runner:
    """The runner that `--isolation` asks for; auto: the strictest that there is.

    store: keeps the wheels that submissions require.

    Raises:
        Misuse: no such isolation; CheckFailed, InfrastructureError: it is not to be had here.
    """
    place = choose(isolation, allow_unpinned=allow_unpinned)
    if place.boxes is None:
        return InProcess(place.note)
    return InContainers(place.boxes, place.note, store.wheels)
