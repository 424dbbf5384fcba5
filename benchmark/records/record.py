"""The record of a cell: its resolved configuration, its counts, where they come from.

Counts are stored, never rates. Everything but `timings` and `provenance` is a function of the
cell: the same cell on the same kind of machine gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    ValidationError,
    model_validator,
)
from pydantic_core import from_json

from benchmark.arena.tally import Tally
from benchmark.errors import Misuse
from benchmark.evaluation.detection import Detection
from benchmark.evaluation.matches import PROTOCOL
from benchmark.games.game import Tier
from benchmark.learning.progress import CurvePoint, impossible
from benchmark.policies.artifact import first_problem
from benchmark.policies.policy import ActionMode

SCHEMA = 1
MAX_BYTES = 16 * 1024 * 1024
MOST = 10**15
"""Of steps or matches: more than anyone can play, and little enough to reckon with."""
Role = Literal[
    "attack", "floor", "regular", "transfer", "stored", "held-out", "fresh", "foreign", "replay",
    "masked",
]  # fmt: skip
"""What matches are for.

stored, held-out, fresh: adversaries that judge a defense (protocol). foreign: adversaries of other
victims against the defended one. transfer: the attack's, or of a defended cell the fresh one,
against other victims, defended alike. replay: the attack's, under the game card's `replay` options.
masked: the victim blind to whom it plays.
"""
JUDGED: tuple[Role, ...] = ("stored", "held-out", "fresh")
"""The adversaries whose matches a defense is scored by."""
MAY_BE_LOST: tuple[Role, ...] = ("held-out", "fresh")
"""Of those that a record needs, the ones that are missing where an attack failed in training."""
Diagnosis = Literal["masked", "split"]
"""What may be looked into besides. split: how far the visited states lie apart."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PlayerRef(_Frozen):
    """Who played: a name for people and the sha256 of the weights ('' for a scripted floor)."""

    name: str
    sha256: str


class MatchSet(_Frozen):
    """Matches of one pairing. The tallies are from the adversary's side."""

    role: Role
    adversary: PlayerRef
    victim: PlayerRef
    victim_mode: ActionMode
    ranked_mode: bool = Field(description="the victim acted in the mode that its card ranks")
    even: Tally
    odd: Tally
    game_options: dict[str, Any] | None = Field(
        default=None,
        description="the game's, where they are not the cell's: in a replay",
        exclude_if=lambda options: options is None,
    )

    @property
    def tally(self) -> Tally:
        """Both halves of the episode list together."""
        return Tally.sum((self.even, self.odd))


class MethodRef(_Frozen):
    """An attack or a defense with everything that was set."""

    name: str
    version: int
    settings: dict[str, Any] = Field(description="what was set by hand, on top of the defaults")
    config: dict[str, Any] = Field(description="all of it, resolved")

    @property
    def label(self) -> str:
        """The method's name, its version after the first, and what was set by hand."""
        name = self.name if self.version == 1 else f"{self.name} v{self.version}"
        return " ".join([name, *(f"{k}={v}" for k, v in sorted(self.settings.items()))])


class DetectionSet(_Frozen):
    """How a detector told matches against an adversary from regular ones of the same starts.

    Role "regular": against a regular opponent that it did not learn from, which is harmless.
    """

    role: Literal["stored", "held-out", "regular"]
    adversary: PlayerRef
    victim: PlayerRef
    counts: Detection


class StateSplit(_Frozen):
    """How far the states that a victim visits against an adversary and against others lie apart.

    Both are estimates of Szekely and Rizzo's coefficient, 0 alike to 1 apart; floor: between two
    halves of the regular matches, which tells how far chance moves it.
    """

    adversary: PlayerRef
    victim: PlayerRef
    apart: float = Field(ge=-1, le=1)
    floor: float = Field(ge=-1, le=1)


class Cell(_Frozen):
    """What was asked: the key of a record."""

    game: str
    game_options: dict[str, Any]
    seat: str = Field(description="the adversary's")
    victim: PlayerRef
    others: list[PlayerRef] = Field(
        description="the game's other victims at hand: regular opponents and transfer targets"
    )
    held_out: list[str] = Field(
        description="adversaries that judge a defense and were not shown to it, with their keys"
    )
    foreign: list[str] = Field(
        default=[],
        description="adversaries of the run's other victims that a defended one also met",
        exclude_if=lambda keys: not keys,
    )
    diagnoses: list[Diagnosis] = Field(
        default=[],
        description="what was looked into besides",
        exclude_if=lambda names: not names,
    )
    victim_ranked: bool = Field(description="false: a replication variant")
    attack: MethodRef
    track: Literal["black-box", "white-box", "none"]
    defense: MethodRef | None
    seed: int
    tier: Tier
    budget_steps: int = Field(ge=0, le=MOST)
    episodes: int = Field(ge=1, le=MOST)
    protocol: int

    @property
    def id(self) -> str:
        """A content hash that names the record's file."""
        return content_hash(self.model_dump(mode="json"))[:16]


