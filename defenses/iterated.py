"""Iterated retraining: rounds of a new adversary and of retraining against all of them so far.

Gleave et al. (ICLR 2020) found that a victim fine-tuned against its adversary loses to a new one
trained against it; so here the new ones are trained too, one a round. The alternation is that of
robust adversarial reinforcement learning (Pinto, Davidson, Sukthankar, Gupta, ICML 2017). Taken
from it is only that both sides train in turns, the other one held still: there the adversary
pushes the agent's body and goes on from its last self, and the agent meets that one alone; here
it is a player that starts anew, and the victim keeps on meeting all before it.

The stored adversary is already an attack on the undefended victim, so the first round retrains at
once. With one round it is mixed retraining.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from defenses.mixed import MixedConfig
from defenses.own_adversaries import OwnAdversaries, OwnAdversariesConfig, Stage


class IteratedConfig(OwnAdversariesConfig):
    """Rounds of attack and retraining."""

    rounds: int = Field(default=3, ge=1, description="retrainings; before all but one an attack")


class Iterated(OwnAdversaries):
    """Mixed retraining in rounds, each against one adversary more, trained on the newest victim."""

    name: ClassVar[str] = "iterated"
    citation: ClassVar[str] = "after Gleave et al., ICLR 2020, and Pinto et al., ICML 2017"
    Config: ClassVar[type[MixedConfig]] = IteratedConfig

    config: IteratedConfig

    @property
    def schedule(self) -> Sequence[Stage]:
        again: list[Stage] = ["attack", "retrain"]
        return ["retrain", *again * (self.config.rounds - 1)]
