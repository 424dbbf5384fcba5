"""Watching: every match of the list from one seat, exactly as it was played."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import Misuse
from benchmark.evaluation.matches import episode_list, play_out
from benchmark.evaluation.watching import Episode, watch, watch_each
from benchmark.games.pong import Pong
from benchmark.policies.policy import RandomPolicy, ZeroPolicy
from benchmark.seeding import STREAM_ACTION_RIGHT, EpisodeSeeds, uniforms
from tests.factories import Clockwork, scribble


def alone(seed: int, right: RandomPolicy) -> Episode:
    """One match of Pong from the right, played by hand: the left stands still."""
    game = Pong(1)
    obs = game.reset(EpisodeSeeds(0, 1, [[seed]]))
    seen, done = [], []
    while True:
        step = game.episode_step.astype(np.uint64)
        draws = uniforms(game.episode_seed, STREAM_ACTION_RIGHT, step, 2)
        action = np.clip(right.act(obs[1], None, draws)[0], -1.0, 1.0)
        seen.append(obs[1][0])
        done.append(action[0])
        turn = game.step((np.zeros((1, 2), np.float32), action))
        obs = turn.obs
        if len(turn.finished):
            return Episode(np.stack(seen), np.stack(done))


@pytest.mark.parametrize("matches", [1, 3, 20])
def test_each_episode_is_the_match_of_its_seed(matches: int) -> None:
    """With more and with fewer seeds than parallel matches; actions beyond the box are clipped."""
    seeds = episode_list("pong-v1", 7)
    right = RandomPolicy(2, 1.5)
    episodes = watch(Pong(matches), (ZeroPolicy(2), right), "right", seeds)
    for seed, found in zip(seeds, episodes, strict=True):
        wanted = alone(seed, right)
        np.testing.assert_array_equal(found.obs, wanted.obs)
        np.testing.assert_array_equal(found.actions, wanted.actions)
    assert max(np.abs(e.actions).max() for e in episodes) == 1.0
    assert {e.obs.dtype for e in episodes} | {e.actions.dtype for e in episodes} == {
        np.dtype(np.float32)
    }


@settings(max_examples=40)
@given(st.lists(st.integers(0, 2**63 - 1), max_size=40), st.integers(1, 50))
def test_every_match_is_as_long_as_it_lasts(seeds: list[int], matches: int) -> None:
    idle = ZeroPolicy(1)
    episodes = watch(Clockwork(matches), (idle, idle), "left", seeds)
    wanted = [Clockwork.length(seed) for seed in seeds]
    assert [len(e.obs) for e in episodes] == [len(e.actions) for e in episodes] == wanted


def test_one_by_one_each_position_comes_once_and_short_matches_first() -> None:
    seeds = [8, 0, 17, 1]
    idle = ZeroPolicy(1)
    found = [k for k, _ in watch_each(Clockwork(4), (idle, idle), "left", seeds)]
    assert sorted(found) == [0, 1, 2, 3]
    assert found[:2] == [1, 3]


def test_what_is_watched_are_the_matches_that_are_counted() -> None:
    """Its first line is what that seat saw first, for either seat."""
    seeds = episode_list("pong-v1", 9)
    seats = scribble(1), scribble(2)
    starts = play_out(Pong(4), seats, "left", seeds).starts
    for view, columns in (("left", slice(0, 13)), ("right", slice(13, 26))):
        episodes = watch(Pong(4), seats, view, seeds)
        np.testing.assert_array_equal([e.obs[0] for e in episodes], starts[:, columns])


def test_the_same_seeds_give_the_same_episodes() -> None:
    """A sampled player too, on a batch that is used twice."""
    game, seeds = Pong(5), episode_list("pong-v1", 8)
    seats = scribble(), RandomPolicy(2, 1.0)
    first, second = (watch(game, seats, "right", seeds) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.obs, other.obs)
        np.testing.assert_array_equal(one.actions, other.actions)


def test_a_policy_of_another_game_is_refused() -> None:
    with pytest.raises(Misuse, match=r"plays other-v1, this run plays pong-v1"):
        watch(Pong(2), (scribble(game="other-v1"), ZeroPolicy(2)), "left", [1])
