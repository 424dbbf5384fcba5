"""Pong against the real engine.

`data/pong_excerpt.npz` is cut from a recording of Roboschool's Pong (Bullet): stretches of five
episodes, row by row. state (R, 12), the counters and `event` as before or in the step, actions
(R, 2), `episode` and `step` (R,) to find neighbours by; `obs` (K, 2, 13) of the rows `obs_row`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from benchmark.games import pong, pong_kernel
from tests.games.pong_states import ADVANCES, BALL_VX

DATA = Path(__file__).parent / "data" / "pong_excerpt.npz"


class Pairs(NamedTuple):
    """Neighbouring rows of the recording: the row before, the row after, where a bat hit."""

    before: np.ndarray
    after: np.ndarray
    hit: np.ndarray


@pytest.fixture(scope="module")
def recording() -> dict[str, np.ndarray]:
    with np.load(DATA) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def pairs(recording) -> Pairs:
    """Pairs one step apart, the row before them known not to have ended a point."""
    row = np.arange(1, len(recording["step"]) - 1)
    whole = np.ones(len(row), dtype=bool)
    for offset in (-1, 1):  # the first row of a stretch has nothing before it
        whole &= recording["episode"][row + offset] == recording["episode"][row]
        whole &= recording["step"][row + offset] == recording["step"][row] + offset
    row = row[whole & (recording["event"][row - 1] == 0)]
    hit = recording["bounces"][row + 1] > recording["bounces"][row]
    return Pairs(row, row + 1, hit)


def predict(recording: dict[str, np.ndarray], rows: np.ndarray, advance: Any) -> pong.Advanced:
    """One step ahead of recorded rows."""
    names = ("state", "timeout", "timeout_dir", "bounces", "left_action", "right_action")
    return advance(*(recording[name][rows] for name in names))


def test_excerpt_has_what_the_golden_test_needs(recording, pairs):
    assert DATA.stat().st_size < 200_000
    assert all(array.dtype in (np.float32, np.int16) for array in recording.values())
    assert len(pairs.before) > 1500
    assert pairs.hit.sum() > 60
    assert set(recording["event"][pairs.before]) == {0, 1, 2, 3}


@pytest.mark.parametrize("advance", ADVANCES)
def test_ball_leaves_a_bat_as_in_the_real_engine(recording, pairs, advance):
    ahead = predict(recording, pairs.before, advance)
    error = np.abs(ahead.state - recording["state"][pairs.after])[pairs.hit, BALL_VX]
    assert np.median(error) < 1e-3
    assert np.quantile(error, 0.9) < 5e-3


@pytest.mark.parametrize("advance", ADVANCES)
def test_everything_else_moves_as_in_the_real_engine(recording, pairs, advance):
    ahead = predict(recording, pairs.before, advance)
    error = np.abs(ahead.state - recording["state"][pairs.after])
    error[pairs.hit, BALL_VX] = 0.0
    assert np.median(error, axis=0).max() < 1e-5
    assert np.quantile(error, 0.75, axis=0).max() < 1e-5  # the rest: bats at their limits
    assert np.quantile(error[~pairs.hit, 8:], 0.99, axis=0).max() < 1e-5  # the ball in flight


@pytest.mark.parametrize("advance", ADVANCES)
def test_points_end_when_they_did_in_the_real_engine(recording, pairs, advance):
    ahead = predict(recording, pairs.before, advance)
    assert np.array_equal(ahead.event, recording["event"][pairs.before])


def test_counters_run_as_in_the_real_engine(recording, pairs):
    ahead = predict(recording, pairs.before, pong.advance)
    for name in ("timeout", "timeout_dir", "bounces"):
        same = getattr(ahead, name) == recording[name][pairs.after]
        assert (~same).sum() <= 1, name  # one grazing corner hit is missed: reference/games.md


def test_players_see_what_they_saw_in_the_real_engine(recording):
    rows = recording["obs_row"]
    state = recording["state"][rows].astype(np.float64)
    timeout = recording["timeout"][rows].astype(np.int64)
    left, right = (np.zeros((len(rows), 13), dtype=np.float32) for _ in range(2))
    for i in range(len(rows)):
        pong_kernel.observe(state, i, timeout[i], left, right, i)
    assert np.abs(np.stack([left, right], axis=1) - recording["obs"]).max() < 1e-6
