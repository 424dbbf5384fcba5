"""Adversarial retraining: the victim goes on learning against its adversary and nobody else.

Wu, Guo, Wei, Xing (USENIX Security 2021), section 6: plain PPO from the victim's own weights,
its observation filter frozen, every episode adversarial. It is mixed retraining at p = 1.
"""

from __future__ import annotations

from typing import ClassVar

from benchmark.errors import Misuse
from benchmark.games.game import GameCard
from benchmark.learning.device import ANYWHERE
from benchmark.settings import Settings
from defenses.mixed import Mixed, MixedConfig


class Retrain(Mixed):
    """PPO from the victim's weights against its adversaries and nobody else."""

    name: ClassVar[str] = "retrain"
    citation: ClassVar[str] = "Wu et al., USENIX Security 2021, adversarial retraining"
    devices = ANYWHERE
    share: ClassVar[float] = 1.0

    @classmethod
    def configure(cls, game: GameCard, settings: Settings) -> MixedConfig:
        config = super().configure(game, settings)
        if config.p != 1.0:
            raise Misuse(f"defense 'retrain' is p = 1, got {config.p}; use --defense mixed")
        return config
