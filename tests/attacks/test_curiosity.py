"""Curiosity: between the baseline and the value difference, and its reward by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from attacks.baseline import Baseline
from attacks.curiosity import HEAD, Curiosity, CuriousDifference, first_layer
from attacks.value_difference import ValueDifference, in_deviations
from benchmark.errors import Misuse
from tests.attacks.conftest import (
    PONG,
    assert_same_policy,
    differ,
    made_up_rollout,
    pong_arena,
    toy_config,
    trained,
)

SHORT = {"matches": 4, "rollout_steps": 6, "value_minibatch": 8}


def _hooks(**settings: Any) -> CuriousDifference:
    config = toy_config(Curiosity, **{**SHORT, **settings})
    return CuriousDifference(config, pong_arena(), np.random.default_rng(0))


def test_weight_zero_is_the_baseline_to_the_last_bit() -> None:
    assert_same_policy(trained(Baseline), trained(Curiosity, weight=0))


def test_beta_zero_is_the_value_difference_to_the_last_bit() -> None:
    assert_same_policy(trained(ValueDifference), trained(Curiosity, beta=0))


def test_beta_above_zero_is_another_policy() -> None:
    assert differ(trained(ValueDifference), trained(Curiosity))


def test_the_layer_is_the_first_hidden_one_of_the_victim_s_critic() -> None:
    hooks = _hooks()
    obs = np.random.default_rng(1).normal(size=(5, 13)).astype(np.float32)
    first = hooks.critic.model.network.dense[0]
    weight, bias = first.weight.detach().numpy(), first.bias.detach().numpy()
    expected = [[np.tanh(w @ o + b) for w, b in zip(weight, bias, strict=True)] for o in obs]
    np.testing.assert_allclose(first_layer(hooks.critic.model, obs), expected, atol=1e-6)


def test_novelty_is_half_the_mean_square_between_the_heads() -> None:
    novelty = _hooks().novelty
    layer = np.tanh(np.random.default_rng(1).normal(size=(3, 128))).astype(np.float32)
    fixed = novelty.state()["fixed"]
    with torch.no_grad():
        learned = novelty.learned(torch.from_numpy(layer)).numpy()
    expected = []
    for row, guess in zip(layer, learned, strict=True):
        gaps = [float(row @ fixed[:, k]) - float(guess[k]) for k in range(HEAD)]
        expected.append(sum(0.5 * gap * gap for gap in gaps) / HEAD)
    np.testing.assert_allclose(novelty.of(layer), expected, rtol=1e-4)


def test_novelty_falls_where_it_is_fitted_and_not_where_it_is_not() -> None:
    """Two kinds of activations that share no unit; one of them is learned."""
    novelty = _hooks(value_rate=1e-2).novelty
    rng = np.random.default_rng(1)
    known, strange = np.zeros((2, 64, 128), np.float32)
    known[:, :64] = rng.uniform(-1, 1, (64, 64))
    strange[:, 64:] = rng.uniform(-1, 1, (64, 64))
    before = novelty.of(known).mean(), novelty.of(strange).mean()
    for _ in range(100):
        novelty.fit(known)
    assert novelty.of(known).mean() < 0.05 * before[0]
    assert novelty.of(strange).mean() > 0.8 * before[1]


def test_the_sum_is_what_the_equation_says() -> None:
    """Own + weight (beta curious - victim's), from the parts that it is made of."""
    hooks, parts = _hooks(weight=0.7, beta=0.3), _hooks(weight=0.7, beta=0.3)
    rollout = made_up_rollout(np.random.default_rng(0))
    own = rollout.values
    layer = first_layer(parts.critic.model, rollout.obs.reshape(24, 13))
    reward = parts.novelty.of(layer).reshape(6, 4)
    parts.novelty.fit(layer)
    curious = in_deviations(parts.explorer.advantages(rollout, reward))
    victim = in_deviations(parts.critic.advantages(rollout, -rollout.result.astype(np.float32)))
    expected = in_deviations(own) + 0.7 * (0.3 * curious - victim)
    np.testing.assert_allclose(hooks.advantages(rollout, own), expected, rtol=1e-4, atol=1e-5)
    for name, array in hooks.state().arrays.items():
        np.testing.assert_array_equal(array, parts.state().arrays[name], err_msg=name)


def test_the_heads_leave_the_layer_alone() -> None:
    """What a critic of the value difference learns is not moved by curiosity."""
    hooks = _hooks()
    before = hooks.critic.state()["flat"]
    layer = first_layer(hooks.critic.model, np.ones((8, 13), np.float32))
    hooks.novelty.fit(layer)
    np.testing.assert_array_equal(hooks.critic.state()["flat"], before)


def test_a_restored_method_goes_on_as_it_would_have() -> None:
    """Into hooks of another seed: nothing of theirs may be left, the fixed head included."""
    rollouts = [made_up_rollout(np.random.default_rng(seed)) for seed in range(3)]
    whole = _hooks()
    whole.advantages(rollouts[0], rollouts[0].values)
    resumed = CuriousDifference(
        toy_config(Curiosity, **SHORT), pong_arena(), np.random.default_rng(9)
    )
    resumed.restore(whole.state())
    for rollout in rollouts[1:]:
        np.testing.assert_array_equal(
            whole.advantages(rollout, rollout.values), resumed.advantages(rollout, rollout.values)
        )


@pytest.mark.parametrize(("field", "value"), [("beta", -1), ("weight", -1), ("value_hidden", ())])
def test_a_setting_that_cannot_work_is_refused(field: str, value: object) -> None:
    with pytest.raises(Misuse, match=f"setting '{field}'"):
        Curiosity.configure(PONG, {field: value})
