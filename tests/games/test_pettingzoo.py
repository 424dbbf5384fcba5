"""The PettingZoo view, held to PettingZoo's own tests and to the game that it shows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from pettingzoo.test import parallel_api_test, parallel_seed_test

from benchmark import registry
from benchmark.arena.tally import VOID_ENDING
from benchmark.errors import Misuse
from benchmark.games.game import VOID, BadAction, Outcome, Step, result_for, reward_of
from benchmark.games.pettingzoo import GameParallelEnv, parallel_env
from benchmark.games.pong import Pong
from benchmark.seeding import EpisodeSeeds

SEED = 7
every_game = pytest.mark.parametrize("name", registry.games.names())


def draw(env: GameParallelEnv, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Uniform actions of both agents, inside their boxes."""
    boxes = {agent: env.action_space(agent) for agent in env.possible_agents}
    return {a: rng.uniform(b.low, b.high).astype(np.float32) for a, b in boxes.items()}


def course(env: GameParallelEnv, matches: int, seed: int | None) -> list[Any]:
    """All that the environment says in some matches of the same random play; seeds the first."""
    rng, told = np.random.default_rng(0), []
    for k in range(matches):
        told.append(env.reset(seed=seed if k == 0 else None))
        while env.agents:
            told.append(env.step(draw(env, rng)))
    return told


# --- every registered game -----------------------------------------------------------------


@every_game
def test_passes_pettingzoos_own_test_without_a_warning(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(parallel_env(name), num_cycles=500)


@every_game
def test_passes_pettingzoos_seed_test(name):
    parallel_seed_test(lambda: parallel_env(name))


@every_game
def test_same_seed_same_matches_and_another_seed_another(name):
    """PettingZoo's seed test stops after its first step; this one does not."""
    played = parallel_env(name)
    course(played, 1, SEED + 2)
    first, again, other = (
        course(env, 2, seed)
        for env, seed in ((parallel_env(name), SEED), (played, SEED), (played, SEED + 1))
    )
    assert len(first) == len(again)
    assert all(data_equivalence(a, b, exact=True) for a, b in zip(first, again, strict=True))
    assert not data_equivalence(first[0], other[0], exact=True)


@every_game
def test_spaces_are_those_of_the_seat_cards(name):
    env = parallel_env(name)
    card = registry.game(name).describe()
    assert env.metadata["name"] == name
    assert env.possible_agents == [seat.name for seat in card.seats]
    for seat in card.seats:
        obs, act = env.observation_space(seat.name), env.action_space(seat.name)
        assert (obs.shape, obs.dtype, act.shape, act.dtype) == (
            (seat.obs_dim,), np.float32, (seat.act_dim,), np.float32,
        )  # fmt: skip
        assert (act.low == -seat.act_bound).all()
        assert (act.high == seat.act_bound).all()
        assert np.isneginf(obs.low).all()
        assert np.isposinf(obs.high).all()


@every_game
def test_shows_exactly_the_matches_that_the_game_plays_on_its_own(name):
    """Observations, rewards and endings of two matches, against the game's own restarts."""
    env, game = parallel_env(name), registry.game(name)(1)
    rng, seats = np.random.default_rng(1), game.card.seats
    obs = game.reset(EpisodeSeeds(SEED, 1))
    for match in range(2):
        seen, infos = env.reset(seed=SEED if match == 0 else None)
        assert all(np.array_equal(seen[s.name], o[0]) for s, o in zip(seats, obs, strict=True))
        assert infos == {s.name: {} for s in seats}
        while env.agents:
            actions = draw(env, rng)
            step = game.step((actions[seats[0].name][None], actions[seats[1].name][None]))
            compare(env.step(actions), step, game.card)
        obs = step.obs
    assert step.finished.tolist() == [0]


def compare(told: Any, step: Any, card: Any) -> None:
    """What the view told of a step is what the game's step says."""
    seen, rewards, terminations, truncations, infos = told
    ended = step.outcome[0] != Outcome.RUNNING
    for i, seat in enumerate(card.seats):
        agent, result = seat.name, result_for(i, step.outcome)
        right = (step.final_obs if ended else step.obs)[i][0]
        assert np.array_equal(seen[agent], right)
        assert seen[agent].shape == (seat.obs_dim,)
        assert (rewards[agent], type(rewards[agent])) == (reward_of(result)[0], float)
        assert (terminations[agent], truncations[agent]) == (ended, False)
        assert infos[agent] == {
            "result": int(result[0]),
            "ending": ending_name(step, card),
            "dense": step.dense[0, i],
        }


def ending_name(step: Any, card: Any) -> str | None:
    """By the card, unless the match runs on or is void."""
    if step.outcome[0] == Outcome.VOID:
        return VOID_ENDING
    return None if step.outcome[0] == Outcome.RUNNING else card.endings[step.ending[0]]


# --- its own contract, on Pong -------------------------------------------------------------


def test_rewards_of_the_two_agents_cancel_and_somebody_wins():
    env, results = parallel_env("pong-v1"), []
    for k in range(20):
        env.reset(seed=k)
        rng = np.random.default_rng(k)
        while env.agents:
            _, rewards, *_ = env.step(draw(env, rng))
            assert sum(rewards.values()) == 0
        results.append(rewards["left"])
    assert {1.0, -1.0} <= set(results)


def test_agents_are_gone_after_the_end_until_the_next_reset():
    env = parallel_env("pong-v1")
    assert env.agents == []
    course(env, 1, SEED)
    assert (env.agents, env.num_agents) == ([], 0)
    with pytest.raises(Misuse, match="call reset"):
        env.step({})
    env.reset()
    assert env.agents == ["left", "right"]


def test_a_reset_without_a_seed_goes_on_from_the_last_seed_wherever_the_match_stood():
    whole, broken_off = parallel_env("pong-v1"), parallel_env("pong-v1")
    course(whole, 1, SEED)
    broken_off.reset(seed=SEED)
    broken_off.step(draw(broken_off, np.random.default_rng(0)))
    seconds = [env.reset()[0]["left"] for env in (whole, broken_off)]
    assert np.array_equal(*seconds)
    assert not np.array_equal(seconds[0], whole.reset(seed=SEED)[0]["left"])


def test_an_environment_that_never_had_a_seed_plays_matches_of_its_own():
    first, second = (parallel_env("pong-v1").reset()[0]["left"] for _ in range(2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "one"])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(Misuse, match="whole number"):
        parallel_env("pong-v1").reset(seed=seed)


def test_actions_of_one_agent_or_of_a_stranger_are_refused():
    env = parallel_env("pong-v1")
    env.reset(seed=SEED)
    push = np.zeros(2, dtype=np.float32)
    with pytest.raises(Misuse, match="no action came for right"):
        env.step({"left": push})
    with pytest.raises(Misuse, match="no agent 'lefty'; did you mean 'left'"):
        env.step({"lefty": push, "right": push})
    for wrong in (push * np.nan, np.zeros(3, dtype=np.float32)):
        with pytest.raises(BadAction, match="seat 'right'"):
            env.step({"left": push, "right": wrong})


def test_options_come_as_a_mapping_or_as_the_games_own():
    kind = registry.game("pong-v1")
    for options in ({"slow_ball": "tie"}, kind.Options(slow_ball="tie")):
        assert parallel_env("pong-v1", options).game.card.options == {"slow_ball": "tie"}
    assert parallel_env("pong-v1").game.card.options == {"slow_ball": "loss"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pong",), "no game 'pong'; did you mean 'pong-v1'"),
        (("pong-v1", {"slow_bal": "tie"}), "no setting 'slow_bal'; did you mean 'slow_ball'"),
        (("pong-v1", {"slow_ball": 3}), "setting 'slow_ball' is"),
        (("pong-v1", None, "hologram"), "no render mode 'hologram'"),
    ],
)
def test_wrong_arguments_are_named_with_a_hint(arguments, message):
    with pytest.raises(Misuse, match=message):
        parallel_env(*arguments)


