"""Kick And Defend (Bansal et al. 2018): a humanoid kicks a ball at a goal that another keeps."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from benchmark.games.bodies import (
    HUMANOID,
    HUMANOID_PRICE,
    Senses,
    seat_card,
    start_pose,
)
from benchmark.games.duel import (
    MAX_STEPS,
    Duel,
    DuelOptions,
    Float,
    Rows,
    Verdict,
    duel_card,
)
from benchmark.games.game import Array, GameCard, Outcome
from benchmark.games.scene import (
    TIMESTEP,
    TORSO,
    Scene,
    Start,
    add_goal_lines,
    compose,
    seat_prefix,
    touch_sensor,
)

KICKER, KEEPER = 0, 1
STARTS = (Start(x=-3.0, z=1.5, turn=0.0), Start(x=3.0, z=1.5, turn=180.0))
START_X = ((-3.5, -0.5), (1.6, 3.5))
START_Y = (-2.0, 2.0)
BALL_X, BALL_Y, BALL_Z = (-2.0, 1.0), (-4.0, 4.0), 0.35
"""Where bodies and ball start, uniformly; metres."""
ROLLING = 0.1
"""Metres a second given along each axis to a ball whose noise would roll it back at once."""
GOAL_X, GOAL_HALF_WIDTH = 4.0, 3.0
KEEPERS_GROUND = 2.5
"""How far from the goal line the keeper may stray, metres."""
BACK_SPEED = 1.0
KICKER_DOWN_Z, KEEPER_DOWN_Z, STANDING_Z = 0.8, 0.5, 1.0
BALL = "ball"
TOUCH = (BALL, seat_prefix(KEEPER) + TORSO)
ENDINGS = ("goal", "save", "turned_back", "wide", "both_down", "timeout", "foul")
GOAL, SAVE, TURNED_BACK, WIDE, BOTH_DOWN, TIMEOUT, FOUL = range(len(ENDINGS))
RULES = (
    "The kicker wins when the ball passes x = 4 m within 3 m of the middle (goal). The keeper "
    "wins when the ball moves back faster than 1 m/s, after it touched the ball (save) or not "
    "(turned_back), when the ball passes the line elsewhere (wide), when both are down "
    "(both_down) and after 500 steps (timeout). A tie: the keeper strays more than 2.5 m from "
    "its line (foul)."
)


def add_pitch(world: Any) -> None:
    """Goal lines, a see-through goal that nothing collides with, and the ball."""
    add_goal_lines(world)
    goal = world.add_geom(name="goal", type=mujoco.mjtGeom.mjGEOM_BOX, contype=0, conaffinity=0)
    goal.pos, goal.size = [GOAL_X + 0.05, 0.0, 0.0], [0.1, GOAL_HALF_WIDTH, 3.0]
    goal.rgba = [0.6, 0.0, 0.0, 0.15]
    body = world.add_body(name=BALL, pos=[0.0, 0.0, 0.2])
    joint = body.add_joint(name=BALL, type=mujoco.mjtJoint.mjJNT_FREE)
    joint.damping = [0.001, 0.0, 0.0]  # of the first, second and third power of its speed
    ball = body.add_geom(name=BALL, type=mujoco.mjtGeom.mjGEOM_SPHERE, mass=0.1)
    ball.size = [0.15, 0.0, 0.0]
    ball.rgba = [0.95, 0.75, 0.2, 1.0]


def make_card(options: DuelOptions) -> GameCard:
    """The card of kick-and-defend-v1 under these options."""
    own = HUMANOID.size - 2  # its own place on the pitch is not sensed
    middle = [sum(span) / 2.0 for span in START_X]
    seats = []
    for seat, name in enumerate(("kicker", "keeper")):
        away = STARTS[1 - seat]._replace(x=middle[1 - seat] - middle[seat])
        seats.append(
            seat_card("humanoid", name, own + 30, (0, own), start_pose("humanoid", away), own)
        )
    return duel_card(
        options,
        id="kick-and-defend-v1",
        title="Kick And Defend",
        seats=(seats[KICKER], seats[KEEPER]),
        adversary_seat="keeper",
        symmetric=False,
        rules=RULES,
        endings=ENDINGS,
        training_speed=2_500,
        evaluation_s=10.0,
    )


class KickAndDefend(Duel):
    """Seat 0 is the kicker, seat 1 the keeper."""

    placements = 6
    touch = touch_sensor(*TOUCH)

    @classmethod
    def describe(cls, options: Any = None) -> GameCard:
        return make_card(options or DuelOptions())

    @classmethod
    def compose(cls, options: DuelOptions) -> Scene:
        return compose("humanoid", STARTS, add_pitch, options.physics, touches=(TOUCH,))

    def prepare(self) -> None:
        self.senses = Senses(self.batch, self.scene, HUMANOID)
        joint = self.scene.model.joint(BALL)
        place, speed = int(joint.qposadr[0]), int(joint.dofadr[0])
        self._ball = self.qpos[:, place : place + 3]
        self._ball_speed = self.qvel[:, speed : speed + 3]

    def place(self, rows: NDArray[np.intp], draws: Float) -> None:
        def within(span: tuple[float, float], draw: int) -> Float:
            return span[0] + (span[1] - span[0]) * draws[:, draw]

        for seat in (KICKER, KEEPER):
            x, y = within(START_X[seat], 2 * seat), within(START_Y, 2 * seat + 1)
            self.place_xy(seat, rows, x, y)
        height = np.full(len(rows), BALL_Z)
        self._ball[rows] = np.stack([within(BALL_X, 4), within(BALL_Y, 5), height], axis=1)
        back = rows[self._ball_speed[rows, 0] < 0.0]
        self._ball_speed[back] = ROLLING

    def observe(self, seat: int, rows: Rows) -> Array:
        seen, at = self.senses.observe(seat, rows, HUMANOID.pose + 6, skip=2)
        self.senses.write_pose(seen, at, 1 - seat, rows)
        mine, theirs = (self.senses.pose(s)[rows, :2] for s in (seat, 1 - seat))
        ball = self._ball[rows]
        seen[:, at : at + 2] = theirs - mine
        seen[:, -6:-4], seen[:, -4] = ball[:, :2] - mine, ball[:, 2]
        seen[:, -3] = GOAL_X - ball[:, 0]
        seen[:, -2], seen[:, -1] = GOAL_HALF_WIDTH - ball[:, 1], -GOAL_HALF_WIDTH - ball[:, 1]
        return seen

    def places(self, obs: tuple[Array, Array]) -> Array:
        """See `Game.places`: seen from the kicker, as seats here show each other."""
        places = super().places(obs)
        places[:, KICKER, :2] = 0.0
        return places

    def judge(self) -> Verdict:
        past = self._ball[:, 0] > GOAL_X
        scored = past & (np.abs(self._ball[:, 1]) <= GOAL_HALF_WIDTH)
        speed = np.sqrt(np.square(self._ball_speed).sum(axis=1))
        back = (self._ball_speed[:, 0] < 0.0) & (speed > BACK_SPEED)
        down = (self.height(KICKER) < KICKER_DOWN_Z) & (self.height(KEEPER) <= KEEPER_DOWN_Z)
        late = self.episode_step >= MAX_STEPS
        keeper_x = self.senses.pose(KEEPER)[:, 0]
        outcome = np.zeros(self.matches, dtype=np.int8)
        ending = np.full(self.matches, FOUL, dtype=np.int8)
        outcome[np.abs(GOAL_X - keeper_x) > KEEPERS_GROUND] = Outcome.TIE
        outcome[past | back | down | late] = Outcome.SEAT_1
        ending[late], ending[down], ending[past] = TIMEOUT, BOTH_DOWN, WIDE
        ending[back] = np.where(self.touched[back], SAVE, TURNED_BACK)
        outcome[scored], ending[scored] = Outcome.SEAT_0, GOAL
        return Verdict(outcome, ending)

    def reward(self, seat: int, action: Array, moved: Float) -> Float:
        x, y = self.senses.pose(seat)[:, 0], self.senses.pose(seat)[:, 1]
        good = self.height(seat) >= STANDING_Z
        if seat == KEEPER:
            good &= (x <= GOAL_X + 0.05) & (np.abs(y) <= GOAL_HALF_WIDTH)
        upkeep = self.senses.upkeep(seat, action, good, HUMANOID_PRICE)
        to_goal = np.where(self.over, 0.0, np.abs(self._ball[:, 0] - GOAL_X))
        if seat == KEEPER:
            return upkeep + to_goal
        to_ball = np.hypot(x - self._ball[:, 0], y - self._ball[:, 1])
        return upkeep - to_ball - to_goal + 0.25 * moved / TIMESTEP
