"""Run To Goal between two humanoids (Bansal et al. 2018). Rules: `run_to_goal.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.games.bodies import HUMANOID_PRICE
from benchmark.games.duel import DuelOptions, Float
from benchmark.games.game import Array, GameCard
from benchmark.games.run_to_goal import GOALS_X, RunToGoal, run_card
from benchmark.games.scene import TIMESTEP, Scene, Start, add_goal_lines, compose

STARTS = (Start(x=-1.0, z=1.4, turn=0.0), Start(x=1.0, z=1.4, turn=180.0))
STANDING_Z = 1.0


class RunToGoalHumans(RunToGoal):
    """A batch of races between humanoids."""

    kind = "humanoid"
    down_z = 0.8

    @classmethod
    def describe(cls, options: Any = None) -> GameCard:
        return run_card(
            options or DuelOptions(), "humanoid", STARTS, game="run-to-goal-humans-v1",
            title="Run To Goal (humans)", down_z=cls.down_z, training_speed=4_000,
        )  # fmt: skip

    @classmethod
    def compose(cls, options: DuelOptions) -> Scene:
        return compose("humanoid", STARTS, add_goal_lines, options.physics)

    def reward(self, seat: int, action: Array, moved: Float) -> Float:
        upkeep = self.senses.upkeep(seat, action, self.height(seat) >= STANDING_Z, HUMANOID_PRICE)
        to_go = np.abs(self.senses.pose(seat)[:, 0] - GOALS_X[seat])
        return upkeep - to_go + 0.25 * self.forward(seat, moved) / TIMESTEP
