"""What a job is. Its key hashes all that its artifact depends on.

The commit is provenance and no part of a key: methods and games carry versions of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from benchmark.evaluation.matches import EVALUATION_MATCHES
from benchmark.evaluation.protocol import PROTOCOL
from benchmark.learning import ppo
from benchmark.learning.device import CPU
from benchmark.policies.policy import ActionMode
from benchmark.records.cell import MethodRef, content_hash

LOOK = 1
"""Of what `detect` and `split` do besides their method: raised when it may give other numbers."""


class Player(BaseModel):
    """Where a policy comes from: a victim, a floor by name, or another job."""

    model_config = ConfigDict(frozen=True)

    source: Literal["victim", "floor", "job"]
    name: str
    ref: str = Field(default="", description="a victim's identity or a job's key")
    sha256: str = Field(default="", description="of a victim's weights, for the record")

    @property
    def key(self) -> tuple[str, str]:
        """What tells it apart: a name is only for people, but for a floor."""
        return self.source, self.ref or self.name


class Job(BaseModel):
    """One step of a cell. Jobs are equal where their content is.

    attack and harden train; play counts matches; detect fits a detector and lets it judge matches;
    split compares the states that a victim visits against its adversary and against others.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["attack", "harden", "play", "detect", "split"]
    game: str
    game_options: dict[str, Any]
    seat: str
    protocol: int = PROTOCOL
    victim: Player
    method: MethodRef | None = None
    seed: int = 0
    budget_steps: int = 0
    adversaries: tuple[Player, ...] = ()
    opponents: tuple[Player, ...] = ()
    episodes: int = 0
    victim_mode: ActionMode = "mean"
    parallel: int = EVALUATION_MATCHES
    learner: int = ppo.VERSION
    device: str = Field(
        default=CPU.name,
        description="where a training's updates are computed",
        exclude_if=lambda device: device == CPU.name,  # keys are older than this field
    )
    look: int = Field(
        default=0,
        description="LOOK, of the kinds that look at states",
        exclude_if=lambda version: not version,  # keys are older than this field
    )
    blind: bool = Field(
        default=False,
        description="the victim sees its adversary as it stands at a start",
        exclude_if=lambda blind: not blind,  # keys are older than this field
    )

    _PLAYERS: ClassVar[tuple[str, ...]] = ("adversaries", "opponents")

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy whose key is its own: pydantic's would take the cached one along."""
        return type(self).model_validate({**dict(self), **(update or {})})

    @cached_property
    def key(self) -> str:
        """The content hash that names the artifact: of all that moves it, and of nothing else."""
        method = self.method
        return content_hash(
            {
                **self.model_dump(mode="json", exclude={"victim", "method", *self._PLAYERS}),
                "method": method and [method.name, method.version, method.config],
                "victim": self.victim.key,
                **{part: [p.key for p in getattr(self, part)] for part in self._PLAYERS},
            }
        )[:32]

    @property
    def needs(self) -> list[str]:
        """Keys of the jobs whose artifacts this one reads."""
        players = (self.victim, *self.adversaries, *self.opponents)
        return [p.ref for p in players if p.source == "job"]

    @property
    def label(self) -> str:
        """For people."""
        if self.kind == "play":
            eyes = ", which is blind to it" if self.blind else ""
            return f"play {self.adversaries[0].name} against {self.victim.name}{eyes}"
        if self.kind == "split":
            return f"compare what {self.victim.name} visits"
        assert self.method is not None
        verb = {"attack": "train", "harden": "harden with", "detect": "detect with"}[self.kind]
        return f"{verb} {self.method.name}, {self.victim.name}, seed {self.seed}"

    def made(self) -> Player:
        """The policy that this job makes, as a player in another one."""
        assert self.method is not None
        tail = f" (seed {self.seed})" if self.kind == "attack" else ""
        name = f"{self.method.name}{tail}" if tail else f"{self.victim.name}+{self.method.name}"
        return Player(source="job", name=name, ref=self.key)
