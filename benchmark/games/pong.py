"""Two-player Pong after OpenAI's Roboschool, as identified from recordings of the real engine.

Bodies, constants and the order of a step were measured against the original (Bullet) game; the
golden test holds this port against an excerpt of that recording, one step ahead. One match is
one point. `pong_twin.py` is the same rules in plain NumPy, equal bit for bit.

A state row is (position, velocity) of: left bat x, left bat y, right bat x, right bat y, ball x,
ball y: bats in metres from their own centres, the ball in metres from the middle of the table.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from benchmark.games.game import (
    Array,
    Game,
    GameCard,
    Outcome,
    SeatCard,
    Step,
    check_actions,
)
from benchmark.seeding import STREAM_SERVE, EpisodeSeeds, Seeds, jit, uniforms

Float = NDArray[np.float64]

SUBSTEPS = 4
DT = 0.0165 / SUBSTEPS  # s
BAT_MASS, BALL_MASS = 0.848, 0.0654  # kg
BAT_SPEED = 3.0  # m/s at full action
BAT_CENTRE = 1.3  # m from the middle, left and right
RANGE_X, RANGE_Y = 0.3, 1.1  # m a bat may slide about its centre
MOTOR_GAIN = 0.05
MOTOR_STEP = 28.0 * DT / BAT_MASS  # m/s: what a motor of 28 N changes in a substep
DAMPING = 0.04  # 1/s, once linear and once times the speed
CORE_X, CORE_Y = 0.027, 0.147  # m, half-sizes of the bat without its rounding
TOUCH = 0.025 + 0.003 - 1.05e-5  # m: ball radius plus rounding, less the engine's slop
RESTITUTION = 0.25
PUSH_OUT = 0.9  # share of a penetration undone in a substep; of a range overshoot: LIMIT_PULL
LIMIT_PULL = 0.2
SWEEPS = 5
WALL_Y, GOAL_X = 1.0, 1.65  # m
RALLY_TIMEOUT = 150  # steps without a hit
HIT_REWARD = 0.01  # per m/s of ball speed along x
RALLY_LIMIT = 6000  # steps; the original never ends, an evaluation must

EVENT_NONE, EVENT_LEFT, EVENT_RIGHT, EVENT_SLOW = 0, 1, 2, 3
ENDINGS = ("point", "serve_miss", "slow_ball", "rally_limit")
_POINT, _SERVE_MISS, _SLOW, _LIMIT = range(4)
OBS_DIM, ACT_DIM = 13, 2

_INV_BAT, _INV_BALL = 1.0 / BAT_MASS, 1.0 / BALL_MASS
_EFFECTIVE = 1.0 / (_INV_BAT + _INV_BALL)
_LEFT, _RIGHT, _TIE = int(Outcome.SEAT_0), int(Outcome.SEAT_1), int(Outcome.TIE)


class Advanced(NamedTuple):
    """One step ahead, before any re-serve: state (N, 12), the counters (N,) and the event (N,)."""

    state: Float
    timeout: NDArray[np.int64]
    timeout_dir: NDArray[np.int64]
    bounces: NDArray[np.int64]
    event: NDArray[np.int64]


@jit
def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@jit
def _contact(dx: float, dy: float) -> tuple[float, float, float]:
    """Normal (x, y) from bat to ball and depth of their overlap, for the ball at (dx, dy)."""
    nx = dx - _clip(dx, -CORE_X, CORE_X)
    ny = dy - _clip(dy, -CORE_Y, CORE_Y)
    distance = math.sqrt(nx * nx + ny * ny)
    if distance > 0.0:
        return nx / distance, ny / distance, TOUCH - distance
    deep_x, deep_y = CORE_X - abs(dx), CORE_Y - abs(dy)
    if deep_x <= deep_y:  # the ball's centre is inside the bat: out by the nearer face
        return (1.0 if dx >= 0.0 else -1.0), 0.0, TOUCH + deep_x
    return 0.0, (1.0 if dy >= 0.0 else -1.0), TOUCH + deep_y


@jit
def _solve(bat: Any, ball: Any, want_x: float, want_y: float, centre: float) -> tuple[float, ...]:
    """Velocities of bat and ball after motors, range limits and contact, by impulse sweeps.

    bat, ball: (x, vx, y, vy), damped already. want: bat velocity that its motors aim at.
    """
    px, ux, py, uy = bat
    x, vx, y, vy = ball
    over_x, over_y = abs(px) - RANGE_X, abs(py) - RANGE_Y
    dx, dy = x - (centre + px), y - py
    apart = abs(dx) >= CORE_X + TOUCH or abs(dy) >= CORE_Y + TOUCH
    if apart and over_x <= 0.0 and over_y <= 0.0:  # nothing but the motors acts
        ux += _clip(want_x - ux, -MOTOR_STEP, MOTOR_STEP)
        uy += _clip(want_y - uy, -MOTOR_STEP, MOTOR_STEP)
        return ux, uy, vx, vy
    nx, ny, depth = _contact(dx, dy)
    approach = (ux - vx) * nx + (uy - vy) * ny
    leave = RESTITUTION * max(approach, 0.0) + PUSH_OUT * depth / DT
    side_x = 1.0 if px > 0.0 else -1.0
    side_y = 1.0 if py > 0.0 else -1.0
    motor_x = motor_y = stop_x = stop_y = push = rub = 0.0
    for _ in range(SWEEPS):
        total = _clip(motor_x + want_x - ux, -MOTOR_STEP, MOTOR_STEP)
        ux += total - motor_x
        motor_x = total
        total = _clip(motor_y + want_y - uy, -MOTOR_STEP, MOTOR_STEP)
        uy += total - motor_y
        motor_y = total
        if over_x > 0.0:
            total = max(stop_x + side_x * ux + LIMIT_PULL * over_x / DT, 0.0)
            ux -= side_x * (total - stop_x)
            stop_x = total
        if over_y > 0.0:
            total = max(stop_y + side_y * uy + LIMIT_PULL * over_y / DT, 0.0)
            uy -= side_y * (total - stop_y)
            stop_y = total
        if depth > 0.0:
            speed = (vx - ux) * nx + (vy - uy) * ny
            total = max(push + (leave - speed) * _EFFECTIVE, 0.0)
            impulse = total - push
            push = total
            vx += impulse * _INV_BALL * nx
            vy += impulse * _INV_BALL * ny
            ux -= impulse * _INV_BAT * nx
            uy -= impulse * _INV_BAT * ny
            slide = (vy - uy) * nx - (vx - ux) * ny
            total = _clip(rub - slide * _EFFECTIVE, -push, push)
            impulse = total - rub
            rub = total
            vx -= impulse * _INV_BALL * ny
            vy += impulse * _INV_BALL * nx
            ux += impulse * _INV_BAT * ny
            uy -= impulse * _INV_BAT * nx
    return ux, uy, vx, vy


@jit
def _damp(v: float, w: float) -> float:
    return 1.0 - DT * DAMPING * (1.0 + math.sqrt(v * v + w * w))


@jit
def _substeps(s: Any, i: int, want: tuple[float, float, float, float]) -> None:
    """Advance row i of the states (N, 12) in place; want: the bats' target velocities."""
    lx, lu, ly, lw, rx, ru, ry, rw, x, u, y, w = (
        s[i, 0], s[i, 1], s[i, 2], s[i, 3], s[i, 4], s[i, 5],
        s[i, 6], s[i, 7], s[i, 8], s[i, 9], s[i, 10], s[i, 11],
    )  # fmt: skip
    if abs(y) > WALL_Y and y * w > 0.0:  # the wall met on the step before; seen only now
        w = -w
    for _ in range(SUBSTEPS):
        f = _damp(lu, lw)
        lu, lw = lu * f, lw * f
        f = _damp(ru, rw)
        ru, rw = ru * f, rw * f
        f = _damp(u, w)
        u, w = u * f, w * f
        aim_x, aim_y = lu + MOTOR_GAIN * (want[0] - lu), lw + MOTOR_GAIN * (want[1] - lw)
        lu, lw, u, w = _solve((lx, lu, ly, lw), (x, u, y, w), aim_x, aim_y, -BAT_CENTRE)
        aim_x, aim_y = ru + MOTOR_GAIN * (want[2] - ru), rw + MOTOR_GAIN * (want[3] - rw)
        ru, rw, u, w = _solve((rx, ru, ry, rw), (x, u, y, w), aim_x, aim_y, BAT_CENTRE)
        lx, ly, rx, ry = lx + DT * lu, ly + DT * lw, rx + DT * ru, ry + DT * rw
        x, y = x + DT * u, y + DT * w
    s[i, 0], s[i, 1], s[i, 2], s[i, 3], s[i, 4], s[i, 5] = lx, lu, ly, lw, rx, ru
    s[i, 6], s[i, 7], s[i, 8], s[i, 9], s[i, 10], s[i, 11] = ry, rw, x, u, y, w


