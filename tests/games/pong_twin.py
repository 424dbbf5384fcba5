"""The rules of `benchmark.games.pong_kernel` in plain NumPy, a batch at once: to read, to test by.

Every floating-point operation is the kernel's own, in the kernel's order, so that the two agree
bit for bit; selections are spelt with `np.where`, so that even the sign of a zero agrees. Shapes:
N matches, 3 bodies (left bat, right bat, ball), 2 axes (x, y). A state row (12,), reshaped to
(3, 2, 2), is body, axis, (position, velocity).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.games.game import Array, Outcome, Step
from benchmark.games.pong import Advanced, Float, Pong, _expect
from benchmark.games.pong_kernel import (
    BAT_CENTRE,
    BAT_SPEED,
    CORE_X,
    CORE_Y,
    DAMPING,
    DT,
    EFFECTIVE,
    ENDINGS,
    EVENT_LEFT,
    EVENT_NONE,
    EVENT_RIGHT,
    EVENT_SLOW,
    GOAL_X,
    HIT_REWARD,
    INV_BALL,
    INV_BAT,
    LIMIT_PULL,
    MOTOR_GAIN,
    MOTOR_STEP,
    PUSH_OUT,
    RALLY_LIMIT,
    RALLY_TIMEOUT,
    RANGE_X,
    RANGE_Y,
    RESTITUTION,
    SUBSTEPS,
    SWEEPS,
    TOUCH,
    WALL_Y,
)
from benchmark.seeding import STREAM_SERVE, EpisodeSeeds, Seeds, uniforms

Int = NDArray[np.int64]
Mask = NDArray[np.bool_]

BALL = 2
CENTRES = np.array([[-BAT_CENTRE, 0.0], [BAT_CENTRE, 0.0]])  # (2 bats, 2 axes)
CORE, RANGE = np.array([CORE_X, CORE_Y]), np.array([RANGE_X, RANGE_Y])
# What the 12 columns of a state are divided by in an observation, and how the right player
# sees them: its own bat first, everything along x negated.
_BAT_SCALE = (RANGE_X, 2.0, RANGE_Y, 2.0)
SCALE = np.array([*_BAT_SCALE, *_BAT_SCALE, 2.0, 2.0, RANGE_Y, 2.0])
MIRROR = np.tile([-1.0, -1.0, 1.0, 1.0], 3)
SWAPPED = np.array([4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11])


class Contact(NamedTuple):
    """Where the ball stands to a bat: normal (N, 2) from bat to ball, depth (N,) > 0 in touch."""

    normal: Float
    depth: Float


def advance(
    state: Float,
    timeout: NDArray[Any],
    timeout_dir: NDArray[Any],
    bounces: NDArray[Any],
    left_action: Float,
    right_action: Float,
) -> Advanced:
    """Twin of `pong.advance`, which documents the arguments, the result and the errors."""
    state = np.asarray(state, dtype=np.float64)
    rows = len(state)
    counters = [np.asarray(c, dtype=np.int64) for c in (timeout, timeout_dir, bounces)]
    _expect("state", state, (rows, 12))
    for name, counter in zip(("timeout", "timeout_dir", "bounces"), counters, strict=True):
        _expect(name, counter, (rows,))
    actions = np.asarray(left_action), np.asarray(right_action)
    _expect("left_action", actions[0], (rows, 2))
    _expect("right_action", actions[1], (rows, 2))
    ahead, _ = _advance(state, counters[0], counters[1], counters[2], *actions)
    return ahead


def _advance(
    state: Float,
    timeout: Int,
    direction: Int,
    bounces: Int,
    left: NDArray[Any],
    right: NDArray[Any],
) -> tuple[Advanced, Int]:
    """One step ahead, and who hit the ball in it: (N,) 0 nobody, 1 left, 2 right."""
    state = _move(state, _wanted(left, right))
    x, vx = state[:, 8], state[:, 9]
    hit = vx * direction < 0.0
    hitter = np.where(hit, np.where(direction > 0, 2, 1), 0)
    direction = np.where(hit, -direction, direction)
    timeout = np.where(hit, RALLY_TIMEOUT, timeout - 1)
    event = np.select(
        [x > GOAL_X, x < -GOAL_X, timeout <= 0], [EVENT_LEFT, EVENT_RIGHT, EVENT_SLOW], EVENT_NONE
    )
    direction = np.select([event == EVENT_LEFT, event == EVENT_RIGHT], [-1, 1], direction)
    over = event != EVENT_NONE
    timeout = np.where(over, RALLY_TIMEOUT, timeout)
    bounces = np.where(over, 0, bounces + hit)
    return Advanced(state, timeout, direction, bounces, event), hitter


def _wanted(left: NDArray[Any], right: NDArray[Any]) -> Float:
    """The bats' target velocities (N, 2 bats, 2 axes) of both players' actions, each (N, 2)."""
    actions = np.stack([left, right], axis=1).astype(np.float64)
    wanted = BAT_SPEED * _clip(actions, -1.0, 1.0)
    wanted[:, 1, 0] *= -1.0  # the right player sees x mirrored
    return wanted


def _move(state: Float, wanted: Float) -> Float:
    """The state (N, 12) after a step's substeps, a wall met on the step before seen first."""
    bodies = state.reshape(-1, 3, 2, 2)
    at, speed = bodies[..., 0].copy(), bodies[..., 1].copy()
    y, vy = at[:, BALL, 1], speed[:, BALL, 1]
    speed[:, BALL, 1] = np.where((np.abs(y) > WALL_Y) & (y * vy > 0.0), -vy, vy)
    for _ in range(SUBSTEPS):
        speed *= (1.0 - DT * DAMPING * (1.0 + _length(speed)))[..., None]
        aim = speed[:, :BALL] + MOTOR_GAIN * (wanted - speed[:, :BALL])
        for bat in (0, 1):
            gap = at[:, BALL] - (CENTRES[bat] + at[:, bat])
            speed[:, bat], speed[:, BALL] = _solve(
                at[:, bat], gap, speed[:, bat], speed[:, BALL], aim[:, bat]
            )
        at = at + DT * speed
    return np.stack([at, speed], axis=-1).reshape(-1, 12)


