"""The learner as a whole: repeatable, resumable, able to learn, clear when it cannot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.arena.tally import Tally
from benchmark.errors import Misuse
from benchmark.games.pong import Pong
from benchmark.learning.loss import PPOConfig
from benchmark.learning.ppo import PPO, Hooks, TrainingDiverged
from benchmark.learning.progress import Quiet
from benchmark.learning.rollout import Rollout
from benchmark.policies.policy import MLPPolicy, PolicyCard, ZeroPolicy
from benchmark.submissions.toys import Killed, Mortal

CARD = PolicyCard(
    name="x", kind="mlp", game="pong-v1", seat="left", obs_dim=13, act_dim=2, origin="test"
)
BUDGET = 6 * 512
MakeArena = Callable[[], Arena]


def _train(arena: Arena, config: PPOConfig, progress: Quiet, **extra: object) -> MLPPolicy:
    learner = PPO(arena, config, np.random.default_rng(5), **extra)  # type: ignore[arg-type]
    learner.learn(BUDGET, progress)
    return learner.policy(CARD)


def _assert_same(a: MLPPolicy, b: MLPPolicy) -> None:
    for name, tensor in a.tensors().items():
        np.testing.assert_array_equal(tensor, b.tensors()[name], err_msg=name)


def test_training_twice_gives_the_same_policy(arena: MakeArena, config: PPOConfig) -> None:
    first, second = Quiet(), Quiet()
    _assert_same(_train(arena(), config, first), _train(arena(), config, second))
    assert first.curve == second.curve


def test_another_seed_gives_another_policy(arena: MakeArena, config: PPOConfig) -> None:
    one = _train(arena(), config, Quiet())
    learner = PPO(arena(), config, np.random.default_rng(6))
    learner.learn(BUDGET, Quiet())
    other = learner.policy(CARD)
    assert not np.array_equal(one.tensors()["layer0.weight"], other.tensors()["layer0.weight"])


@pytest.mark.parametrize("after", [2, 4, 6])
def test_a_killed_training_ends_as_if_it_had_not_been(
    arena: MakeArena,
    config: PPOConfig,
    tmp_path,
    after: int,
) -> None:
    whole = _train(arena(), config, Quiet())
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Killed):
        _train(arena(), config, Mortal(path, after))
    _assert_same(whole, _train(arena(), config, Mortal(path)))


def test_budget_is_never_overrun(arena: MakeArena, config: PPOConfig) -> None:
    progress = Quiet()
    learner = PPO(arena(), config, np.random.default_rng(0))
    learner.learn(BUDGET + 511, progress)
    assert progress.curve[-1].steps == learner.steps == BUDGET


def test_a_budget_below_one_rollout_is_refused(arena: MakeArena, config: PPOConfig) -> None:
    with pytest.raises(Misuse, match=r"511 steps is less than one rollout \(512\)"):
        PPO(arena(), config, np.random.default_rng(0)).learn(511, Quiet())


def test_an_arena_of_another_width_is_refused(victim: MLPPolicy, config: PPOConfig) -> None:
    narrow = Arena(Pong(3), "left", Mixture.of(victim), seed=0)
    with pytest.raises(Misuse, match="3 matches, expected 16"):
        PPO(narrow, config, np.random.default_rng(0))


def test_a_loss_that_is_not_finite_stops_the_training(arena: MakeArena, config: PPOConfig) -> None:
    class Poison(Hooks):
        def on_rollout(self, rollout: Rollout, progress: float) -> None:
            rollout.rewards = rollout.rewards * np.float32(np.nan)

    learner = PPO(arena(), config, np.random.default_rng(0), hooks=Poison())
    with pytest.raises(TrainingDiverged, match="nan"):
        learner.learn(BUDGET, Quiet())


def test_a_method_s_number_that_is_not_finite_stops_the_training(
    arena: MakeArena, config: PPOConfig
) -> None:
    """A model that has diverged, whether or not it has entered the loss yet."""

    class Lost(Hooks):
        def diagnostics(self) -> dict[str, float]:
            return {"surrogate_r2": float("-inf")}

    learner = PPO(arena(), config, np.random.default_rng(0), hooks=Lost())
    with pytest.raises(TrainingDiverged, match="'surrogate_r2' became -inf"):
        learner.learn(BUDGET, Quiet())


def test_weights_that_are_not_finite_stop_the_training(arena: MakeArena, config: PPOConfig) -> None:
    """Where the last loss still was: its gradient alone is not a number."""

    class Edge(Hooks):
        def extra_loss(self, rows: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
            return (mean - mean.detach()).square().sum().sqrt()  # 0, with a slope of 0 / 0

    config = config.model_copy(update={"epochs": 1, "minibatch": 512})
    learner = PPO(arena(), config, np.random.default_rng(0), hooks=Edge())
    with pytest.raises(TrainingDiverged, match=r"the loss became -?\d\S* at step 0: .*weights"):
        learner.learn(BUDGET, Quiet())
    assert learner.steps == 0


def test_advantages_are_left_as_they_are_unless_a_hook_changes_them(
    arena: MakeArena, config: PPOConfig
) -> None:
    class Same(Hooks):
        """Says what the default says."""

        def advantages(self, rollout: Rollout, advantages: np.ndarray) -> np.ndarray:
            assert advantages.shape == rollout.rewards.shape
            return advantages

    class Against(Hooks):
        """Learns to do worse."""

        def advantages(self, rollout: Rollout, advantages: np.ndarray) -> np.ndarray:
            return -advantages

    given = np.ones((3, 2), dtype=np.float32)
    assert Hooks().advantages(None, given) is given  # type: ignore[arg-type]
    plain, default, same, against = (
        _train(arena(), config, Quiet(), hooks=hooks)
        for hooks in (None, Hooks(), Same(), Against())
    )
    _assert_same(plain, default)
    _assert_same(plain, same)
    one, other = (policy.tensors()["layer0.weight"] for policy in (plain, against))
    assert not np.array_equal(one, other)


def test_a_hook_s_advantages_leave_the_critic_s_targets_alone(
    arena: MakeArena, config: PPOConfig
) -> None:
    """With none at all the policy stays as it was made, and the critic learns as ever."""

    class Nothing(Hooks):
        def advantages(self, rollout: Rollout, advantages: np.ndarray) -> np.ndarray:
            return np.zeros_like(advantages)

    config = config.model_copy(update={"entropy": 0.0, "max_grad_norm": None})
    learners = [
        PPO(arena(), config, np.random.default_rng(5), hooks=hooks) for hooks in (None, Nothing())
    ]
    fresh = {name: weight.clone() for name, weight in learners[0].network.state_dict().items()}
    for learner in learners:
        learner.enter(learner.arena)
        learner.improve(BUDGET)
    plain, idle = (learner.network.state_dict() for learner in learners)
    for name, weight in idle.items():
        wanted = plain[name] if name.startswith("vf") else fresh[name]
        torch.testing.assert_close(weight, wanted, rtol=0, atol=0, msg=name)


def test_it_learns_to_beat_a_motionless_player(config: PPOConfig) -> None:
    config = config.model_copy(
        update={
            "matches": 128, "rollout_steps": 128, "minibatch": 1024, "epochs": 4,
            "learning_rate": 3e-3, "activation": "relu", "clip_value": False, "obs_clip": None,
            "scale_reward": False, "entropy": 0.0, "gamma": 0.997, "hidden": (32, 32),
        }
    )  # fmt: skip
    arena = Arena(Pong(128), "left", Mixture.of(ZeroPolicy(2)), seed=0)
    progress = Quiet()
    PPO(arena, config, np.random.default_rng(1)).learn(360_000, progress)
    early = Tally.sum(point.tally for point in progress.curve[:4]).win_rate
    late = Tally.sum(point.tally for point in progress.curve[-4:]).win_rate
    assert late > early + 0.15


def test_starting_from_a_policy_keeps_its_actions_and_filter(
    arena: MakeArena, config: PPOConfig, victim: MLPPolicy
) -> None:
    learner = PPO(arena(), config, np.random.default_rng(0), start=victim)
    obs = np.random.default_rng(0).normal(size=(9, 13)).astype(np.float32)
    np.testing.assert_allclose(
        learner.network.pi.infer(learner.filter.apply(obs)), victim.mean(obs), rtol=1e-6
    )
    assert learner.filter.frozen


def test_the_frozen_policy_acts_as_the_network(arena: MakeArena, config: PPOConfig) -> None:
    learner = PPO(arena(), config, np.random.default_rng(0))
    learner.learn(BUDGET, Quiet())
    obs = np.random.default_rng(0).normal(size=(9, 13)).astype(np.float32)
    frozen = learner.policy(CARD)
    assert frozen.card.filter_clip == 10.0
    np.testing.assert_allclose(
        frozen.mean(obs), learner.network.pi.infer(learner.filter.apply(obs)), rtol=1e-6
    )