@jit
def _advance_row(
    s: Any, i: int, timeout: int, direction: int, bounces: int, left: Any, right: Any
) -> Any:
    """One step of match i in place; returns (timeout, direction, bounces, event, hitter).

    hitter: 0 nobody, 1 left, 2 right. After an event the counters are those of the next rally.
    """
    want = (
        BAT_SPEED * _clip(left[i, 0], -1.0, 1.0),
        BAT_SPEED * _clip(left[i, 1], -1.0, 1.0),
        -BAT_SPEED * _clip(right[i, 0], -1.0, 1.0),  # the right player sees x mirrored
        BAT_SPEED * _clip(right[i, 1], -1.0, 1.0),
    )
    _substeps(s, i, want)
    hitter = 0
    if s[i, 9] * direction < 0.0:
        hitter = 2 if direction > 0 else 1
        direction = -direction
        timeout = RALLY_TIMEOUT
        bounces += 1
    else:
        timeout -= 1
    event = EVENT_NONE
    if s[i, 8] > GOAL_X:
        event = EVENT_LEFT
        direction = -1  # the scorer is served
    elif s[i, 8] < -GOAL_X:
        event = EVENT_RIGHT
        direction = 1
    elif timeout <= 0:
        event = EVENT_SLOW
    if event != EVENT_NONE:
        timeout, bounces = RALLY_TIMEOUT, 0
    return timeout, direction, bounces, event, hitter


