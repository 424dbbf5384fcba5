"""A finished job read from a store with distrust: nothing of it runs, and no link is followed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, ValidationError

from benchmark.arena.tally import Count, Tally
from benchmark.disk import plain
from benchmark.errors import first_problem
from benchmark.evaluation.detection import Detection
from benchmark.learning.progress import CurvePoint, impossible
from benchmark.policies import artifact
from benchmark.policies.artifact import BadArtifact
from benchmark.policies.policy import ANY, Policy
from benchmark.records.record import Isolation
from benchmark.runs.job import Job

JOB, RESULT = "job.json", "result.json"
MAX_JSON = 16 * 1024 * 1024
TRAININGS = ("attack", "harden")
"""Kinds of job that make a policy."""


@dataclass(frozen=True)
class Finished:
    """A job that is done, and the sha256 of the policy that it made ('' where it makes none)."""

    job: Job
    sha256: str = ""
    scripted: bool = False
    """The policy has no weights, so that others have the same sha256."""
    halves: tuple[Tally, Tally] | None = None
    """What matches counted, once its result was read."""


def read_job(folder: Path) -> Finished:
    """What a folder says that it holds: its job and its card, whatever else is wrong with it.

    Raises:
        BadArtifact: it cannot be told, or it is not the job that the folder is called after.
    """
    path = folder / JOB
    try:
        job = Job.model_validate_json(plain(path, MAX_JSON, BadArtifact))
    except ValidationError as error:
        raise BadArtifact(f"{path}: not a job ({first_problem(error)})") from error
    if job.key != folder.name:
        raise BadArtifact(f"{path}: is of job {job.key}, its folder is called {folder.name}")
    if job.kind not in TRAININGS:
        return Finished(job)
    plain(folder / artifact.CARD, MAX_JSON, BadArtifact)  # refuses what should not be opened
    card = artifact.load_card(folder)
    return Finished(job, card.sha256, scripted=card.kind not in artifact.NETWORKS)


def read_policy(folder: Path) -> Policy:
    """The policy of an artifact or a victim, re-hashed, one without weights too.

    Raises:
        BadArtifact: see `artifact.load`.
    """
    plain(folder / artifact.CARD, MAX_JSON, BadArtifact)
    path = folder / artifact.WEIGHTS
    payload = plain(path, artifact.MAX_BYTES, BadArtifact)
    policy = artifact.load(folder)
    found = sha256(payload).hexdigest()
    if found != policy.card.sha256:
        raise BadArtifact(
            f"{path}: sha256 is {found[:12]}.., the card says {policy.card.sha256[:12]}.."
        )
    return policy


def check_policy(folder: Path, job: Job) -> None:
    """Raise BadArtifact unless a training's policy is whole and of the job's game."""
    card = read_policy(folder).card
    if card.game not in (job.game, ANY):
        raise BadArtifact(f"{folder / artifact.CARD}: of {card.game}, the job is of {job.game}")


class _Result(BaseModel):
    """What a job of some kind leaves in result.json."""

    model_config = ConfigDict(allow_inf_nan=False)

    def problem(self, job: Job) -> str | None:
        """Why it cannot be of this job."""
        return None


class _Trained(_Result):
    curve: list[CurvePoint]
    steps: Count
    overrun: bool
    timings: dict[str, NonNegativeFloat]
    provenance: dict[str, Any]
    isolation: Isolation = Isolation(kind="process")
    retries: Count = 0

    def problem(self, job: Job) -> str | None:
        if self.overrun != (self.steps > job.budget_steps):
            return f"{self.steps} steps of {job.budget_steps}, and overrun is {self.overrun}"
        told = impossible(self.curve, self.steps)
        return told and f"curve: {told}"


class _Played(_Result):
    even: Tally
    odd: Tally

    def problem(self, job: Job) -> str | None:
        found, odd = (self.even.episodes, self.odd.episodes), job.episodes // 2
        expected = (job.episodes - odd, odd)
        return None if found == expected else f"counts {found} matches, expected {expected}"


class _Detected(_Result):
    counts: Detection

    def problem(self, job: Job) -> str | None:
        found = {self.counts.adversarial, self.counts.regular}
        return None if found == {job.episodes} else f"{found} matches, expected {job.episodes}"


Coefficient = Annotated[float, Field(ge=-1, le=1)]


class _Apart(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)

    apart: Coefficient
    floor: Coefficient


class _Compared(_Result):
    split: _Apart


_RESULTS: dict[str, type[_Result]] = {
    "attack": _Trained, "harden": _Trained, "play": _Played, "detect": _Detected,
    "split": _Compared,
}  # fmt: skip


def read_result(folder: Path, job: Job) -> tuple[Tally, Tally] | None:
    """Check a job's result; of matches, both halves of what they counted.

    Raises:
        BadArtifact: it cannot be read or cannot be of this job.
    """
    path = folder / RESULT
    try:
        result = _RESULTS[job.kind].model_validate_json(plain(path, MAX_JSON, BadArtifact))
    except ValidationError as error:
        told = first_problem(error)
        raise BadArtifact(f"{path}: not the result of '{job.kind}' ({told})") from error
    problem = result.problem(job)
    if problem is not None:
        raise BadArtifact(f"{path}: {problem}")
    return (result.even, result.odd) if isinstance(result, _Played) else None


def strangers(folder: Path, job: Job) -> Iterator[Path]:
    """Files that a finished job of this kind does not have."""
    own = {JOB, RESULT}
    if job.kind in TRAININGS:
        own |= {artifact.CARD, artifact.WEIGHTS}
    yield from (path for path in sorted(folder.iterdir()) if path.name not in own)
