"""What an attack is. A new one is a subclass in a file of its own, named in pyproject.toml."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel

from benchmark.arena.arena import Arena
from benchmark.games.game import GameCard
from benchmark.learning.device import CORES_ONLY, CPU, Device
from benchmark.learning.progress import Progress
from benchmark.policies.policy import Policy, PolicyCard
from benchmark.settings import Settings
from benchmark.variants import Variant

Track = Literal["black-box", "white-box", "none"]


class Attack(ABC):
    """Trains an adversary in an arena that shows it what the threat model allows."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised whenever the same config and seed may give another result."""
    track: Track
    """What it is shown; an instance may be configured to another than its class says."""
    citation: ClassVar[str]
    devices: frozenset[str] = CORES_ONLY
    """Where its updates may be computed. Every class says so for itself, and none inherits it: what
    a subclass adds may be of the CPU alone. An instance may be configured to fewer."""
    device: Device = CPU
    """Where they are: one of `devices`, set before `train`."""

    def __init_subclass__(cls, **more: Any):
        super().__init_subclass__(**more)
        cls.devices = vars(cls).get("devices", CORES_ONLY)

    @classmethod
    @abstractmethod
    def configure(cls, game: GameCard, settings: Settings) -> Any:
        """The resolved config (a frozen pydantic model) for a game, settings on top of presets.

        Raises:
            Misuse: an unknown setting or one of the wrong type.
        """

    def __init__(self, config: Any):
        self.config: BaseModel = config

    @classmethod
    def studies(cls, game: GameCard) -> Mapping[str, tuple[Variant, ...]]:
        """Studies that this attack offers to `bench sweep`, by name.

        The first variant of a study is the one that the others are compared with.
        """
        return {}

    @classmethod
    def facts(cls) -> Mapping[str, list[float]]:
        """What parts of it give for fixed inputs, by name: `bench check` holds it to 1e-6.

        For parts whose rounding stays small, so that it is the same on every machine.
        """
        return {}

    @property
    @abstractmethod
    def matches(self) -> int:
        """How many matches the arena should play in parallel."""

    @property
    def reads(self) -> frozenset[str]:
        """Kinds of victim whose network it can read, white-box; empty where it reads none."""
        return frozenset()

    @property
    def least_steps(self) -> int:
        """The smallest budget that it can learn anything from."""
        return 1

    @abstractmethod
    def train(
        self, arena: Arena, budget_steps: int, rng: np.random.Generator, progress: Progress
    ) -> Policy:
        """The adversary after at most `budget_steps` environment steps (the final one counts).

        rng is the only source of chance. A training that finds `progress.resume()` continues
        there, and ends as if it had never stopped.
        """

    def card(self, arena: Arena, *, training: dict[str, Any]) -> PolicyCard:
        """The card of an adversary trained in this arena, without its network's shape."""
        game = arena.game.card
        seat = game.seats[arena.seat_index]
        return PolicyCard(
            name=f"{self.name} adversary",
            kind="mlp",
            game=game.id,
            seat=seat.name,
            obs_dim=seat.obs_dim,
            act_dim=seat.act_dim,
            act_bound=seat.act_bound,
            action_mode="mean",
            origin=f"trained by attack '{self.name}' version {self.version}",
            training=training,
        )
