"""Rules of Run To Goal, of humans and of ants: who arrives, dead heats, both down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmark.games.game import Outcome
from benchmark.games.run_to_goal_ants import RunToGoalAnts
from benchmark.games.run_to_goal_humans import RunToGoalHumans
from tests.games.duels import begin, ended, idle, lie, root, settle, still, verdict

LEFT, RIGHT = 0, 1
DOWN = {RunToGoalHumans: 0.8, RunToGoalAnts: 0.28}
every_body = pytest.mark.parametrize("kind", DOWN)
RUNNING = (Outcome.RUNNING, "")
LEFT_WINS, RIGHT_WINS = (Outcome.SEAT_0, "goal"), (Outcome.SEAT_1, "goal")
HEAT, BOTH_DOWN = (Outcome.TIE, "dead_heat"), (Outcome.TIE, "both_down")
TIMEOUT = (Outcome.TIE, "timeout")
PAST = float(np.nextafter(4.0, 5.0))


def standing(
    kind: Any, *, x: tuple[float, float] = (-1.0, 1.0), down: tuple[float, float] = (1.0, 1.0),
    step: int = 100,
) -> Any:  # fmt: skip
    """A match as it stands: both centres, both heights above the height of one that is down."""
    game = begin(kind)
    game.x[0] = x
    for seat in (LEFT, RIGHT):
        game.qpos[0, root(game, seat) + 2] = DOWN[kind] + down[seat]
    game.episode_step[0] = step
    return game


LOW = -1e-9
"""Just below the height of one that is down."""


@every_body
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, RUNNING),
        ({"x": (4.0, 0.0)}, RUNNING),
        ({"x": (PAST, 0.0)}, LEFT_WINS),
        ({"x": (0.0, -4.0)}, RUNNING),
        ({"x": (0.0, -PAST)}, RIGHT_WINS),
        ({"x": (-5.0, 5.0)}, RUNNING),  # both behind their own lines
        ({"x": (5.0, -5.0)}, HEAT),
        ({"down": (LOW, 1.0)}, RUNNING),  # one that is down may get up
        ({"down": (1.0, LOW)}, RUNNING),
        ({"down": (LOW, 0.0)}, RUNNING),
        ({"down": (0.0, LOW)}, RUNNING),
        ({"down": (LOW, LOW)}, BOTH_DOWN),
        ({"step": 499}, RUNNING),
        ({"step": 500}, TIMEOUT),
        ({"x": (5.0, 0.0), "down": (LOW, LOW)}, LEFT_WINS),
        ({"x": (0.0, -5.0), "down": (LOW, LOW)}, RIGHT_WINS),
        ({"x": (5.0, 0.0), "step": 500}, LEFT_WINS),
        ({"x": (0.0, -5.0), "step": 500}, RIGHT_WINS),
        ({"x": (5.0, -5.0), "down": (LOW, LOW), "step": 500}, HEAT),
        ({"down": (LOW, LOW), "step": 500}, BOTH_DOWN),
    ],
)
def test_who_wins_and_how(kind, fields, expected):
    assert verdict(standing(kind, **fields)) == expected


@every_body
def test_every_ending_is_reached_by_playing(kind):
    """Rows: left arrives, right arrives, both, both down, time out, and one that goes on."""
    game = begin(kind, 6)
    still(game)
    left, right = root(game, LEFT), root(game, RIGHT)
    game.qpos[[0, 2], left] = 4.3
    game.qpos[[1, 2], right] = -4.3
    for seat in (LEFT, RIGHT):
        lie(game, seat, 0.2 if kind is RunToGoalHumans else 0.25, 3)
    game.episode_step[4] = 499
    step = game.step(idle(game))
    expected = [LEFT_WINS, RIGHT_WINS, HEAT, BOTH_DOWN, TIMEOUT]
    assert [ended(step, game, row) for row in range(5)] == expected
    assert step.outcome[5] == Outcome.RUNNING


@every_body
def test_either_is_paid_for_moving_towards_its_own_goal(kind):
    """Pushed to the right at 1 m/s, the left runner gains by what the right one loses."""
    game = begin(kind, 3)
    still(game)
    for part in game.scene.parts:
        game.qvel[:, part.qvel.start] = [-1.0, 0.0, 1.0]
    settle(game)
    dense = game.step(idle(game)).dense
    back, forth = dense[0] - dense[1], dense[2] - dense[1]
    whole = 1.0 if kind is RunToGoalAnts else 0.25 * 5.0  # a humanoid's step by one substep
    assert np.allclose(forth, [whole, -whole], atol=0.25 * whole)
    assert np.allclose(back, [-whole, whole], atol=0.25 * whole)


def test_the_ants_step_is_the_longer_one():
    """A second of their match is 20 steps, of the humans' 66.7."""
    for kind, seconds in ((RunToGoalAnts, 0.05), (RunToGoalHumans, 0.015)):
        game = begin(kind)
        still(game)
        game.qpos[0, root(game, LEFT) + 2] = 3.0
        game.qvel[0, game.scene.parts[LEFT].qvel.start] = 1.0
        before = game.qpos[0, root(game, LEFT)]
        game.step(idle(game))
        assert abs(game.qpos[0, root(game, LEFT)] - before - seconds) < 0.1 * seconds
        assert np.isclose(game.batch.bind("time")[0], seconds)


def test_the_two_runners_are_different_seats():
    for kind, down_z in DOWN.items():
        card = kind.describe()
        assert (card.symmetric, card.adversary_seat) == (False, "right")
        assert [seat.name for seat in card.seats] == ["left", "right"]
        assert f"below {down_z:g} m" in card.rules
