"""The learner held against stable-baselines3: advantages, losses, gradients, moments."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO as SB3PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.running_mean_std import RunningMeanStd

from benchmark.learning.loss import Batch, PPOConfig, ppo_loss, standardised
from benchmark.learning.networks import ActorCritic
from benchmark.learning.normalise import RewardScale, RunningMoments
from benchmark.learning.rollout import gae

OBS, ACT = 5, 2
TOLERANCE = 1e-5


class _Blank(gymnasium.Env[Any, Any]):
    """Only spaces: stable-baselines3 wants an environment to build its networks from."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBS,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (ACT,), np.float32)


def _experience(rng: np.random.Generator, steps: int, matches: int) -> dict[str, Any]:
    """Made-up rollout arrays (T, N, ...)."""
    return {
        "obs": rng.normal(size=(steps, matches, OBS)).astype(np.float32),
        "actions": rng.normal(size=(steps, matches, ACT)).astype(np.float32),
        "rewards": rng.normal(size=(steps, matches)).astype(np.float32),
        "values": rng.normal(size=(steps, matches)).astype(np.float32),
        "log_probs": rng.normal(-2, 0.3, size=(steps, matches)).astype(np.float32),
        "ends": rng.random((steps, matches)) < 0.1,
        "last_value": rng.normal(size=matches).astype(np.float32),
    }


def _fill(buffer: RolloutBuffer, e: dict[str, Any], rng: np.random.Generator) -> None:
    """Put the rollout into a stable-baselines3 buffer, whose flags mark episode starts."""
    starts = np.concatenate([np.zeros((1, e["ends"].shape[1]), bool), e["ends"][:-1]])
    buffer.reset()
    for t in range(len(e["rewards"])):
        buffer.add(
            e["obs"][t], e["actions"][t], e["rewards"][t], starts[t],
            torch.from_numpy(e["values"][t]), torch.from_numpy(e["log_probs"][t]),
        )  # fmt: skip
    buffer.compute_returns_and_advantage(torch.from_numpy(e["last_value"]), e["ends"][-1])


@pytest.mark.parametrize("seed", range(5))
def test_gae_equals_stable_baselines(seed: int) -> None:
    rng = np.random.default_rng(seed)
    e = _experience(rng, steps=40, matches=7)
    buffer = RolloutBuffer(
        40, _Blank.observation_space, _Blank.action_space,
        gamma=0.97, gae_lambda=0.9, n_envs=7,
    )  # fmt: skip
    _fill(buffer, e, rng)
    advantages, returns = gae(
        e["rewards"], e["values"], e["ends"], e["last_value"], gamma=0.97, lam=0.9
    )
    np.testing.assert_allclose(advantages, buffer.advantages, atol=TOLERANCE)
    np.testing.assert_allclose(returns, buffer.returns, atol=TOLERANCE)


def _twins(seed: int, e: dict[str, Any], entropy: float) -> tuple[Any, Any]:
    """A stable-baselines3 PPO that takes one plain gradient step, and our network alike."""
    steps, matches = e["rewards"].shape
    theirs = SB3PPO(
        "MlpPolicy", _Blank(),
        n_steps=steps * matches, batch_size=steps * matches, n_epochs=1, learning_rate=1.0,
        gamma=0.97, gae_lambda=0.9, clip_range=0.2,
        ent_coef=entropy, vf_coef=0.5, max_grad_norm=1e9, seed=seed,
        policy_kwargs={"net_arch": {"pi": [8, 8], "vf": [8, 8]}},
    )  # fmt: skip
    ours = ActorCritic(
        OBS, ACT, hidden=(8, 8), activation="tanh", log_std=-0.3, rng=np.random.default_rng(seed)
    )
    policy = theirs.policy
    with torch.no_grad():
        policy.log_std.fill_(-0.3)
        for target, source in zip(_their_layers(policy), _our_layers(ours), strict=True):
            target.weight.copy_(source.weight)
            target.bias.copy_(source.bias)
    policy.optimizer = torch.optim.SGD(policy.parameters(), lr=1.0)
    theirs._logger = Logger(folder=None, output_formats=[])
    theirs.rollout_buffer = RolloutBuffer(
        steps, _Blank.observation_space, _Blank.action_space,
        gamma=0.97, gae_lambda=0.9, n_envs=matches,
    )  # fmt: skip
    return theirs, ours


def _their_layers(policy: Any) -> list[torch.nn.Linear]:
    towers = (policy.mlp_extractor.policy_net, policy.mlp_extractor.value_net)
    pi, vf = ([m for m in tower if isinstance(m, torch.nn.Linear)] for tower in towers)
    return [*pi, policy.action_net, *vf, policy.value_net]


