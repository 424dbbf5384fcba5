"""Rules of You Shall Not Pass: who wins, by which ending, to the edge of every threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmark.games.game import Outcome
from benchmark.games.you_shall_not_pass import YouShallNotPass
from tests.games.duels import begin, ended, idle, lie, root, settle, still, verdict

BLOCKER, RUNNER = 0, 1
RUNNING = (Outcome.RUNNING, "")
GOAL = (Outcome.SEAT_1, "goal")
STOPPED, BOTH_DOWN = (Outcome.SEAT_0, "fall_blocker_up"), (Outcome.SEAT_0, "fall_blocker_down")
TIMEOUT = (Outcome.SEAT_0, "timeout")
BEYOND, HIGHER = np.nextafter(-4.0, -5.0), np.nextafter(0.3, 1.0)


def standing(*, x: float = 1.0, runner: float = 1.4, blocker: float = 1.4, step: int = 100) -> Any:
    """A match as it stands: the runner's centre, both torsos' heights, steps played."""
    game = begin(YouShallNotPass)
    game.x[0, RUNNER] = x
    game.qpos[0, root(game, RUNNER) + 2] = runner
    game.qpos[0, root(game, BLOCKER) + 2] = blocker
    game.episode_step[0] = step
    return game


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, RUNNING),
        ({"x": -4.0}, RUNNING),
        ({"x": BEYOND}, GOAL),
        ({"x": 4.5}, RUNNING),  # the wrong way
        ({"runner": HIGHER}, RUNNING),
        ({"runner": 0.3}, STOPPED),
        ({"runner": 0.3, "blocker": HIGHER}, STOPPED),
        ({"runner": 0.3, "blocker": 0.3}, BOTH_DOWN),
        ({"blocker": 0.1}, RUNNING),  # the blocker may lie on the floor
        ({"step": 499}, RUNNING),
        ({"step": 500}, TIMEOUT),
        ({"step": 500, "blocker": 0.1}, TIMEOUT),
        ({"x": BEYOND, "runner": 0.1}, GOAL),  # it dived across the line
        ({"x": BEYOND, "runner": 0.1, "blocker": 0.1}, GOAL),
        ({"x": BEYOND, "step": 500}, GOAL),
        ({"runner": 0.1, "step": 500}, STOPPED),
        ({"runner": 0.1, "blocker": 0.1, "step": 500}, BOTH_DOWN),
        ({"x": BEYOND, "runner": 0.1, "step": 500}, GOAL),
    ],
)
def test_who_wins_and_how(fields, expected):
    assert verdict(standing(**fields)) == expected


def test_every_ending_is_reached_by_playing():
    """The same by a step of physics: rows that cross, fall, fall together, and run out of time."""
    game = begin(YouShallNotPass, 5)
    still(game)
    game.qpos[0, root(game, RUNNER)] = -4.2
    for row, seats in ((1, (RUNNER,)), (2, (RUNNER, BLOCKER))):
        for seat in seats:
            lie(game, seat, 0.2, row)
    game.episode_step[3] = 499
    step = game.step(idle(game))
    assert [ended(step, game, row) for row in range(4)] == [GOAL, STOPPED, BOTH_DOWN, TIMEOUT]
    assert step.outcome[4] == Outcome.RUNNING
    assert game.episode_step.tolist() == [0, 0, 0, 0, 1]


def test_the_line_is_for_the_centre_of_mass_not_for_the_torso():
    """A runner whose torso is across while its legs trail behind has not arrived."""
    game = begin(YouShallNotPass, 2)
    still(game)
    lie(game, RUNNER, 2.0)
    first = root(game, RUNNER)
    game.batch.forward()
    lag = game._centres()[0, RUNNER] - game.qpos[0, first]
    assert lag > 0.1
    game.qpos[:, first] = -4.0 - lag + np.array([0.02, -0.02])
    step = game.step(idle(game))
    assert step.outcome.tolist() == [Outcome.RUNNING, Outcome.SEAT_1]


def test_no_ending_is_a_tie_and_the_adversary_is_the_blocker():
    card = YouShallNotPass.describe()
    assert (card.adversary_seat, card.seats[BLOCKER].name) == ("blocker", "blocker")
    assert not card.symmetric
    game = begin(YouShallNotPass, 300)
    rng = np.random.default_rng(0)
    game.x[:] = rng.choice([-5.0, 0.0, 5.0], game.x.shape)
    for seat in (BLOCKER, RUNNER):
        game.qpos[:, root(game, seat) + 2] = rng.choice([0.1, 0.3, 1.4], 300)
    game.episode_step[:] = rng.choice([1, 499, 500], 300)
    outcome, _ = game.judge()
    assert set(outcome.tolist()) == {Outcome.RUNNING, Outcome.SEAT_0, Outcome.SEAT_1}


def test_the_blocker_earns_nothing_for_a_runner_that_got_through():
    game = begin(YouShallNotPass, 2)
    still(game)
    game.qpos[:, root(game, RUNNER)] = [-3.5, -4.5]
    settle(game)
    dense = game.step(idle(game)).dense
    assert np.allclose(dense[:, BLOCKER], [5.0 + 0.5, 5.0], atol=0.01)
    assert np.allclose(dense[:, RUNNER], [5.0 - 0.5, 5.0 - 0.5], atol=0.2)
