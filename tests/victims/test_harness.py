"""What holds a runner up while it learns: it does, it draws it on, and it leaves nothing behind."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.games.game import Array
from benchmark.games.you_shall_not_pass import BLOCKER, RUNNER, YouShallNotPass
from benchmark.seeding import EpisodeSeeds
from benchmark.victims.harness import FASTEST, LEAST, Harness, heading_of, rotations

MATCHES, STEPS = 8, 100
both_seats = pytest.mark.parametrize(
    ("seat", "heading"), [(BLOCKER, 1.0), (RUNNER, -1.0)], ids=["blocker", "runner"]
)


def limp(game: YouShallNotPass, steps: int) -> list[Array]:
    """Nobody acts; what the runner sees in each step."""
    nothing = np.zeros((MATCHES, 17), dtype=np.float32)
    game.reset(EpisodeSeeds(3, MATCHES))
    return [game.step((nothing, nothing)).obs[RUNNER].copy() for _ in range(steps)]


@both_seats
def test_it_holds_up_who_would_fall_and_draws_it_on(seat: int, heading: float) -> None:
    free, held = YouShallNotPass(MATCHES), YouShallNotPass(MATCHES)
    harness = Harness(held, seat)
    assert heading_of(held, seat) == heading
    for game in (free, held):
        limp(game, 40)
        assert (game.episode_step == 40).all()
    assert free.height(seat).max() < 1.08 < held.height(seat).min()
    paces = harness.paces(40)
    assert paces.shape == (40, MATCHES)
    assert paces[20:].mean() > 0.5
    assert (heading * held.qvel[:, held.scene.parts[seat].qvel.start] > 0.0).all()


def test_a_harness_that_is_off_leaves_the_game_as_it_is() -> None:
    free, held = YouShallNotPass(MATCHES), YouShallNotPass(MATCHES)
    harness = Harness(held, RUNNER)
    limp(held, 20)  # forces were set
    harness.strength = 0.0
    for one, other in zip(limp(free, STEPS), limp(held, STEPS), strict=True):
        assert np.array_equal(one, other)


def test_it_fades_by_a_share_of_what_is_left_until_nothing_is() -> None:
    harness = Harness(YouShallNotPass(1), RUNNER)
    seen = [harness.strength]
    while harness.strength > 0.0:
        harness.fade(0.1)
        seen.append(harness.strength)
    assert seen[:3] == pytest.approx([1.0, 0.9, 0.81])
    steps = -np.diff(seen)
    assert (steps[:-1] >= LEAST - 1e-12).all()
    assert seen[-1] == 0.0
    harness.fade(0.1)
    assert harness.strength == 0.0


def test_pace_is_of_the_last_steps_and_paid_up_to_a_limit() -> None:
    game = YouShallNotPass(MATCHES)
    harness = Harness(game, RUNNER)
    limp(game, 3)
    speed = game.qvel[:, game.scene.parts[RUNNER].qvel.start]
    speed[:4], speed[4:] = -9.0, 1.25
    nothing = np.zeros((MATCHES, 17), dtype=np.float32)
    game.step((nothing, nothing))
    paces = harness.paces(1)
    assert paces.tolist() == [[FASTEST] * 4 + [-1.25] * 4]
    game.step((nothing, nothing))
    assert harness.paces(1).shape == (1, MATCHES)  # what came before is forgotten


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4).filter(lambda q: np.dot(q, q) > 1e-3))
def test_rotations_are_mujoco_s(quaternion: list[float]) -> None:
    expected = np.empty(9)
    unit = np.asarray(quaternion) / np.linalg.norm(quaternion)
    mujoco.mju_quat2Mat(expected, unit)
    assert rotations(np.asarray([quaternion]))[0] == pytest.approx(expected.reshape(3, 3), abs=1e-9)
