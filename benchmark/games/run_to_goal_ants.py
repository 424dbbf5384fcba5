"""Run To Goal between two ants (Bansal et al. 2018). Rules: `run_to_goal.py`."""

from __future__ import annotations

from typing import Any

from benchmark.games.bodies import ANT_PRICE
from benchmark.games.duel import DuelOptions, Float
from benchmark.games.game import Array, GameCard
from benchmark.games.run_to_goal import RunToGoal, run_card
from benchmark.games.scene import FRAME_SKIP, Scene, Start, add_goal_lines, compose

STARTS = (Start(x=-1.0, z=0.75, turn=0.0), Start(x=1.0, z=0.75, turn=180.0))
STANDING_Z = 0.28
TIMESTEP = 0.01
"""Seconds. The published scene of this one game steps by .01, all others by .003."""


class RunToGoalAnts(RunToGoal):
    """A batch of races between ants."""

    kind = "ant"
    down_z = STANDING_Z

    @classmethod
    def describe(cls, options: Any = None) -> GameCard:
        return run_card(
            options or DuelOptions(), "ant", STARTS, game="run-to-goal-ants-v1",
            title="Run To Goal (ants)", down_z=cls.down_z, training_speed=6_000,
        )  # fmt: skip

    @classmethod
    def compose(cls, options: DuelOptions) -> Scene:
        return compose("ant", STARTS, add_goal_lines, options.physics, timestep=TIMESTEP)

    def reward(self, seat: int, action: Array, moved: Float) -> Float:
        upkeep = self.senses.upkeep(seat, action, self.height(seat) >= STANDING_Z, ANT_PRICE)
        return upkeep + self.forward(seat, moved) / (TIMESTEP * FRAME_SKIP)
