"""The value difference: the baseline at weight 0, and each equation recomputed step by step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from attacks.baseline import Baseline
from attacks.value_difference import Difference, ValueDifference, in_deviations, victim_rewards
from benchmark import registry
from benchmark.errors import Misuse
from benchmark.games.game import LOSS, TIE, VOID, WIN
from benchmark.learning.rollout import Rollout
from tests.attacks.conftest import (
    PONG,
    assert_same_policy,
    differ,
    made_up_rollout,
    pong_arena,
    toy_config,
    trained,
)

SHORT = {"matches": 4, "rollout_steps": 6, "value_minibatch": 8, "gamma": 0.9}


def _hooks(**settings: Any) -> Difference:
    config = toy_config(ValueDifference, **{**SHORT, **settings})
    return Difference(config, pong_arena(), np.random.default_rng(0))


def _rollout(seed: int = 0) -> Rollout:
    """A made-up rollout of which one match ends in each way that there is."""
    made = made_up_rollout(np.random.default_rng(seed))
    made.ends[3] = True
    made.result[:] = TIE
    made.result[3] = WIN, LOSS, TIE, VOID
    made.result[2, 1], made.result[4, 3] = LOSS, WIN
    return made


def _values(hooks: Difference, rollout: Rollout) -> np.ndarray:
    """The critic's values (T + 1, N) of every observation and the one after the last, by torch."""
    steps, matches = rollout.rewards.shape
    seen = np.concatenate([rollout.obs, rollout.last_obs[None]])
    with torch.no_grad():
        told = hooks.critic.model(torch.from_numpy(seen.reshape((steps + 1) * matches, -1)))
    return told.numpy().reshape(steps + 1, matches).astype(np.float64)


def _advantages_by_hand(
    rewards: np.ndarray, values: np.ndarray, ends: np.ndarray, gamma: float, lam: float
) -> np.ndarray:
    """Schulman et al. 2016, equation 16, as the sum that it is: match by match, step by step."""
    steps, matches = rewards.shape
    advantages = np.zeros((steps, matches))
    for n in range(matches):
        for t in range(steps):
            factor = 1.0
            for k in range(t, steps):
                after = values[k + 1, n] * (not ends[k, n])
                advantages[t, n] += factor * (rewards[k, n] + gamma * after - values[k, n])
                if ends[k, n]:
                    break
                factor *= gamma * lam
    return advantages


def _scaled_by_hand(rewards: np.ndarray, ends: np.ndarray, gamma: float) -> np.ndarray:
    """Rewards over the deviation of all discounted returns so far: the first rollout's here."""
    running, returns = np.zeros(rewards.shape[1]), []
    for reward, end in zip(rewards, ends, strict=True):
        running = running * gamma + reward
        returns.append(running.copy())
        running[end] = 0.0
    return np.asarray(rewards / np.std(returns))


def _standardised(values: np.ndarray) -> np.ndarray:
    return np.asarray((values - values.mean()) / values.std())


def test_weight_zero_is_the_baseline_to_the_last_bit() -> None:
    """The critic is fitted all the same, and nothing of it may leak into PPO."""
    assert_same_policy(trained(Baseline), trained(ValueDifference, weight=0))


def test_weight_above_zero_is_another_policy() -> None:
    assert differ(trained(Baseline), trained(ValueDifference, weight=0.5))


def test_weight_zero_hands_back_the_very_advantages() -> None:
    advantages = np.ones((6, 4), np.float32)
    assert _hooks(weight=0).advantages(_rollout(), advantages) is advantages


def test_the_victim_is_paid_the_other_way_round_but_for_a_void_match() -> None:
    result = np.array([[WIN, LOSS, TIE, VOID]], dtype=np.int8)
    np.testing.assert_array_equal(victim_rewards(result), [[-1, 1, 0, -1]])