def _solve(at: Float, gap: Float, bat: Float, ball: Float, aim: Float) -> tuple[Float, Float]:
    """Velocities of a bat and the ball after motors, range limits and contact, each (N, 2).

    at: the bat from its centre; gap: the ball from the bat; bat, ball: velocities, damped
    already; aim: the bat velocity that the motors aim at; each (N, 2).
    """
    over = np.abs(at) - RANGE
    alone = (np.abs(gap) >= CORE + TOUCH).any(axis=1) & (over <= 0.0).all(axis=1)
    by_motor = bat + _clip(aim - bat, -MOTOR_STEP, MOTOR_STEP)
    side = np.where(at > 0.0, 1.0, -1.0)
    with np.errstate(all="ignore"):  # rows that are alone are computed too, and dropped
        swept_bat, swept_ball = _sweeps(bat, ball, aim, over, side, _contact(gap))
    free = alone[:, None]
    return np.where(free, by_motor, swept_bat), np.where(free, ball, swept_ball)


def _contact(gap: Float) -> Contact:
    """The ball, gap (N, 2) from a bat's centre, against the bat's rounded rectangle."""
    offset = gap - _clip(gap, -CORE, CORE)
    distance = _length(offset)
    inside = ~(distance > 0.0)
    room = CORE - np.abs(gap)  # to the faces, for a centre inside the core
    face = np.where(room[:, 0] <= room[:, 1], 0, 1)
    outward = np.where(gap >= 0.0, 1.0, -1.0)
    by_face = np.where(np.arange(2) == face[:, None], outward, 0.0)
    normal = np.where(inside[:, None], by_face, offset / distance[:, None])
    depth = TOUCH - distance
    return Contact(normal, np.where(inside, depth + _pick(room, face), depth))


def _sweeps(
    bat: Float, ball: Float, aim: Float, over: Float, side: Float, contact: Contact
) -> tuple[Float, Float]:
    """Sequential impulses over motors, range limits, normal and friction: bat and ball (N, 2).

    over: by how much the bat is past its range; side: on which side of its centre; each (N, 2).
    """
    normal, depth = contact
    tangent = np.stack([-normal[:, 1], normal[:, 0]], axis=1)
    touch, past = depth > 0.0, over > 0.0
    leave = RESTITUTION * _positive(_dot(bat - ball, normal)) + PUSH_OUT * depth / DT
    motor, stop = np.zeros_like(bat), np.zeros_like(bat)
    push, rub = np.zeros_like(depth), np.zeros_like(depth)
    for _ in range(SWEEPS):
        total = _clip(motor + aim - bat, -MOTOR_STEP, MOTOR_STEP)
        bat, motor = bat + (total - motor), total
        total = _positive(stop + side * bat + LIMIT_PULL * over / DT)
        bat, stop = np.where(past, bat - side * (total - stop), bat), total
        total = _positive(push + (leave - _dot(ball - bat, normal)) * EFFECTIVE)
        bat, ball = _exchange(bat, ball, total - push, normal, touch)
        push = total
        total = _clip(rub - _dot(ball - bat, tangent) * EFFECTIVE, -push, push)
        bat, ball = _exchange(bat, ball, total - rub, tangent, touch)
        rub = total
    return bat, ball


def _exchange(
    bat: Float, ball: Float, impulse: Float, along: Float, touch: Mask
) -> tuple[Float, Float]:
    """Velocities after an impulse (N,) on the ball along a direction (N, 2), where they touch."""
    pushed_ball = ball + (impulse * INV_BALL)[:, None] * along
    pushed_bat = bat - (impulse * INV_BAT)[:, None] * along
    touching = touch[:, None]
    return np.where(touching, pushed_bat, bat), np.where(touching, pushed_ball, ball)


