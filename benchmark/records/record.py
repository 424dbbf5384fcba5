"""The record of a cell: its resolved configuration, its counts, where they come from.

Counts are stored, never rates. What was counted is a function of the cell: the same cell on the
same kind of machine gives the same bytes of it. How it was run is not: `timings`, `provenance`,
`retries`, `command`, `isolation`; nor is `level`, which `bench verify` raises.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, model_validator

from benchmark.arena.tally import Tally
from benchmark.evaluation.detection import Detection
from benchmark.learning.progress import impossible
from benchmark.policies.policy import ActionMode
from benchmark.records.cell import MOST, Cell, Frozen, PlayerRef
from benchmark.records.curve import Curve
from benchmark.records.players import check_players

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
POOLED: tuple[Role, ...] = ("attack", "floor", "regular", "stored", "fresh")
"""The matches whose counts are added up over a record."""
MAY_BE_LOST: tuple[Role, ...] = ("held-out", "fresh")
"""Of those that a record needs, the ones that are missing where an attack failed in training."""


class MatchSet(Frozen):
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


class DetectionSet(Frozen):
    """How a detector told matches against an adversary from regular ones of the same starts.

    Role "regular": against a regular opponent that it did not learn from, which is harmless.
    """

    role: Literal["stored", "held-out", "regular"]
    adversary: PlayerRef
    victim: PlayerRef
    counts: Detection


class StateSplit(Frozen):
    """How far the states that a victim visits against an adversary and against others lie apart.

    Both are estimates of Szekely and Rizzo's coefficient, 0 alike to 1 apart; floor: between two
    halves of the regular matches, which tells how far chance moves it.
    """

    adversary: PlayerRef
    victim: PlayerRef
    apart: float = Field(ge=-1, le=1)
    floor: float = Field(ge=-1, le=1)


class Isolation(Frozen):
    """Where the method's code ran."""

    kind: Literal["process", "container"]
    image: str | None = Field(default=None, description="the digest of the containers' image")
    pinned: bool = Field(
        default=False,
        description="the image was the pinned one, of the very code that started the run",
        exclude_if=lambda pinned: not pinned,  # records are older than this field
    )

    @property
    def enforced(self) -> bool:
        """Whether the threat model was: in a container, of an image that is known and pinned."""
        known = re.fullmatch("sha256:[0-9a-f]{64}", self.image or "") is not None
        return self.kind == "container" and known and self.pinned


class Record(Frozen):
    """Everything about one cell."""

    schema_version: Literal[2] = 2
    id: str
    cell: Cell
    matches: list[MatchSet]
    curves: dict[str, Curve] = Field(
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
    retries: dict[str, Annotated[int, Field(ge=1, le=MOST)]] = Field(
        default={},
        description="how often each training was to begin again because its containers were lost",
        exclude_if=lambda retries: not retries,
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
            counted = played.even.episodes + played.odd.episodes
            if counted != self.cell.episodes:
                raise ValueError(
                    f"'{played.role}' of {played.adversary.name} against {played.victim.name} "
                    f"counts {counted} episodes, the cell says {self.cell.episodes}"
                )
        self._check_once()
        self._check_trainings()
        self._complete()
        if self.failure is None:
            check_players(self)
        return self

    def _check_once(self) -> None:
        """What scores and scales pool is not counted twice.

        Elsewhere equal adversaries may meet one victim twice: two scripted ones of one name.
        """
        seen: set[tuple[str, ...]] = set()
        for m in (m for m in self.matches if m.role in POOLED):
            players = m.adversary.name, m.adversary.sha256, m.victim.name, m.victim.sha256
            how = (m.role, *players, m.victim_mode, json.dumps(m.game_options, sort_keys=True))
            if how in seen:
                raise ValueError(
                    f"'{m.role}' matches of {m.adversary.name} against {m.victim.name} stand "
                    "there twice"
                )
            seen.add(how)

    def _check_trainings(self) -> None:
        """Curves count what can have been trained; only an enforced isolation has a level."""
        if self.level > 0 and not self.isolation.enforced:
            raise ValueError(
                f"level {self.level} of a run outside containers of the pinned image, which is "
                "level 0"
            )
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
