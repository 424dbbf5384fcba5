"""Run To Goal (Bansal et al. 2018): each of two bodies runs for the line behind the other.

The games are `run_to_goal_humans.py` and `run_to_goal_ants.py`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from benchmark.games.bodies import LAYOUTS, Senses, seat_card, start_pose
from benchmark.games.duel import MAX_STEPS, Duel, DuelOptions, Float, Rows, Verdict, duel_card
from benchmark.games.game import Array, GameCard, Outcome
from benchmark.games.scene import Kind, Start

LEFT, RIGHT = 0, 1
GOALS_X = (4.0, -4.0)
"""Where either seat runs to, metres."""
ENDINGS = ("goal", "dead_heat", "both_down", "timeout")
GOAL, DEAD_HEAT, BOTH_DOWN, TIMEOUT = range(len(ENDINGS))


def run_card(
    options: DuelOptions, kind: Kind, starts: tuple[Start, Start], *, game: str, title: str,
    down_z: float, training_speed: int,
) -> GameCard:  # fmt: skip
    """The card of a Run To Goal game."""
    layout = LAYOUTS[kind]
    own, size = layout.size, layout.size + layout.pose
    seats = [
        seat_card(kind, name, size, (0, own), start_pose(kind, other), own)
        for name, other in (("left", starts[RIGHT]), ("right", starts[LEFT]))
    ]
    return duel_card(
        options,
        id=game,
        title=title,
        seats=(seats[LEFT], seats[RIGHT]),
        adversary_seat="right",
        symmetric=False,
        rules=(
            "Left starts at x = -1 m and wins when its centre of mass passes x = +4 m; right, from "
            "+1 m, wins at -4 m. A tie: both in one step (dead_heat), both torsos below "
            f"{down_z:g} m (both_down), 500 steps (timeout). One that is down may get up."
        ),
        endings=ENDINGS,
        training_speed=training_speed,
        evaluation_s=4.0,
    )


class RunToGoal(Duel):
    """Seat 0 starts on the left and runs to the right; seat 1 the other way."""

    kind: ClassVar[Kind]
    down_z: ClassVar[float]

    def prepare(self) -> None:
        self.senses = Senses(self.batch, self.scene, LAYOUTS[self.kind])

    def observe(self, seat: int, rows: Rows) -> Array:
        seen, column = self.senses.observe(seat, rows, LAYOUTS[self.kind].pose)
        self.senses.write_pose(seen, column, 1 - seat, rows)
        return seen

    def judge(self) -> Verdict:
        there = [self.x[:, LEFT] > GOALS_X[LEFT], self.x[:, RIGHT] < GOALS_X[RIGHT]]
        down = (self.height(LEFT) < self.down_z) & (self.height(RIGHT) < self.down_z)
        late = self.episode_step >= MAX_STEPS
        outcome = np.zeros(self.matches, dtype=np.int8)
        ending = np.full(self.matches, GOAL, dtype=np.int8)
        outcome[down | late] = Outcome.TIE
        ending[late], ending[down] = TIMEOUT, BOTH_DOWN
        for seat, won in enumerate((Outcome.SEAT_0, Outcome.SEAT_1)):
            outcome[there[seat]], ending[there[seat]] = won, GOAL
        heat = there[LEFT] & there[RIGHT]
        outcome[heat], ending[heat] = Outcome.TIE, DEAD_HEAT
        return Verdict(outcome, ending)

    @abstractmethod
    def reward(self, seat: int, action: Array, moved: Float) -> Float:
        """See `Duel.reward`."""

    def forward(self, seat: int, moved: Float) -> Float:
        """Metres moved towards a seat's own goal: (N,)."""
        return moved if GOALS_X[seat] > 0.0 else -moved