def serve(seeds: Seeds) -> tuple[Float, Int]:
    """States (N, 12) and ways of the ball (N,) at the start of the episodes of seeds (N,)."""
    draws = uniforms(seeds, STREAM_SERVE, np.uint64(0), 4)
    direction = np.where(draws[:, 0] < 0.5, 1, -1)
    state = np.zeros((len(seeds), 12))
    state[:, 9] = direction * (2.0 + 0.5 * draws[:, 1])
    state[:, 10] = -0.9 + 1.8 * draws[:, 2]
    state[:, 11] = -2.0 + 4.0 * draws[:, 3]
    return state, direction


def observe(state: Float, timeout: Int) -> tuple[Array, Array]:
    """What the left and the right player see: each (N, 13) float32."""
    clock = (timeout - RALLY_TIMEOUT) / float(RALLY_TIMEOUT)
    left = np.column_stack([state / SCALE, clock])
    right = np.column_stack([MIRROR * state[:, SWAPPED] / SCALE, clock])
    return left.astype(np.float32), right.astype(np.float32)


def judge(
    event: Int, way: Int, hits: Int, steps: Int, slow_is_loss: bool
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """(outcome, ending), each (N,) int8; way: where the ball was going, hits: of the rally."""
    left, right, tie = Outcome.SEAT_0, Outcome.SEAT_1, Outcome.TIE
    slow, late = event == EVENT_SLOW, (event == EVENT_NONE) & (steps >= RALLY_LIMIT)
    nobody = (hits == 0) | (not slow_is_loss)  # to blame, or the original rule
    last_hitter_loses = np.where(nobody, tie, np.where(way > 0, right, left))
    outcome = np.select(
        [event == EVENT_LEFT, event == EVENT_RIGHT, slow, late],
        [left, right, last_hitter_loses, tie],
        Outcome.RUNNING,
    )
    scored = np.where(hits > 0, ENDINGS.index("point"), ENDINGS.index("serve_miss"))
    ending = np.select(
        [slow, late, event != EVENT_NONE],
        [ENDINGS.index("slow_ball"), ENDINGS.index("rally_limit"), scored],
        0,
    )
    return outcome.astype(np.int8), ending.astype(np.int8)


class PongTwin(Pong):
    """`Pong` with its rules in NumPy; card, checkpoints and interface are Pong's own."""

    def reset(self, seeds: EpisodeSeeds) -> tuple[Array, Array]:
        everyone = np.arange(self.matches)
        self._seeds = seeds
        self.episode_seed = seeds.next(everyone)
        self._next_seed = seeds.next(everyone)
        self._start(everyone)
        return self._observe_all()

    def step(self, actions: tuple[Array, Array]) -> Step:
        ahead, hitter = _advance(
            self._state, self._timeout, self._direction, self._bounces, *actions
        )
        hit = hitter > 0
        way = np.where(hit, -self._direction, self._direction)
        hits, steps = self._bounces + hit, self.episode_step + 1
        outcome, ending = judge(ahead.event, way, hits, steps, self._slow_is_loss)
        self._state, self._timeout, self._direction, self._bounces, _ = ahead
        self.episode_step = steps
        finished = np.flatnonzero(outcome)
        left, right = self._observe_all()
        finals = (left[finished], right[finished])
        dense = self._hit_rewards(ahead.state, hitter)
        self.episode_seed[finished] = self._next_seed[finished]
        self._start(finished)
        if len(finished):
            self._next_seed[finished] = self._seeds.next(finished)
        return Step(self._observe_all(), outcome, ending, dense, finished, finals)

    def _start(self, rows: NDArray[np.intp]) -> None:
        """Begin the episodes of `episode_seed` in these rows."""
        self._state[rows], self._direction[rows] = serve(self.episode_seed[rows])
        self._timeout[rows] = RALLY_TIMEOUT
        self._bounces[rows] = self.episode_step[rows] = 0

    def _hit_rewards(self, state: Float, hitter: Int) -> Array:
        """The game's own shaping reward (N, 2): for the one who hit, by the ball's speed in x."""
        reward = HIT_REWARD * np.abs(state[:, 9])
        return np.where(hitter[:, None] == (1, 2), reward[:, None], 0.0).astype(np.float32)

    def _observe_all(self) -> tuple[Array, Array]:
        return observe(self._state, self._timeout)


def _clip(value: Float, low: Float | float, high: Float | float) -> Float:
    """`min(max(value, low), high)` as the kernel's compiler reads it: ties keep the value."""
    raised = np.where(low > value, low, value)
    return np.where(high < raised, high, raised)


def _positive(value: Float) -> Float:
    """`max(value, 0.0)`, a zero keeping its sign."""
    return np.where(value < 0.0, 0.0, value)


def _dot(a: Float, b: Float) -> Float:
    """Inner products (N,) of the rows of two (N, 2) arrays."""
    return np.asarray(a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1])


def _length(vectors: Float) -> Float:
    """Euclidean lengths (...,) of vectors (..., 2)."""
    return np.sqrt(vectors[..., 0] * vectors[..., 0] + vectors[..., 1] * vectors[..., 1])


def _pick(values: Float, column: NDArray[np.intp]) -> Float:
    """values[i, column[i]] of every row: (N,)."""
    return np.asarray(values[np.arange(len(values)), column])
