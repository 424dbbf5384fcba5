"""Updates on random data of a training's shapes: how long they take on a device, what they give.

What matters of the data to either is its size, so no game is played.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.arena.tally import Tally
from benchmark.learning.descent import Descent
from benchmark.learning.device import Device
from benchmark.learning.loss import PPOConfig, Table
from benchmark.learning.networks import ActorCritic
from benchmark.learning.rollout import HALF_LOG_2PI, Rollout

Array = NDArray[np.float32]
UPDATES = 2
"""Timed updates. One more comes first, untimed, while the device loads what it needs."""


class Trial(NamedTuple):
    """What a device made of it."""

    seconds: float
    """Of one update, the ways of rows and weights there and back included."""
    gradient: Array
    """(P,) of the first minibatch, from weights that are the same on every device."""


def trial(config: PPOConfig, obs_dim: int, act_dim: int, device: Device) -> Trial:
    """An update of a network with such inputs and outputs, in a training of this config."""
    rng = np.random.default_rng(0)
    network = ActorCritic(
        obs_dim, act_dim,
        hidden=config.hidden, activation=config.activation, log_std=config.log_std, rng=rng,
    )  # fmt: skip
    rollout = random_rollout(config, obs_dim, act_dim, rng)
    advantages, returns = (_normal(rng, *rollout.values.shape) for _ in range(2))
    descent = Descent(network, config, device)
    first = torch.arange(min(config.minibatch, rollout.steps)).to(device.name)
    table = Table(rollout, advantages, returns, device)
    descent.differentiate(table, first, config.clip, _nothing)
    gradient: Array = descent.gradient.detach().cpu().numpy().copy()
    seconds = []
    for _ in range(1 + UPDATES):
        began = time.perf_counter()
        descent.fetch()
        table = Table(rollout, advantages, returns, device)
        descent.epochs(table, rng, config.learning_rate, config.clip, _nothing)
        descent.deliver()  # waits for all that was launched
        seconds.append(time.perf_counter() - began)
    return Trial(min(seconds[1:]), gradient)


def apart(one: Array, other: Array) -> float:
    """|difference| / |one| of two gradients (P,)."""
    return float(np.linalg.norm(one - other) / (np.linalg.norm(one) + 1e-12))


def random_rollout(
    config: PPOConfig, obs_dim: int, act_dim: int, rng: np.random.Generator
) -> Rollout:
    """One of a config's size in which nothing happened, seen by nobody."""
    shape = config.rollout_steps, config.matches
    noise = _normal(rng, *shape, act_dim)
    std = np.float32(np.exp(config.log_std))
    nothing = np.zeros(shape, dtype=np.float32)
    log_probs = -0.5 * np.square(noise).sum(-1) - act_dim * (config.log_std + HALF_LOG_2PI)
    return Rollout(
        obs=_normal(rng, *shape, obs_dim), actions=std * noise, means=np.zeros_like(noise),
        log_probs=log_probs.astype(np.float32), values=_normal(rng, *shape), rewards=nothing,
        ends=nothing.astype(bool), last_obs=_normal(rng, config.matches, obs_dim),
        last_value=nothing[0], other_obs=nothing[..., None], other_action=nothing[..., None],
        dense=nothing, member=nothing.astype(np.intp), result=nothing.astype(np.int8),
        tally=Tally(),
    )  # fmt: skip


def _normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape, dtype=np.float32)


def _nothing(rows: torch.Tensor, mean: torch.Tensor) -> None:
    """No method adds to the loss."""
