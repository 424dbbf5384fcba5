"""What defenses share that train adversaries of their own against the victim as it hardens.

A subclass says in which order attacks and retrainings follow, whom an attack meets and whom the
victim meets besides the adversaries. Every stage is one of the benchmark's own trainings, and the
steps of all of them are the budget.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, Field, SerializeAsAny

from attacks.attack import Attack
from benchmark.arena.mixture import Mixture
from benchmark.errors import Misuse
from benchmark.games.game import GameCard
from benchmark.learning.progress import Progress
from benchmark.learning.stages import Stages
from benchmark.policies.policy import NetworkPolicy, Policy
from benchmark.registry import attacks
from benchmark.settings import Settings
from defenses.defense import MakeArena
from defenses.mixed import Mixed, MixedConfig

Stage = Literal["attack", "retrain"]


class OwnAdversariesConfig(MixedConfig):
    """Mixed retraining, and the attack that makes the adversaries: all that moves the result."""

    attack: str = Field(default="baseline", description="the attack that it trains")
    attack_version: int = Field(description="the attack's own; not to be set")
    attack_config: SerializeAsAny[BaseModel] = Field(description="the attack's settings")
    attack_share: float = Field(
        default=0.5, ge=0, lt=1, description="share of the budget for its attacks; 0: it has none"
    )


class OwnAdversaries(Mixed):
    """Stages of attack and of retraining, one after the other."""

    Config: ClassVar[type[MixedConfig]] = OwnAdversariesConfig

    config: OwnAdversariesConfig

    def __init__(self, config: OwnAdversariesConfig):
        super().__init__(config)
        self.attack: Attack = attacks.load(config.attack)(config.attack_config)

    @classmethod
    def configure(cls, game: GameCard, settings: Settings) -> MixedConfig:
        return super().configure(game, {**settings, **_resolved_attack(cls.name, game, settings)})

    @property
    @abstractmethod
    def schedule(self) -> Sequence[Stage]:
        """The stages in their order; the last one retrains."""

    def attacked(self, victims: Sequence[NetworkPolicy]) -> Sequence[NetworkPolicy]:
        """Whom an attack meets, of the victim's selves so far, oldest first: the newest."""
        return victims[-1:]

    def regular(
        self, opponents: Sequence[Policy], victims: Sequence[NetworkPolicy]
    ) -> Sequence[Policy]:
        """Who shares the 1 - p of a retraining: the regular opponents."""
        return opponents

    @property
    def stages(self) -> list[Stage]:
        """The schedule, without attacks where they have no share."""
        share = self.config.attack_share
        return [stage for stage in self.schedule if stage == "retrain" or share > 0]

    @property
    def least_steps(self) -> int:
        needs = {"attack": self.attack.least_steps, "retrain": super().least_steps}
        shares = self._shares()
        return max(ceil(needs[stage] / share) for stage, share in shares.items())

    def _shares(self) -> dict[Stage, Fraction]:
        """The share of the budget that one stage of either kind takes."""
        attacking, retraining = (self.stages.count(kind) for kind in ("attack", "retrain"))
        if not attacking:
            return {"retrain": Fraction(1, retraining)}
        share = Fraction(self.config.attack_share)  # exact, so that the least budget does suffice
        return {"attack": share / attacking, "retrain": (1 - share) / retraining}

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
        start = self.trainable(victim)
        self.check_players(adversaries, opponents)
        if budget_steps < self.least_steps:
            raise Misuse(
                f"defense '{self.name}': {budget_steps} steps are too few for its "
                f"{len(self.stages)} stages, which need {self.least_steps}"
            )
        made = Course(self, start, make_arena, adversaries, opponents, progress)
        # The first stage has the very generator, so that one stage alone is mixed retraining.
        chances = [rng, *rng.spawn(len(self.stages) - 1)]
        shares = self._shares()
        for stage, chance in zip(self.stages[:-1], chances[:-1], strict=True):
            made.go(stage, int(budget_steps * shares[stage]), chance)
        made.go(self.stages[-1], budget_steps - made.steps, chances[-1])  # what rollouts left over
        return made.victims[-1]


class Course:
    """A hardening under way: the victim's selves and the adversaries so far."""

    def __init__(
        self,
        method: OwnAdversaries,
        victim: NetworkPolicy,
        make_arena: MakeArena,
        adversaries: Sequence[Policy],
        opponents: Sequence[Policy],
        progress: Progress,
    ):
        self._method, self._make_arena, self._opponents = method, make_arena, opponents
        self._stages = Stages(progress)
        self.victims = [victim]
        self.adversaries = list(adversaries)

    @property
    def steps(self) -> int:
        """Environment steps so far."""
        return self._stages.steps

    def go(self, stage: Stage, steps: int, rng: np.random.Generator) -> None:
        """Do the next stage in at most `steps`."""
        if stage == "attack":
            self.adversaries.append(self._attack(steps, rng))
        else:
            self.victims.append(self._retrain(steps, rng))

    def _attack(self, steps: int, rng: np.random.Generator) -> NetworkPolicy:
        attack = self._method.attack
        mixture = Mixture([(policy, 1.0) for policy in self._method.attacked(self.victims)])
        arena = self._make_arena(mixture, attack.matches, attacking=True)

        def train(progress: Progress) -> Policy:
            return attack.train(arena, steps, rng, progress)

        return self._stages.run(arena, train, attacking=True)

    def _retrain(self, steps: int, rng: np.random.Generator) -> NetworkPolicy:
        method = self._method
        regular = method.regular(self._opponents, self.victims)
        arena = self._make_arena(method.mixture(self.adversaries, regular), method.config.matches)

        def train(progress: Progress) -> Policy:
            start = method.trainable(self.victims[-1])
            learner = method.learner(start, arena, self.adversaries, rng)
            learner.learn(steps, progress)
            return learner.policy(method.card(self.victims[0], self.steps + learner.steps))

        return self._stages.run(arena, train, attacking=False)


def _resolved_attack(defense: str, game: GameCard, settings: Settings) -> dict[str, Any]:
    """The settings that say which attack it is, with its version and its whole config.

    Raises:
        Misuse: no such attack, a setting that it lacks, another version, or another track.
    """
    name = settings.get("attack", "baseline")
    given = settings.get("attack_config", {})
    if isinstance(given, BaseModel):
        given = given.model_dump()
    if not isinstance(name, str) or not isinstance(given, dict):
        raise Misuse(
            f"defense '{defense}': setting 'attack' is an attack's name and 'attack_config' an "
            f"object of its settings, got {name!r} and {given!r}"
        )
    kind = attacks.load(name)
    config = kind.configure(game, given)
    if (track := kind(config).track) != "black-box":
        raise Misuse(
            f"defense '{defense}' trains black-box attacks; '{name}' is in track '{track}'"
        )
    version = settings.get("attack_version", kind.version)
    if version != kind.version:
        raise Misuse(
            f"defense '{defense}': attack '{name}' is of version {kind.version} here, expected "
            f"{version}"
        )
    return {"attack": name, "attack_version": version, "attack_config": config}
