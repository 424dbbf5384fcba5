"""Pong's own rules: endings, serves, seeds, checkpoints, symmetry, arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmark.games import pong_kernel
from benchmark.games.game import Outcome
from benchmark.games.pong import Pong, PongOptions
from benchmark.games.pong_kernel import ENDINGS
from benchmark.seeding import EpisodeSeeds
from tests.games.pong_states import (
    ADVANCES,
    BALL_VX,
    GAMES,
    assert_same_bits,
    chase,
    crowded_states,
)

MIRROR = np.tile([-1.0, -1.0, 1.0, 1.0], 3)
SWAPPED = [4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11]
IDLE = np.zeros((1, 2), dtype=np.float32)


# --- its own rules -------------------------------------------------------------------------


def rally(
    kind: type[Pong],
    ball: tuple[float, float, float, float],
    *,
    timeout: int = 100,
    way: int = 1,
    hits: int = 2,
    step: int = 50,
    slow_ball: str = "loss",
) -> Pong:
    """One match under way with resting bats; ball: (x, vx, y, vy)."""
    game, seeds = kind(1, PongOptions(slow_ball=slow_ball)), EpisodeSeeds(1, 1)
    game.reset(seeds)
    state = game.state()
    state["state"][0] = [0.0] * 8 + list(ball)
    for name, value in (("timeout", timeout), ("direction", way), ("bounces", hits)):
        state[name][0] = value
    state["episode_step"][0] = step
    game.restore(state, seeds)
    return game


PAST_RIGHT, PAST_LEFT = (1.64, 5.0, 0.9, 0.0), (-1.64, -5.0, 0.9, 0.0)
TO_RIGHT, TO_LEFT = (0.0, 1.0, 0.5, 0.0), (0.0, -1.0, 0.5, 0.0)
LAST = pong_kernel.RALLY_LIMIT - 1
ENDED = [
    (PAST_RIGHT, {"way": 1, "hits": 3}, Outcome.SEAT_0, "point"),
    (PAST_LEFT, {"way": -1, "hits": 1}, Outcome.SEAT_1, "point"),
    (PAST_RIGHT, {"way": 1, "hits": 0}, Outcome.SEAT_0, "serve_miss"),
    (PAST_LEFT, {"way": -1, "hits": 0}, Outcome.SEAT_1, "serve_miss"),
    (PAST_RIGHT, {"way": -1, "hits": 0}, Outcome.SEAT_0, "point"),  # hit in this very step
    (TO_RIGHT, {"timeout": 1, "way": 1, "hits": 1}, Outcome.SEAT_1, "slow_ball"),
    (TO_LEFT, {"timeout": 1, "way": -1, "hits": 2}, Outcome.SEAT_0, "slow_ball"),
    (TO_RIGHT, {"timeout": 1, "way": 1, "hits": 0}, Outcome.TIE, "slow_ball"),
    (TO_LEFT, {"timeout": 1, "way": -1, "hits": 0}, Outcome.TIE, "slow_ball"),
    (TO_RIGHT, {"timeout": 1, "way": 1, "slow_ball": "tie"}, Outcome.TIE, "slow_ball"),
    (TO_LEFT, {"timeout": 1, "way": -1, "slow_ball": "tie"}, Outcome.TIE, "slow_ball"),
    (TO_RIGHT, {"step": LAST}, Outcome.TIE, "rally_limit"),
    (TO_RIGHT, {"step": LAST, "slow_ball": "tie"}, Outcome.TIE, "rally_limit"),
    (PAST_RIGHT, {"step": LAST}, Outcome.SEAT_0, "point"),
    (TO_RIGHT, {"step": LAST, "timeout": 1}, Outcome.SEAT_1, "slow_ball"),
    (PAST_LEFT, {"timeout": 1, "way": -1}, Outcome.SEAT_1, "point"),
]


@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize(("ball", "fields", "outcome", "ending"), ENDED)
def test_every_way_a_match_ends(kind, ball, fields, outcome, ending):
    step = rally(kind, ball, **fields).step((IDLE, IDLE))
    assert (step.outcome[0], ENDINGS[step.ending[0]]) == (outcome, ending)
    assert step.finished.tolist() == [0]


@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize("fields", [{"timeout": 2}, {"step": LAST - 1}, {"hits": 0}])
def test_a_match_goes_on_until_then(kind, fields):
    step = rally(kind, TO_RIGHT, **fields).step((IDLE, IDLE))
    assert step.outcome.tolist() == [Outcome.RUNNING]
    assert len(step.finished) == len(step.final_obs[0]) == len(step.final_obs[1]) == 0


@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize(("hitter", "way"), [(0, -1), (1, 1)])
def test_a_hit_on_the_last_moment_saves_the_ball_and_pays_the_hitter(kind, hitter, way):
    game = rally(kind, (way * 1.24, way * 4.0, 0.0, 0.0), timeout=1, way=way, hits=1)
    step = game.step((IDLE, IDLE))
    state = game.state()
    assert step.outcome[0] == Outcome.RUNNING
    assert (state["timeout"][0], state["direction"][0], state["bounces"][0]) == (150, -way, 2)
    assert state["state"][0, BALL_VX] * way < 0.0
    speed = abs(state["state"][0, BALL_VX])
    assert step.dense[0, hitter] == np.float32(pong_kernel.HIT_REWARD * speed)
    assert step.dense[0, 1 - hitter] == 0.0


@pytest.mark.parametrize("kind", GAMES)
@pytest.mark.parametrize(
    ("y", "vy", "turned"),
    [(1.01, 2.0, True), (-1.01, -2.0, True), (1.01, -2.0, False), (0.99, 2.0, False)],
)
def test_a_wall_turns_a_ball_on_its_way_out(kind, y, vy, turned):
    game = rally(kind, (0.0, 1.0, y, vy))
    game.step((IDLE, IDLE))
    assert (game.state()["state"][0, 11] * vy < 0.0) == turned


@pytest.mark.parametrize("kind", GAMES)
def test_a_new_match_begins_after_a_point(kind):
    game = rally(kind, PAST_RIGHT, step=70)
    upcoming = game.state()["next_seed"][0]
    step = game.step((IDLE, IDLE))
    state = game.state()
    assert step.final_obs[0][0, 8] > 0.5 * pong_kernel.GOAL_X  # the ball behind the bat
    assert step.obs[0][0, 8] == 0.0  # and served again
    assert state["episode_seed"][0] == upcoming != state["next_seed"][0]
    assert [state[k][0] for k in ("timeout", "bounces", "episode_step")] == [150, 0, 0]
    assert state["direction"][0] == np.sign(state["state"][0, BALL_VX])


@pytest.mark.parametrize("kind", GAMES)
def test_serves_fill_their_ranges(kind):
    game = kind(4000)
    game.reset(EpisodeSeeds(5, 4000))
    state = game.state()["state"]
    x, vx, y, vy = state[:, 8:].T
    assert not state[:, :8].any()
    assert not x.any()
    for values, low, high in ((np.abs(vx), 2.0, 2.5), (y, -0.9, 0.9), (vy, -2.0, 2.0)):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 0.05 * (high - low)
    assert abs((vx > 0).mean() - 0.5) < 0.05
    draws = [np.sign(vx), np.abs(vx), y, vy]
    assert np.abs(np.corrcoef(draws) - np.eye(4)).max() < 0.08


def test_actions_push_each_bat_its_own_way():
    push = np.array([[1.0, 0.5]], dtype=np.float32)
    game = rally(Pong, TO_RIGHT)
    game.step((push, push))
    left_x, left_y, right_x, right_y = game.state()["state"][0, [1, 3, 5, 7]]
    assert left_x == -right_x > left_y == right_y > 0.0


def test_the_card_says_which_columns_show_the_other_s_place():
    push = np.array([[1.0, 0.5]], dtype=np.float32)
    game = rally(Pong, TO_RIGHT)
    for _ in range(5):
        step = game.step((push, -push))
    for seat in (0, 1):
        x, y = game.card.seats[seat].other_place
        own_x, own_y = step.obs[1 - seat][0, [0, 2]]  # the other's own place, as it sees it
        assert (step.obs[seat][0, x], step.obs[seat][0, y]) == (-own_x, own_y)


# --- seeds, checkpoints, symmetry ----------------------------------------------------------


def play(game: Pong, obs: tuple[np.ndarray, np.ndarray], steps: int) -> list[tuple]:
    """Play on by the observations alone: per step (obs, outcome, ending, dense, seeds)."""
    course = []
    for _ in range(steps):
        step = game.step((chase(obs[0], 5.0), chase(obs[1], 0.0)))
        obs = step.obs
        seeds = game.episode_seed.copy()
        course.append((*obs, step.outcome, step.ending, step.dense, seeds))
    return course


@pytest.mark.parametrize("kind", GAMES)
def test_a_match_does_not_depend_on_those_beside_it(kind):
    listed = [[100 * i + k for k in range(30)] for i in range(5)]
    together = kind(5)
    course = play(together, together.reset(EpisodeSeeds(1, 5, listed)), 250)
    for i in (1, 3):
        alone = kind(1)
        own = play(alone, alone.reset(EpisodeSeeds(9, 1, listed[i : i + 1])), 250)
        assert sum(outcome[0] > 0 for _, _, outcome, _, _, _ in own) >= 2
        for all_rows, row in zip(course, own, strict=True):
            for x, y in zip(all_rows, row, strict=True):
                assert np.array_equal(x[i], y[0])


def test_seeds_are_played_in_the_order_listed():
    game, idle = Pong(2), np.zeros((2, 2), dtype=np.float32)
    game.reset(EpisodeSeeds(1, 2, [[11, 12, 13], [21, 22, 23]]))
    seen = [game.episode_seed.copy()]
    for _ in range(400):
        game.step((idle, idle))
        seen.append(game.episode_seed.copy())
    for row, listed in enumerate(([11, 12, 13], [21, 22, 23])):
        played = list(dict.fromkeys(int(seeds[row]) for seeds in seen))
        assert played[:3] == listed
        assert len(played) > 3


@pytest.mark.parametrize("kind", GAMES)
def test_a_restored_game_continues_exactly(kind):
    game, seeds = kind(7), EpisodeSeeds(4, 7)
    *_, (left, right, *_) = play(game, game.reset(seeds), 100)
    saved, drawn = game.state(), seeds.drawn.copy()
    course = play(game, (left, right), 150)
    resumed, resumed_seeds = kind(7), EpisodeSeeds(4, 7)
    resumed_seeds.drawn[:] = drawn
    obs = resumed.restore(saved, resumed_seeds)
    assert_same_bits(obs, (left, right))
    for name, value in resumed.state().items():
        assert_same_bits(value, saved[name])
    assert any(outcome.any() for _, _, outcome, _, _, _ in course)
    for before, after in zip(course, play(resumed, obs, 150), strict=True):
        assert_same_bits(before, after)


def test_swapping_the_seats_of_a_mirrored_match_mirrors_its_course():
    game, other, seeds = Pong(64), Pong(64), EpisodeSeeds(8, 64)
    obs, finished, hits = game.reset(seeds), 0, 0
    for _ in range(150):
        mirrored = game.state()
        mirrored["state"] = mirrored["state"][:, SWAPPED] * MIRROR
        mirrored["direction"] *= -1
        actions = chase(obs[0], 3.0), chase(obs[1], 3.0)
        swapped_obs = other.restore(mirrored, EpisodeSeeds(8, 64))
        assert_mirrored(obs, swapped_obs)
        here, there = game.step(actions), other.step(actions[::-1])
        assert np.array_equal(np.array([0, 2, 1, 3])[here.outcome], there.outcome)
        assert np.array_equal(here.ending, there.ending)
        assert np.array_equal(here.dense, there.dense[:, ::-1])
        assert_mirrored(here.final_obs, there.final_obs)
        on = here.outcome == Outcome.RUNNING  # serves are drawn, not mirrored
        assert_mirrored([o[on] for o in here.obs], [o[on] for o in there.obs])
        obs, finished = here.obs, finished + len(here.finished)
        hits += np.count_nonzero(here.dense)
    assert finished > 10
    assert hits > 10


def assert_mirrored(here: Any, there: Any) -> None:
    """What one seat sees here is what the other sees there."""
    assert np.array_equal(here[0], there[1])
    assert np.array_equal(here[1], there[0])


# --- arguments of `advance` ----------------------------------------------------------------

GOOD = (
    np.zeros((3, 12)), np.full(3, 150), np.ones(3, dtype=np.int64), np.zeros(3, dtype=np.int64),
    np.zeros((3, 2)), np.zeros((3, 2)),
)  # fmt: skip
NAMES = ("state", "timeout", "timeout_dir", "bounces", "left_action", "right_action")
WRONG_SHAPES = [
    (0, (3, 11)), (0, (3,)), (1, (3, 1)), (1, (2,)), (2, (4,)), (3, (1,)),
    (4, (3,)), (4, (3, 1)), (4, (2, 2)), (5, (3, 3)), (5, (1, 2)),
]  # fmt: skip


@pytest.mark.parametrize("advance", ADVANCES)
@pytest.mark.parametrize(("place", "shape"), WRONG_SHAPES)
def test_advance_names_the_argument_of_a_wrong_shape(advance, place, shape):
    arguments = list(GOOD)
    arguments[place] = np.ones(shape)
    with pytest.raises(ValueError, match=rf"{NAMES[place]}: expected shape .* got "):
        advance(*arguments)


@pytest.mark.parametrize("advance", ADVANCES)
def test_advance_leaves_its_arguments_alone(advance):
    rng = np.random.default_rng(0)
    arguments = (crowded_states(50, rng), *(np.repeat(a[:1], 50, axis=0) for a in GOOD[1:]))
    before = [a.copy() for a in arguments]
    ahead = advance(*arguments)
    assert not np.array_equal(ahead.state, arguments[0])
    for a, b in zip(arguments, before, strict=True):
        assert np.array_equal(a, b)
