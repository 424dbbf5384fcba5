"""The rules of Pong as compiled loops over a batch of matches; `pong.py` says whose they are.

A state row is (position, velocity) of: left bat x, left bat y, right bat x, right bat y, ball x,
ball y: bats in metres from their own centres, the ball in metres from the middle of the table.
All compiled functions are in this one file: numba's cache of each knows its own file only.
"""

from __future__ import annotations

import math
from typing import Any

from benchmark.games.game import Outcome
from benchmark.seeding import jit

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

INV_BAT, INV_BALL = 1.0 / BAT_MASS, 1.0 / BALL_MASS
EFFECTIVE = 1.0 / (INV_BAT + INV_BALL)
_LEFT, _RIGHT, _TIE = int(Outcome.SEAT_0), int(Outcome.SEAT_1), int(Outcome.TIE)


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
            total = max(push + (leave - speed) * EFFECTIVE, 0.0)
            impulse = total - push
            push = total
            vx += impulse * INV_BALL * nx
            vy += impulse * INV_BALL * ny
            ux -= impulse * INV_BAT * nx
            uy -= impulse * INV_BAT * ny
            slide = (vy - uy) * nx - (vx - ux) * ny
            total = _clip(rub - slide * EFFECTIVE, -push, push)
            impulse = total - rub
            rub = total
            vx -= impulse * INV_BALL * ny
            vy += impulse * INV_BALL * nx
            ux += impulse * INV_BAT * ny
            uy -= impulse * INV_BAT * nx
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
def advance_all(
    state: Any, timeout: Any, direction: Any, bounces: Any, left: Any, right: Any, event: Any
) -> None:
    for i in range(state.shape[0]):
        timeout[i], direction[i], bounces[i], event[i], _ = _advance_row(
            state, i, timeout[i], direction[i], bounces[i], left, right
        )


@jit
def serve(s: Any, i: int, draws: Any) -> int:
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
def observe(s: Any, i: int, timeout: int, left: Any, right: Any, row: int) -> None:
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
def step_matches(
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
            observe(state, i, timeout[i], obs_left, obs_right, i)
            continue
        if event == EVENT_NONE:
            outcome[i], ending[i] = _TIE, _LIMIT
        else:
            outcome[i], ending[i] = _judge(event, way, hits, slow_is_loss)
        observe(state, i, timeout[i], final_left, final_right, finished)
        finished += 1
        seed[i] = next_seed[i]
        direction[i] = serve(state, i, next_serve)
        timeout[i], bounces[i], steps[i] = RALLY_TIMEOUT, 0, 0
        observe(state, i, timeout[i], obs_left, obs_right, i)
    return finished