def _our_layers(network: ActorCritic) -> list[torch.nn.Linear]:
    return [*network.pi.dense, *network.vf.dense]


@pytest.mark.parametrize("entropy", [0.0, 0.02])
@pytest.mark.parametrize("seed", range(3))
def test_gradient_equals_stable_baselines(seed: int, entropy: float, config: PPOConfig) -> None:
    """One step of plain gradient descent moves every parameter alike."""
    rng = np.random.default_rng(seed)
    e = _experience(rng, steps=16, matches=4)
    theirs, ours = _twins(seed, e, entropy)
    _fill(theirs.rollout_buffer, e, rng)
    before = [p.detach().clone() for p in theirs.policy.parameters()]
    theirs.train()
    their_steps = dict(
        zip(
            [name for name, _ in theirs.policy.named_parameters()],
            [b - p.detach() for b, p in zip(before, theirs.policy.parameters(), strict=True)],
            strict=True,
        )
    )
    config = config.model_copy(update={"clip_value": False, "entropy": entropy, "clip": 0.2})
    advantages, returns = gae(
        e["rewards"], e["values"], e["ends"], e["last_value"], gamma=0.97, lam=0.9
    )
    flat = {k: torch.from_numpy(v.reshape(64, -1)) for k, v in e.items() if k != "last_value"}
    batch = Batch(
        flat["obs"], flat["actions"], flat["log_probs"][:, 0], flat["values"][:, 0],
        standardised(torch.from_numpy(advantages.reshape(-1))),
        torch.from_numpy(returns.reshape(-1)),
    )  # fmt: skip
    mean, value = ours.pi(batch.obs), ours.vf(batch.obs)[:, 0]
    ppo_loss(config, 0.2, batch, mean, ours.log_std, value).backward()
    np.testing.assert_allclose(
        ours.log_std.grad.numpy(), their_steps["log_std"].numpy(), atol=TOLERANCE
    )
    names = ["mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2", "action_net",
             "mlp_extractor.value_net.0", "mlp_extractor.value_net.2", "value_net"]  # fmt: skip
    for name, layer in zip(names, _our_layers(ours), strict=True):
        for part in ("weight", "bias"):
            np.testing.assert_allclose(
                getattr(layer, part).grad.numpy(),
                their_steps[f"{name}.{part}"].numpy(),
                atol=TOLERANCE, err_msg=f"{name}.{part}",
            )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "old", "target", "error"),
    [
        (1.0, 1.1, 0.0, 1.0),  # inside the range: the plain error
        (1.0, 0.0, 1.0, 0.64),  # the step is clipped to 0.2: the larger of 0 and 0.8^2
        (-1.0, 0.0, 1.0, 4.0),  # the larger of 2^2 and 1.2^2
    ],
)
def test_clipped_value_loss_takes_the_larger_error(
    value: float, old: float, target: float, error: float, config: PPOConfig
) -> None:
    """As PPO2 does (the published baseline); stable-baselines3 takes the clipped one alone."""
    config = config.model_copy(update={"entropy": 0.0, "value_weight": 1.0})
    one = torch.zeros(1)
    batch = Batch(
        torch.zeros(1, OBS), torch.zeros(1, ACT), one, one + old, one, one + target
    )  # an advantage of 0 leaves the value loss alone
    loss = ppo_loss(config, 0.2, batch, torch.zeros(1, ACT), torch.zeros(ACT), one + value)
    assert loss.item() == pytest.approx(error)


def test_running_moments_equal_stable_baselines() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = RunningMoments((3,)), RunningMeanStd(epsilon=1e-9, shape=(3,))
    for size in (5, 1, 400):
        rows = rng.normal(2, 3, (size, 3))
        ours.update(rows)
        theirs.update(rows)
    np.testing.assert_allclose(ours.mean, theirs.mean, atol=1e-7)
    np.testing.assert_allclose(ours.var, theirs.var, rtol=1e-6)


def test_reward_scale_divides_by_the_deviation_of_the_discounted_return() -> None:
    rng = np.random.default_rng(0)
    rewards = rng.normal(size=(50, 4)).astype(np.float32)
    ends = rng.random((50, 4)) < 0.2
    scaled = RewardScale(4, gamma=0.9).scale(rewards, ends)
    returns, running = [], np.zeros(4)
    for reward, end in zip(rewards, ends, strict=True):
        running = 0.9 * running + reward
        returns.append(running.copy())
        running[end] = 0
    np.testing.assert_allclose(scaled, rewards / np.std(returns), rtol=1e-4)