@jit
def _advance_all(
    state: Any, timeout: Any, direction: Any, bounces: Any, left: Any, right: Any, event: Any
) -> None:
    for i in range(state.shape[0]):
        timeout[i], direction[i], bounces[i], event[i], _ = _advance_row(
            state, i, timeout[i], direction[i], bounces[i], left, right
        )


def advance(
    state: Float,
    timeout: NDArray[Any],
    timeout_dir: NDArray[Any],
    bounces: NDArray[Any],
    left_action: Float,
    right_action: Float,
) -> Advanced:
    """The rules, one step ahead, as a pure function: to hold them against the real engine.

    Args:
        state: (N, 12) float64, see the module's docstring; a wall met on the last step is not
            yet reflected in the ball's velocity (as in the engine's own observations).
        timeout: (N,) steps left until the ball counts as slow.
        timeout_dir: (N,) +1 where the ball travels to the right player, -1 to the left.
        bounces: (N,) hits of the rally so far.
        left_action, right_action: (N, 2) each in its player's own frame, clipped to [-1, 1].

    Returns:
        The next of each and the event of the step: 0 none, 1 left scored, 2 right scored, 3 slow
        ball. After an event the counters are the next rally's and the ball is not yet re-served.

    Raises:
        ValueError: a shape differs from the above.
    """
    state = np.array(state, dtype=np.float64, order="C")
    rows = len(state)
    _expect("state", state, (rows, 12))
    clock, way, hits = (np.array(c, dtype=np.int64) for c in (timeout, timeout_dir, bounces))
    for name, counter in (("timeout", clock), ("timeout_dir", way), ("bounces", hits)):
        _expect(name, counter, (rows,))
    left = np.ascontiguousarray(left_action, dtype=np.float64)
    right = np.ascontiguousarray(right_action, dtype=np.float64)
    _expect("left_action", left, (rows, 2))
    _expect("right_action", right, (rows, 2))
    event = np.zeros(rows, dtype=np.int64)
    _advance_all(state, clock, way, hits, left, right, event)
    return Advanced(state, clock, way, hits, event)