class Failing(Pong):
    """Pong whose simulation fails in its first step."""

    def step(self, actions: Any) -> Step:
        step, gone = super().step(actions), np.zeros((1, 13), dtype=np.float32)
        outcome = np.array([Outcome.VOID], dtype=np.int8)
        return step._replace(outcome=outcome, finished=np.zeros(1, int), final_obs=(gone, gone))


def test_a_match_whose_simulation_failed_ends_void():
    env = GameParallelEnv(Failing(1))
    env.reset(seed=SEED)
    _, rewards, terminations, truncations, infos = env.step(draw(env, np.random.default_rng(0)))
    assert set(rewards.values()) == {-1.0}  # no way out of a loss
    assert (set(terminations.values()), set(truncations.values())) == ({True}, {False})
    assert [info["ending"] for info in infos.values()] == [VOID_ENDING] * 2
    assert [info["result"] for info in infos.values()] == [VOID] * 2
    assert env.agents == []


def test_a_batch_is_no_match():
    with pytest.raises(Misuse, match="one match, got a batch of 2"):
        GameParallelEnv(registry.game("pong-v1")(2))


# --- pictures -------------------------------------------------------------------------------


def test_pictures_follow_the_match() -> None:
    """Pong needs no OpenGL; `tests/games/test_render.py` draws the others."""
    env = parallel_env("pong-v1", render_mode="rgb_array")
    assert env.metadata["render_modes"] == ["rgb_array"]
    env.reset(seed=0)
    first = env.render()
    assert (first.shape, first.dtype) == ((480, 640, 3), np.uint8)
    for _ in range(10):
        env.step({agent: np.ones(2, np.float32) for agent in env.agents})
    assert (env.render() != first).any()
    env.close()
    env.close()


def test_without_a_mode_nothing_is_drawn() -> None:
    env = parallel_env("pong-v1")
    env.reset(seed=0)
    assert env.render() is None
