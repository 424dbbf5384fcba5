"""Small trainings that several tests share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.games.pong import Pong
from benchmark.learning.loss import PPOConfig
from benchmark.learning.threads import use_threads
from benchmark.policies.policy import MLPPolicy, PolicyCard

MATCHES, STEPS = 16, 32


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Results are compared to the last bit, so the thread count is fixed."""
    use_threads(1)


@pytest.fixture
def config() -> PPOConfig:
    """Every feature of the learner switched on, at a toy size."""
    return PPOConfig(
        matches=MATCHES, rollout_steps=STEPS, minibatch=100, epochs=2, learning_rate=1e-3,
        anneal=True, anneal_clip=True, gamma=0.99, gae_lambda=0.95, clip=0.2, clip_value=True,
        entropy=0.01, value_weight=0.5, max_grad_norm=0.5, advantage_norm="minibatch",
        log_std=-0.5, hidden=(16, 16), activation="tanh", obs_clip=10.0, scale_reward=True,
    )  # fmt: skip


@pytest.fixture
def victim() -> MLPPolicy:
    """A sampled player with random weights."""
    return random_policy(np.random.default_rng(7))


@pytest.fixture
def arena(victim: MLPPolicy) -> Callable[[], Arena]:
    """Makes the same fresh arena every time."""
    return lambda: Arena(Pong(MATCHES), "left", Mixture.of(victim), seed=3)


def random_policy(rng: np.random.Generator) -> MLPPolicy:
    """A 13-8-2 network with weights from rng that is ranked in sampled mode."""
    card = PolicyCard(
        name="scribble", kind="mlp", game="pong-v1", seat="any", obs_dim=13, act_dim=2,
        hidden=(8,), action_mode="sampled", stochastic=True, origin="test",
    )  # fmt: skip
    shapes = {
        "layer0.weight": (13, 8), "layer0.bias": (8,), "layer1.weight": (8, 2),
        "layer1.bias": (2,), "log_std": (2,),
    }  # fmt: skip
    tensors = {k: rng.normal(0, 0.5, s).astype(np.float32) for k, s in shapes.items()}
    return MLPPolicy(card, tensors)