class Isolation(_Frozen):
    """Where the method's code ran."""

    kind: Literal["process", "container"]
    image: str | None = None


class Record(_Frozen):
    """Everything about one cell."""

    schema_version: Literal[1] = 1
    id: str
    cell: Cell
    matches: list[MatchSet]
    curves: dict[str, list[CurvePoint]] = Field(
        description="training matches of 'attack', 'hardening' and 'fresh'"
    )
    steps: dict[str, Annotated[int, Field(ge=0, le=MOST)]] = Field(
        description="environment steps used by each training"
    )
    artifacts: dict[str, str] = Field(description="sha256 of the policies that were made")
    isolation: Isolation
    flags: list[str]
    level: int = Field(ge=0, le=3)
    command: str = Field(description="what reproduces this record")
    provenance: dict[str, dict[str, Any]] = Field(
        description="where each training was done: commit, packages, machine"
    )
    timings: dict[str, dict[str, NonNegativeFloat]]
    detections: list[DetectionSet] = Field(
        default=[], description="of a detector", exclude_if=lambda found: not found
    )
    splits: list[StateSplit] = Field(
        default=[], description="diagnosis 'split'", exclude_if=lambda found: not found
    )
    lost: dict[Role, str] = Field(
        default={},
        description="matches that are missing, and which training left no policy to play them",
        exclude_if=lambda lost: not lost,
    )
    failure: str | None = Field(
        default=None,
        description="why the training that the cell is about left no policy: nothing was played",
        exclude_if=lambda failure: failure is None,
    )

    @model_validator(mode="after")
    def _consistent(self) -> Record:
        if self.id != self.cell.id:
            raise ValueError(f"id is {self.id}, its cell hashes to {self.cell.id}")
        for played in self.matches:
            if played.tally.episodes != self.cell.episodes:
                raise ValueError(
                    f"'{played.role}' of {played.adversary.name} against {played.victim.name} "
                    f"counts {played.tally.episodes} episodes, the cell says {self.cell.episodes}"
                )
        self._check_trainings()
        self._complete()
        return self

    def _check_trainings(self) -> None:
        """Curves count what can have been trained; only what ran in a container has a level."""
        if self.level > 0 and self.isolation.kind != "container":
            raise ValueError(f"level {self.level} of a run outside containers, which is level 0")
        for name, curve in self.curves.items():
            steps = self.steps.get(name, 0) if self.cell.budget_steps else 0
            problem = impossible(curve, steps)
            if problem is not None:
                raise ValueError(
                    f"curve '{name}': {problem}, the budget being {self.cell.budget_steps}"
                )

    def _complete(self) -> None:
        """The matches that the record is about must be there, against the victim it names."""
        if self.failure is not None:
            if self.matches or self.detections:
                raise ValueError("a training that failed has no matches")
            return
        if self.detections:
            self._check_detections()
            return
        wanted = ("attack",) if self.cell.defense is None else (*JUDGED, "regular")
        for role in wanted:
            if not self.of_role(role) and (role not in self.lost or role not in MAY_BE_LOST):
                raise ValueError(f"no '{role}' matches in the ranked mode")
        if self.cell.defense is not None:
            self._check_defended()
        if len(self.splits) > (1 if self.cell.defense is None else 2):
            raise ValueError(f"{len(self.splits)} splits: one a victim, before and after")
        for played in self.matches:
            if played.role in ("attack", "replay") and played.victim != self.cell.victim:
                raise ValueError(
                    f"'{played.role}' matches against '{played.victim.name}', not the victim"
                )
            if played.role == "attack" and self._is_stranger(played.adversary):
                raise ValueError(f"'attack' matches of {played.adversary.name}, not trained here")
            elsewhere = played.game_options not in (None, self.cell.game_options)
            if elsewhere != (played.role == "replay"):
                raise ValueError(
                    f"'{played.role}' matches under the game options {played.game_options}; only "
                    "a replay has others than the cell, and it must have"
                )
            halves = (played.even.episodes, played.odd.episodes)
            total = sum(halves)
            if halves != (total - total // 2, total // 2):
                raise ValueError(f"halves of {halves[0]} and {halves[1]} episodes")

    def _is_stranger(self, adversary: PlayerRef) -> bool:
        """Whether it is another than the adversary that this record's attack trained."""
        return self.cell.track != "none" and adversary.sha256 != self.artifacts.get("attack")

    def _check_defended(self) -> None:
        """Judges meet the hardened victim; clean play is known before and after."""
        hardened = self.artifacts.get("hardening")
        for played in self.matches:
            if played.role in JUDGED and played.victim.sha256 != hardened:
                raise ValueError(
                    f"'{played.role}' matches against '{played.victim.name}', not the victim that "
                    "this record hardened"
                )
        sides = {played.victim == self.cell.victim for played in self.of_role("regular")}
        if sides != {True, False}:
            raise ValueError("'regular' matches of the victim both before and after are needed")

    def _check_detections(self) -> None:
        """A detector watches the victim itself, and nothing else is on its record."""
        if self.cell.defense is None or self.matches or self.splits:
            raise ValueError("detections stand alone, in a cell with a defense")
        if all(found.role != "stored" for found in self.detections) and "stored" not in self.lost:
            raise ValueError("no detection of the stored adversary")
        for found in self.detections:
            counted = {found.counts.adversarial, found.counts.regular}
            if found.victim != self.cell.victim or counted != {self.cell.episodes}:
                raise ValueError(
                    f"detection of {found.adversary.name}: {sorted(counted)} matches of "
                    f"'{found.victim.name}', the cell says {self.cell.episodes} of "
                    f"'{self.cell.victim.name}'"
                )

    def of_role(self, role: Role) -> list[MatchSet]:
        """The match sets of a role in the ranked mode."""
        return [m for m in self.matches if m.role == role and m.ranked_mode]

    def without_timings(self) -> dict[str, Any]:
        """What must be equal between two runs of the same cell."""
        return self.model_dump(mode="json", exclude={"timings", "provenance", "command"})


class BadRecord(Misuse):
    """A record file that is damaged, foreign or impossible."""


def to_json(record: Record) -> bytes:
    """The record as the bytes of its file."""
    return (record.model_dump_json(indent=1) + "\n").encode()


def load(path: Path) -> bytes:
    """The bytes of a record's file.

    Raises:
        BadRecord: a link, no file, larger than any record, or unreadable.
    """
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise BadRecord(f"{path}: a link; a record is a file of its own")
        if not stat.S_ISREG(found.st_mode):  # a pipe would keep us waiting
            raise BadRecord(f"{path}: cannot be read (not a file)")
        if found.st_size > MAX_BYTES:
            raise BadRecord(f"{path}: larger than {MAX_BYTES >> 20} MiB; not a record")
        return path.read_bytes()
    except OSError as error:
        raise BadRecord(f"{path}: cannot be read ({error.strerror})") from error


def read(path: Path) -> Record:
    """Read and check a record.

    Raises:
        BadRecord: with the path and what is wrong.
    """
    try:
        payload = from_json(load(path))  # which refuses half a surrogate pair, as json does not
    except ValueError as error:
        raise BadRecord(f"{path}: not JSON ({error})") from error
    version = payload.get("schema_version") if isinstance(payload, dict) else None
    if version != SCHEMA:
        raise BadRecord(f"{path}: schema version {version!r}, this program reads {SCHEMA}")
    try:
        record = Record.model_validate(payload)
    except ValidationError as error:
        raise BadRecord(f"{path}: {first_problem(error)}") from error
    if record.cell.protocol != PROTOCOL:
        raise BadRecord(f"{path}: protocol {record.cell.protocol}, this program's is {PROTOCOL}")
    return record


def content_hash(value: Any) -> str:
    """sha256 of a JSON value in its canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def method_key(method: MethodRef | None) -> str:
    """What tells two versions or configurations of a method apart, whatever they are called."""
    if method is None:
        return ""
    return content_hash([method.name, method.version, method.config])


def one_vote(records: Iterable[Record]) -> list[Record]:
    """One record for each cell, whoever else was at hand when it was made.

    Cells that differ only in who else was at hand, or in how many matches were played, hold the
    same training; the longest played is kept, then the one judged by most held-out adversaries,
    the one that met most victims, was diagnosed most, then the smaller id.
    """
    kept: dict[str, Record] = {}
    company = ("held_out", "others", "foreign", "diagnoses")
    beside = {*company, "episodes", "victim_ranked"}

    def fullest(record: Record) -> tuple[int | str, ...]:
        lengths = [-len(getattr(record.cell, part)) for part in company]
        return (-record.cell.episodes, *lengths, record.id)

    for record in sorted(records, key=fullest):
        alone = record.cell.model_dump(mode="json", exclude=beside)
        kept.setdefault(content_hash(alone), record)
    return list(kept.values())
