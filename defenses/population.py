"""Population retraining: every side trains against all that the other side has been so far.

Policy-space response oracles (Lanctot et al., NeurIPS 2017) with the even mixture of fictitious
play as their meta-strategy. Each generation trains some adversaries anew, from different seeds,
against the victim's selves so far, and then the victim against all adversaries so far and the
regular opponents. In a game that looks the same from both seats its past selves are opponents too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from benchmark.errors import Misuse
from benchmark.games.game import GameCard
from benchmark.policies.policy import ANY, NetworkPolicy, Policy
from benchmark.settings import Settings
from defenses.mixed import MixedConfig
from defenses.own_adversaries import OwnAdversaries, OwnAdversariesConfig, Stage


class PopulationConfig(OwnAdversariesConfig):
    """Generations of adversaries and of the victim."""

    generations: int = Field(default=2, ge=1)
    adversaries: int = Field(default=2, ge=1, description="trained anew in every generation")
    past_selves: bool = Field(description="play in the 1 - p; in symmetric games only")


class Population(OwnAdversaries):
    """Mixed retraining against a growing population, which is trained against all past victims."""

    name: ClassVar[str] = "population"
    citation: ClassVar[str] = "after Lanctot et al., NeurIPS 2017"
    Config: ClassVar[type[MixedConfig]] = PopulationConfig

    config: PopulationConfig

    @classmethod
    def configure(cls, game: GameCard, settings: Settings) -> MixedConfig:
        config = super().configure(game, {"past_selves": game.symmetric, **settings})
        assert isinstance(config, PopulationConfig)
        if config.past_selves and not game.symmetric:
            raise Misuse(
                f"defense '{cls.name}': past selves cannot play the other seat of {game.id}, which "
                "is not symmetric; leave out 'past_selves'"
            )
        return config

    @property
    def schedule(self) -> Sequence[Stage]:
        attacks: list[Stage] = ["attack"]
        return [*attacks * self.config.adversaries, "retrain"] * self.config.generations

    def attacked(self, victims: Sequence[NetworkPolicy]) -> Sequence[NetworkPolicy]:
        return victims

    def regular(
        self, opponents: Sequence[Policy], victims: Sequence[NetworkPolicy]
    ) -> Sequence[Policy]:
        return (
            [*opponents, *map(_for_either_seat, victims)] if self.config.past_selves else opponents
        )


def _for_either_seat(policy: NetworkPolicy) -> NetworkPolicy:
    """The same player, whichever seat its card was made out for."""
    return type(policy)(policy.card.model_copy(update={"seat": ANY}), policy.tensors())
