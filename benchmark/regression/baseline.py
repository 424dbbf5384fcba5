"""What a checkout is held against: committed files of counts, hashes and the seeds' win rates."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from benchmark.disk import write_atomically
from benchmark.errors import InfrastructureError, Misuse, first_problem
from benchmark.records import provenance
from benchmark.regression.facts import Facts
from benchmark.regression.golden import Trained
from benchmark.regression.pairings import Course
from benchmark.regression.platform import Platform

FOLDER = Path("tests/regression/baselines")
POLICIES = "policies"
File = TypeVar("File", bound=BaseModel)


def _made() -> dict[str, Any]:
    facts = provenance.collect()
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return {"date": date, "commit": facts["commit"], "dirty": facts["dirty"]}


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    made: dict[str, Any] = Field(default_factory=_made, description="date, commit, dirty")
    platform: Platform


class ReplayBaseline(_File):
    """What `bench check replay` played and trained on one platform, and what is alike on all.

    edition: raised whenever results move on purpose, so that the files of other platforms, which
    still hold what was before, are known to be out of date.
    """

    edition: int = Field(default=1, ge=1)
    facts: Facts
    courses: dict[str, Course]
    trainings: dict[str, Trained]


class CellBaseline(BaseModel):
    """A cell's wins by seed, and the smallest falls (points) that a check finds at 80 and 90 %."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wins: dict[int, NonNegativeInt]
    finds_at_80: int | None
    finds_at_90: int | None
    false_alarms: float = Field(ge=0, le=1)


class TrainingBaseline(_File):
    """What `bench check training` trained. seeds: how many new ones its power is told for."""

    setup: dict[str, Any]
    episodes: int
    seeds: int
    cells: dict[str, CellBaseline]


def read(kind: type[File], folder: Path, form: str) -> File:
    """A committed baseline.

    Raises:
        Misuse: there is none, or it is damaged; the path and what to do.
    """
    return _load(kind, folder / f"{form}.json", form)


def replays(folder: Path) -> tuple[dict[Path, ReplayBaseline], list[str]]:
    """The replay baselines of all platforms, by path, and what is wrong with the other files."""
    found, problems = {}, []
    for path in sorted(folder.glob("replay-*.json")):
        try:
            read = _load(ReplayBaseline, path, "replay")
        except Misuse as error:
            problems.append(str(error))
            continue
        named = replay_name(read.platform)
        if path.stem == named:
            found[path] = read
        else:
            problems.append(f"{path}: of the platform {named}, and its file is called {named}.json")
    return found, problems


def replay_name(platform: Platform) -> str:
    """What the baseline of a platform is called, without the ending."""
    return f"replay-{platform.key}"


def _load(kind: type[File], path: Path, form: str) -> File:
    again = f"`bench check {form} --update` writes one"
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise Misuse(f"{path}: no baseline there; run in a checkout, or {again}") from error
    except OSError as error:
        raise Misuse(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise Misuse(f"{path}: no baseline ({first_problem(error)}); {again}") from error


def write(baseline: BaseModel, folder: Path, form: str) -> Path:
    """Write a baseline; raises InfrastructureError where that cannot be done."""
    path = folder / f"{form}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (baseline.model_dump_json(indent=1) + "\n").encode())
    except OSError as error:
        raise InfrastructureError(f"{path}: cannot be written ({error.strerror})") from error
    return path