def _expect(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")


@jit
def _serve(s: Any, i: int, draws: Any) -> int:
    """Start match i: bats at their centres, ball in the middle; returns its way.

    draws: (N, 4) uniforms in [0, 1): direction, speed along x, place and speed along y.
    """
    for j in range(12):
        s[i, j] = 0.0
    direction = 1 if draws[i, 0] < 0.5 else -1
    s[i, 9] = direction * (2.0 + 0.5 * draws[i, 1])
    s[i, 10] = -0.9 + 1.8 * draws[i, 2]
    s[i, 11] = -2.0 + 4.0 * draws[i, 3]
    return direction


@jit
def _view(s: Any, i: int, own: int, flip: float, clock: float, view: Any, row: int) -> None:
    """One player's observation (13,) of match i; flip is -1 for the right one, who sees x so."""
    other = 4 - own
    view[row, 0] = flip * s[i, own] / RANGE_X
    view[row, 1] = flip * s[i, own + 1] * 0.5
    view[row, 2] = s[i, own + 2] / RANGE_Y
    view[row, 3] = s[i, own + 3] * 0.5
    view[row, 4] = flip * s[i, other] / RANGE_X
    view[row, 5] = flip * s[i, other + 1] * 0.5
    view[row, 6] = s[i, other + 2] / RANGE_Y
    view[row, 7] = s[i, other + 3] * 0.5
    view[row, 8] = flip * s[i, 8] * 0.5
    view[row, 9] = flip * s[i, 9] * 0.5
    view[row, 10] = s[i, 10] / RANGE_Y
    view[row, 11] = s[i, 11] * 0.5
    view[row, 12] = clock


@jit
def _observe(s: Any, i: int, timeout: int, left: Any, right: Any, row: int) -> None:
    """Write both players' observations of match i to a row of (N, 13) arrays."""
    clock = (timeout - RALLY_TIMEOUT) / float(RALLY_TIMEOUT)
    _view(s, i, 0, 1.0, clock, left, row)
    _view(s, i, 4, -1.0, clock, right, row)


@jit
def _judge(event: int, way: int, hits: int, slow_is_loss: bool) -> tuple[int, int]:
    """(outcome, ending) of an event; way: where the ball was going, hits: those of the rally."""
    if event == EVENT_SLOW:
        if hits == 0 or not slow_is_loss:  # nobody to blame, or the original rule
            return _TIE, _SLOW
        return (_RIGHT if way > 0 else _LEFT), _SLOW
    ending = _POINT if hits > 0 else _SERVE_MISS
    return (_LEFT if event == EVENT_LEFT else _RIGHT), ending


@jit
def _step_matches(
    state: Any, timeout: Any, direction: Any, bounces: Any, steps: Any,
    seed: Any, next_seed: Any,
    next_serve: Any, left: Any, right: Any, slow_is_loss: bool,
    obs_left: Any, obs_right: Any, final_left: Any, final_right: Any,
    outcome: Any, ending: Any, dense: Any,
) -> int:  # fmt: skip
    """One step of every match, restarting those that end; returns how many did."""
    finished = 0
    for i in range(state.shape[0]):
        way, hits = direction[i], bounces[i]
        timeout[i], direction[i], bounces[i], event, hitter = _advance_row(
            state, i, timeout[i], direction[i], bounces[i], left, right
        )
        steps[i] += 1
        if hitter > 0:
            way, hits = -way, hits + 1
            dense[i, hitter - 1] = HIT_REWARD * abs(state[i, 9])
        if event == EVENT_NONE and steps[i] < RALLY_LIMIT:
            _observe(state, i, timeout[i], obs_left, obs_right, i)
            continue
        if event == EVENT_NONE:
            outcome[i], ending[i] = _TIE, _LIMIT
        else:
            outcome[i], ending[i] = _judge(event, way, hits, slow_is_loss)
        _observe(state, i, timeout[i], final_left, final_right, finished)
        finished += 1
        seed[i] = next_seed[i]
        direction[i] = _serve(state, i, next_serve)
        timeout[i], bounces[i], steps[i] = RALLY_TIMEOUT, 0, 0
        _observe(state, i, timeout[i], obs_left, obs_right, i)
    return finished


RULES = (
    "One match is one point. The ball past a bat is a win for the other side, a serve that nobody "
    "touched included (counted apart as serve_miss). A ball that nobody has hit for 150 steps is "
    "slow: a loss for the player who hit it last (counted apart as slow_ball), a tie if nobody "
    "had; with slow_ball=tie every slow ball is a tie, as in the original. 6000 steps: a tie."
)


class PongOptions(BaseModel):
    """What `--set game.FIELD=VALUE` may change; part of the game's version in every record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slow_ball: Literal["loss", "tie"] = Field(
        default="loss", description="loss: for who hit it last; tie: the original rule"
    )


def make_card(options: PongOptions) -> GameCard:
    """The card of pong-v1 under these options."""
    seats = tuple(
        SeatCard(
            name=name, obs_dim=OBS_DIM, act_dim=ACT_DIM, act_bound=1.0,
            own_view=(0, 4), other_view=(4, 8), other_at_start=(0.0, 0.0, 0.0, 0.0),
        )
        for name in ("left", "right")
    )  # fmt: skip
    return GameCard(
        id="pong-v1",
        title="Pong",
        seats=(seats[0], seats[1]),
        adversary_seat="left",
        symmetric=True,
        rules=RULES,
        endings=ENDINGS,
        max_steps=RALLY_LIMIT,
        options=options.model_dump(),
        budgets={"smoke": 1_000_000, "lite": 2_000_000, "full": 8_000_000},
        training_speed=90_000,
    )


def serve_draws(seeds: Seeds) -> Float:
    """The four uniforms (N, 4) that an episode's seed gives to its serve."""
    return uniforms(seeds, STREAM_SERVE, np.uint64(0), 4)


class Pong(Game):
    """A batch of points between two bats; seat 0 is the left player, seat 1 the right."""

    Options = PongOptions

    def __init__(self, matches: int, options: PongOptions | None = None):
        options = options or PongOptions()
        self.card = make_card(options)
        self.matches = matches
        self._slow_is_loss = options.slow_ball == "loss"
        self._state = np.zeros((matches, 12))
        self._timeout = np.full(matches, RALLY_TIMEOUT, dtype=np.int64)
        self._direction = np.ones(matches, dtype=np.int64)
        self._bounces = np.zeros(matches, dtype=np.int64)
        self.episode_step = np.zeros(matches, dtype=np.int64)
        self.episode_seed = np.zeros(matches, dtype=np.uint64)
        self._next_seed = np.zeros(matches, dtype=np.uint64)

    @classmethod
    def describe(cls, options: BaseModel | None = None) -> GameCard:
        return make_card(PongOptions() if options is None else PongOptions.model_validate(options))

    def reset(self, seeds: EpisodeSeeds) -> tuple[Array, Array]:
        everyone = np.arange(self.matches)
        self._seeds = seeds
        self.episode_seed = seeds.next(everyone)
        draws = serve_draws(self.episode_seed)
        self._next_seed = seeds.next(everyone)
        self._next_serve = serve_draws(self._next_seed)
        self.episode_step[:] = self._bounces[:] = 0
        self._timeout[:] = RALLY_TIMEOUT
        for i in range(self.matches):
            self._direction[i] = _serve(self._state, i, draws)
        return self._observe_all()

    def step(self, actions: tuple[Array, Array]) -> Step:
        check_actions(self.card, self.matches, actions)
        rows = self.matches
        left, right, final_left, final_right = (
            np.empty((rows, OBS_DIM), dtype=np.float32) for _ in range(4)
        )
        outcome, ending = np.zeros(rows, dtype=np.int8), np.zeros(rows, dtype=np.int8)
        dense = np.zeros((rows, 2), dtype=np.float32)
        ended = _step_matches(
            self._state, self._timeout, self._direction, self._bounces, self.episode_step,
            self.episode_seed, self._next_seed, self._next_serve, *actions, self._slow_is_loss,
            left, right, final_left, final_right, outcome, ending, dense,
        )  # fmt: skip
        finished = np.flatnonzero(outcome)
        if ended:
            self._next_seed[finished] = self._seeds.next(finished)
            self._next_serve[finished] = serve_draws(self._next_seed[finished])
        finals = (final_left[:ended], final_right[:ended])
        return Step((left, right), outcome, ending, dense, finished, finals)

    def state(self) -> dict[str, NDArray[Any]]:
        return {
            "state": self._state.copy(),
            "timeout": self._timeout.copy(),
            "direction": self._direction.copy(),
            "bounces": self._bounces.copy(),
            "episode_step": self.episode_step.copy(),
            "episode_seed": self.episode_seed.copy(),
            "next_seed": self._next_seed.copy(),
        }

    def restore(self, state: dict[str, NDArray[Any]], seeds: EpisodeSeeds) -> tuple[Array, Array]:
        self._seeds = seeds
        self._state[:] = state["state"]
        self._timeout[:] = state["timeout"]
        self._direction[:] = state["direction"]
        self._bounces[:] = state["bounces"]
        self.episode_step[:] = state["episode_step"]
        self.episode_seed[:] = state["episode_seed"]
        self._next_seed[:] = state["next_seed"]
        self._next_serve = serve_draws(self._next_seed)
        return self._observe_all()

    def _observe_all(self) -> tuple[Array, Array]:
        left, right = (np.empty((self.matches, OBS_DIM), dtype=np.float32) for _ in range(2))
        for i in range(self.matches):
            _observe(self._state, i, self._timeout[i], left, right, i)
        return left, right