def test_the_difference_is_what_the_equations_say() -> None:
    hooks, rollout = _hooks(weight=0.7, gae_lambda=0.8), _rollout()
    own = np.random.default_rng(5).normal(size=(6, 4)).astype(np.float32)
    rewards = np.zeros((6, 4))
    rewards[3] = -1, 1, 0, -1
    rewards[2, 1], rewards[4, 3] = 1, -1
    scaled = _scaled_by_hand(rewards, rollout.ends, 0.9)
    theirs = _advantages_by_hand(scaled, _values(hooks, rollout), rollout.ends, 0.9, 0.8)
    expected = _standardised(own.astype(np.float64)) - 0.7 * _standardised(theirs)
    before = own.copy()
    np.testing.assert_allclose(hooks.advantages(rollout, own), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(own, before)


def test_a_bonus_of_the_adversary_s_is_none_of_the_victim_s() -> None:
    plain, paid = _rollout(), _rollout()
    paid.pay(np.ones_like(paid.rewards))
    own = plain.values
    np.testing.assert_array_equal(_hooks().advantages(plain, own), _hooks().advantages(paid, own))


def test_equal_critics_make_the_victim_a_mirror() -> None:
    """Where both critics say 0 and no match is void, the difference is one advantage twice."""
    hooks, rollout = _hooks(), _rollout()
    rollout.result[rollout.result == VOID] = LOSS
    with torch.no_grad():
        last = hooks.critic.model.network.dense[-1]
        last.weight.zero_()
    own = _advantages_by_hand(
        -victim_rewards(rollout.result), np.zeros((7, 4)), rollout.ends, 0.9, 0.95
    ).astype(np.float32)
    np.testing.assert_allclose(
        hooks.advantages(rollout, own), 2.0 * in_deviations(own), rtol=1e-4, atol=1e-5
    )
    assert hooks.diagnostics()["mirror"] == pytest.approx(1.0, abs=1e-4)


def test_values_are_those_before_the_rollout_was_learned_from() -> None:
    """A critic that has seen a rollout explains it better, and only then."""
    hooks, rollout = _hooks(value_passes=50, value_rate=3e-3), _rollout()
    own = rollout.values
    before = _values(hooks, rollout)
    hooks.advantages(rollout, own)
    first = hooks.diagnostics()["victim_value_r2"]
    assert not np.array_equal(before, _values(hooks, rollout))
    hooks.advantages(rollout, own)
    assert hooks.diagnostics()["victim_value_r2"] > max(first, 0.5)


def test_a_restored_critic_goes_on_as_it_would_have() -> None:
    whole, resumed, first = _hooks(), _hooks(), _rollout(0)
    first.result[2:4] = TIE  # fewer wins than in the others: the scale must remember them
    whole.advantages(first, first.values)
    resumed.restore(replace(whole.state(), arrays=_copied(whole.state().arrays)))
    for seed in (1, 2):
        rollout = _rollout(seed)
        np.testing.assert_array_equal(
            whole.advantages(rollout, rollout.values), resumed.advantages(rollout, rollout.values)
        )


def _copied(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in arrays.items()}


@pytest.mark.parametrize("game", registry.games.names())
def test_published_is_the_released_code_s_learner(game: str) -> None:
    card = registry.game(game).describe()
    config = ValueDifference.configure(card, {"preset": "published"})
    plain = Baseline.configure(card, {"preset": "published"})
    assert (config.value_weight, config.anneal, config.weight) == (0.1, True, 1.0)
    assert config.value_hidden == (128, 128)
    assert config.value_rate == config.learning_rate == plain.learning_rate
    assert config.value_minibatch == config.minibatch == plain.minibatch


@pytest.mark.parametrize(
    ("field", "value"),
    [("weight", -0.1), ("value_hidden", ()), ("value_hidden", (0,)), ("value_rate", 0),
     ("value_minibatch", 0), ("value_passes", 0)],
)  # fmt: skip
def test_a_setting_that_cannot_work_is_refused(field: str, value: object) -> None:
    with pytest.raises(Misuse, match=f"setting '{field}'"):
        ValueDifference.configure(PONG, {field: value})
