"""What tests of Pong share: its two kernels, states to put them to, and a player."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.games import pong, pong_kernel
from benchmark.games.pong import Pong
from tests.games import pong_twin
from tests.games.pong_twin import PongTwin

BALL_VX = 9
"""The column of a state that is the ball's speed along x."""
ADVANCES = [pong.advance, pong_twin.advance]
GAMES = [Pong, PongTwin]
EDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    pong_kernel.RANGE_X,
    -pong_kernel.RANGE_X,
    pong_kernel.RANGE_Y,
    -pong_kernel.RANGE_Y,
]


def crowded_states(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Random states (rows, 12), most with the ball at a bat, some bats at their limits."""
    state = rng.normal(size=(rows, 12)) * np.tile([0.2, 4.0, 0.8, 4.0], 3)
    bat, row = np.where(rng.random(rows) < 0.5, 0, 4), np.arange(rows)
    centre = np.where(bat == 0, -pong_kernel.BAT_CENTRE, pong_kernel.BAT_CENTRE)
    state[:, 8] = centre + state[row, bat] + rng.uniform(-0.06, 0.06, rows)
    state[:, 10] = state[row, bat + 2] + rng.uniform(-0.18, 0.18, rows)
    edge = rng.random((rows, 12)) < 0.05
    state[edge] = rng.choice(EDGES, edge.sum())
    return state


def chase(obs: np.ndarray, gain: float) -> np.ndarray:
    """Actions (N, 2) after the ball; sums and products only, which no batch size rounds anew."""
    return np.stack([obs[:, 9], np.float32(gain) * (obs[:, 10] - obs[:, 2])], axis=1)


def assert_same_bits(a: Any, b: Any) -> None:
    """Two arrays, or tuples of them, equal in dtype, shape and every bit."""
    if isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same_bits(x, y)
        return
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    assert np.array_equal(a, b)
    assert a.tobytes() == b.tobytes()
