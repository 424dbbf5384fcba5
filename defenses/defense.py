"""What a defense is. A new one is a subclass in a file of its own, named in pyproject.toml."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from pydantic import BaseModel

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.errors import Misuse
from benchmark.games.game import GameCard
from benchmark.learning.device import CORES_ONLY, CPU, Device
from benchmark.learning.progress import Progress
from benchmark.policies.policy import Policy, PolicyCard
from benchmark.settings import Settings
from benchmark.variants import Variant


class MakeArena(Protocol):
    """Makes the arenas that a defense learns in; their steps are its budget."""

    def __call__(self, opposite: Mixture, matches: int, *, attacking: bool = False) -> Arena:
        """`matches` in parallel, seen from the victim's seat, or from the adversary's."""


class Defense(ABC):
    """Hardens a victim; it may hold the victim's weights and play stored adversaries."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised whenever the same config and seed may give another result."""
    citation: ClassVar[str]
    trains: ClassVar[frozenset[str]] = frozenset({"mlp", "lstm"})
    """Kinds of victim (`PolicyCard.kind`) that it can harden; others are refused beforehand."""
    devices: frozenset[str] = CORES_ONLY
    """Where updates of an MLP may be computed; as of attacks, no subclass inherits it."""
    device: Device = CPU
    """Where they are: one of `devices`, set before `harden`."""

    def __init_subclass__(cls, **more: Any):
        super().__init_subclass__(**more)
        cls.devices = vars(cls).get("devices", CORES_ONLY)

    @classmethod
    @abstractmethod
    def configure(cls, game: GameCard, settings: Settings) -> Any:
        """The resolved config (a frozen pydantic model); raises Misuse."""

    def __init__(self, config: Any):
        self.config: BaseModel = config

    @classmethod
    def studies(cls, game: GameCard) -> Mapping[str, tuple[Variant, ...]]:
        """Studies that this defense offers to `bench sweep`, by name; see `Attack.studies`."""
        return {}

    def check_victim(self, card: PolicyCard) -> None:
        """Raise Misuse for a victim that this defense, as it is configured, cannot train."""
        if card.kind not in self.trains:
            raise Misuse(
                f"defense '{self.name}' cannot train victim '{card.name}', which is of kind "
                f"'{card.kind}'; it trains {', '.join(sorted(self.trains))}"
            )

    @property
    def least_steps(self) -> int:
        """The smallest budget that it can learn anything from."""
        return 1

    @property
    def meets_opponents(self) -> bool:
        """Whether it plays the regular opponents; false keeps them out of what it depends on."""
        return True

    @abstractmethod
    def harden(
        self,
        victim: Policy,
        make_arena: MakeArena,
        adversaries: Sequence[Policy],
        opponents: Sequence[Policy],
        budget_steps: int,
        rng: np.random.Generator,
        progress: Progress,
    ) -> Policy:
        """The hardened victim after at most `budget_steps` environment steps.

        adversaries are the stored ones, trained on the undefended victim; opponents are the
        regular players that it was made to meet. Held-out adversaries are never shown.

        Raises:
            Misuse: the victim or the lists cannot be used by this defense.
        """
