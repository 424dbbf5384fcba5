"""You Shall Not Pass (Bansal et al. 2018): a humanoid runs for a line, another bars its way."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.games.bodies import (
    HUMANOID,
    HUMANOID_PRICE,
    Senses,
    seat_card,
    start_pose,
)
from benchmark.games.duel import MAX_STEPS, Duel, DuelOptions, Float, Rows, Verdict, duel_card
from benchmark.games.game import Array, GameCard, Outcome
from benchmark.games.scene import TIMESTEP, Scene, Start, add_goal_lines, compose

BLOCKER, RUNNER = 0, 1
STARTS = (Start(x=-1.0, z=1.4, turn=0.0), Start(x=1.0, z=1.4, turn=180.0))
GOAL_X = -4.0
FALLEN_Z = 0.3
STANDING_Z = 1.0
ENDINGS = ("goal", "fall_blocker_up", "fall_blocker_down", "timeout")
GOAL, FALL_UP, FALL_DOWN, TIMEOUT = range(len(ENDINGS))
RULES = (
    "The runner wins when its centre of mass passes x = -4 m (goal). The blocker wins when the "
    "runner's torso is at .3 m or lower, be the blocker itself above that (fall_blocker_up) or "
    "not (fall_blocker_down), and when 500 steps have passed (timeout). No ties."
)


def make_card(options: DuelOptions) -> GameCard:
    """The card of you-shall-not-pass-v1 under these options."""
    own = HUMANOID.size
    seats = [
        seat_card("humanoid", name, own + 24, (0, own), start_pose("humanoid", other), own)
        for name, other in (("blocker", STARTS[RUNNER]), ("runner", STARTS[BLOCKER]))
    ]
    return duel_card(
        options,
        id="you-shall-not-pass-v1",
        title="You Shall Not Pass",
        seats=(seats[BLOCKER], seats[RUNNER]),
        adversary_seat="blocker",
        symmetric=False,
        rules=RULES,
        endings=ENDINGS,
        training_speed=4_000,
        evaluation_s=5.0,
    )


class YouShallNotPass(Duel):
    """Seat 0 is the blocker, seat 1 the runner."""

    fallen_z: float = FALLEN_Z
    """m, where a runner has fallen: higher only while a house victim learns to run (league.py)."""

    @classmethod
    def describe(cls, options: Any = None) -> GameCard:
        return make_card(options or DuelOptions())

    @classmethod
    def compose(cls, options: DuelOptions) -> Scene:
        return compose("humanoid", STARTS, add_goal_lines, options.physics)

    def prepare(self) -> None:
        self.senses = Senses(self.batch, self.scene, HUMANOID)

    def observe(self, seat: int, rows: Rows) -> Array:
        seen, column = self.senses.observe(seat, rows, HUMANOID.pose)
        self.senses.write_pose(seen, column, 1 - seat, rows)
        return seen

    def judge(self) -> Verdict:
        fallen = self.height(RUNNER) <= self.fallen_z
        passed = self.x[:, RUNNER] < GOAL_X
        outcome = np.zeros(self.matches, dtype=np.int8)
        ending = np.full(self.matches, GOAL, dtype=np.int8)
        late = self.episode_step >= MAX_STEPS
        outcome[late | fallen] = Outcome.SEAT_0
        ending[late] = TIMEOUT
        ending[fallen] = np.where(self.height(BLOCKER)[fallen] > FALLEN_Z, FALL_UP, FALL_DOWN)
        outcome[passed], ending[passed] = Outcome.SEAT_1, GOAL
        return Verdict(outcome, ending)

    def reward(self, seat: int, action: Array, moved: Float) -> Float:
        upkeep = self.senses.upkeep(seat, action, self.height(seat) >= STANDING_Z, HUMANOID_PRICE)
        runner = self.qpos[:, self.scene.parts[RUNNER].qpos.start]
        to_go = np.abs(runner - GOAL_X)
        if seat == BLOCKER:
            return upkeep + np.where(self.x[:, RUNNER] < GOAL_X, 0.0, to_go)
        return upkeep - to_go - 0.25 * moved / TIMESTEP
