"""The cell: what a record answers, resolved, and so its key."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from benchmark.games.game import Tier

MOST = 10**15
"""Of steps or matches: more than anyone can play, and little enough to reckon with."""
Diagnosis = Literal["masked", "split"]
"""What may be looked into besides. split: how far the visited states lie apart."""

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


class Frozen(BaseModel):
    """Read-only, with nothing unknown in it and no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PlayerRef(Frozen):
    """Who played: a name for people and the sha256 of the weights ('' for a scripted floor)."""

    name: str
    sha256: str


class MethodRef(Frozen):
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


class Cell(Frozen):
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


def content_hash(value: Any) -> str:
    """sha256 of a JSON value in its canonical form."""
    return hashlib.sha256(_CANONICAL.encode(value).encode()).hexdigest()


def method_key(method: MethodRef | None) -> str:
    """What tells two versions or configurations of a method apart, whatever they are called."""
    if method is None:
        return ""
    return content_hash([method.name, method.version, method.config])
