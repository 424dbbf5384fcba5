"""Control: PPO with the game's own dense reward, annealed as the shaped attacks' signals are.

A shaped attack that beats the baseline may owe it to its idea, or to any dense reward at all.
This one pays what the game's authors thought of (Bansal et al. 2018: staying up, little effort,
nearness; Roboschool Pong: hitting the ball hard), so only a gain over it and over the baseline
shows that the idea matters. Departs from Bansal et al.: the outcome keeps its weight, and the dense
reward comes in its own standard deviations (docs/fidelity.md).

Which equation is which function:
  reward_move of Bansal et al. 2018, appendix       `Rollout.dense`, by each game's file
  c dense, c annealed to 0                          `shaping.Shaping.on_rollout`
With weight = 0 the attack is the baseline, bit for bit.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from attacks.baseline import Baseline, BaselineConfig
from attacks.shaping import Array, ShapedConfig, Shaping, shaped_defaults
from benchmark.arena.arena import Arena
from benchmark.games.game import GameCard
from benchmark.learning.device import ANYWHERE
from benchmark.learning.ppo import Hooks
from benchmark.learning.rollout import Rollout


class Dense(Baseline):
    """PPO that is also paid the game's own shaping reward, for a while."""

    name: ClassVar[str] = "dense"
    citation: ClassVar[str] = "Bansal et al., Emergent Complexity, ICLR 2018 (the reward)"
    devices = ANYWHERE
    Config: ClassVar[type[BaselineConfig]] = ShapedConfig

    config: ShapedConfig

    @classmethod
    def preset(cls, game: GameCard, preset: str) -> dict[str, Any]:
        return {**super().preset(game, preset), **shaped_defaults(game)}

    def hooks(self, arena: Arena, rng: np.random.Generator) -> Hooks:
        return OwnDenseReward(self.config)


class OwnDenseReward(Shaping):
    """The signal is what the game itself pays the adversary's seat for a step."""

    def signal(self, rollout: Rollout, progress: float) -> Array:
        self._facts["dense_reward"] = float(rollout.dense.mean())
        return rollout.dense
