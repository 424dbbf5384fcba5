"""`dense`, the control: the game's own shaping reward, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attacks.baseline import Baseline, BaselineConfig
from attacks.dense import Dense
from attacks.ours import Ours
from attacks.shaping import ShapedConfig, Shaping, shaped_defaults, standardised
from benchmark import registry
from benchmark.games.game import Step
from benchmark.learning.ppo import PPO
from benchmark.learning.progress import Quiet
from benchmark.learning.rollout import Rollout
from tests.attacks.conftest import (
    BUDGET,
    PONG,
    assert_same_policy,
    differ,
    made_up_rollout,
    pong_arena,
    toy_config,
    trained,
)


def paid(rollout: Rollout, progress: float = 0.0) -> np.ndarray:
    """What the method adds to this rollout at weight 1."""
    config = toy_config(Dense, weight=1.0, anneal_until=0.6)
    hooks = Dense(config).hooks(pong_arena(), np.random.default_rng(0))
    assert isinstance(hooks, Shaping)
    hooks.on_rollout(rollout, progress)
    assert rollout.bonus is not None
    return rollout.bonus


@pytest.mark.parametrize("preset", ["tuned", "published"])
def test_weight_zero_is_the_baseline_to_the_last_bit(preset: str) -> None:
    plain = trained(Baseline, preset=preset)
    assert_same_policy(plain, trained(Dense, preset=preset, weight=0))
    assert differ(plain, trained(Dense, preset=preset, weight=0.5))


def test_what_the_game_finds_good_is_paid_and_what_it_finds_bad_is_charged() -> None:
    rollout = made_up_rollout(np.random.default_rng(0))
    rollout.dense = np.zeros_like(rollout.dense)
    rollout.dense[1, 2], rollout.dense[3, 0] = 1.0, -1.0
    bonus = paid(rollout)
    assert bonus[1, 2] == 3.0  # 5 deviations, clipped
    assert bonus[3, 0] == -3.0
    others = np.ones(bonus.shape, dtype=bool)
    others[1, 2] = others[3, 0] = False
    assert np.abs(bonus[others]).max() < 1e-6


def test_the_signal_is_the_dense_reward_and_no_other_number() -> None:
    rollout = made_up_rollout(np.random.default_rng(0))
    other = made_up_rollout(np.random.default_rng(1))
    other.dense = rollout.dense
    np.testing.assert_array_equal(paid(rollout), standardised(rollout.dense))
    np.testing.assert_array_equal(paid(other), rollout.bonus)


def test_in_a_game_it_is_the_reward_of_the_adversary_s_own_seat() -> None:
    """What the game itself gives seat 0 for each step, watched below the arena."""
    config = toy_config(Dense, weight=1.0)
    arena = pong_arena(config.matches)
    play, given = arena.game.step, []

    def watched(actions: Any) -> Step:
        step = play(actions)
        given.append(step.dense.copy())
        return step

    arena.game.step = watched  # type: ignore[method-assign]
    hooks = Dense(config).hooks(arena, np.random.default_rng(0))
    learner = PPO(arena, config, np.random.default_rng(1), hooks=hooks)
    learner.enter(arena)
    rollout = learner._collector.collect()
    own, other = np.moveaxis(np.stack(given), -1, 0)
    assert not np.array_equal(own, other)
    np.testing.assert_array_equal(paid(rollout), standardised(own))


def test_the_curve_tells_the_mean_dense_reward() -> None:
    progress = Quiet()
    trained(Dense, progress)
    assert all("dense_reward" in point.diagnostics for point in progress.curve)
    rollout = made_up_rollout(np.random.default_rng(0))
    hooks = Dense(toy_config(Dense)).hooks(pong_arena(), np.random.default_rng(0))
    hooks.on_rollout(rollout, 0.0)
    assert hooks.diagnostics() == {"dense_reward": pytest.approx(float(rollout.dense.mean()))}
    assert progress.curve[-1].steps == BUDGET


@pytest.mark.parametrize("game", registry.games.names())
def test_it_is_a_fair_control(game: str) -> None:
    """The baseline's PPO, and the weight and anneal of the attack that it controls."""
    card = registry.game(game).describe()
    dense, ours = Dense.configure(card, {}), Ours.configure(card, {})
    assert isinstance(dense, ShapedConfig)
    shared = set(BaselineConfig.model_fields)
    assert dense.model_dump(include=shared) == Baseline.configure(card, {}).model_dump()
    assert dense.model_dump() == ours.model_dump(include=set(ShapedConfig.model_fields))
    assert dense.weight == shaped_defaults(card)["weight"]
    assert type(dense).model_fields.keys() - shared == {"weight", "anneal_until"}


def test_the_published_preset_keeps_its_ppo() -> None:
    dense = Dense.configure(PONG, {"preset": "published"})
    plain = Baseline.configure(PONG, {"preset": "published"})
    assert dense.model_dump(include=set(BaselineConfig.model_fields)) == plain.model_dump()
