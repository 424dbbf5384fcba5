"""PPO's configuration and loss (Schulman et al. 2017), on minibatches of a flattened rollout."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor

from benchmark.learning.device import CPU, Device
from benchmark.learning.networks import Sequences
from benchmark.learning.rollout import HALF_LOG_2PI, Rollout
from benchmark.policies.policy import Activation

Array = NDArray[np.float32]


class PPOConfig(BaseModel):
    """Everything that moves a training's result, besides the arena and the seed.

    Defaults are the usual ones of PPO; what a game wants otherwise stands in a method's presets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    matches: int = Field(ge=1, description="matches played in parallel")
    rollout_steps: int = Field(ge=1, description="steps of each match between updates")
    minibatch: int = Field(ge=1)
    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    anneal: bool = Field(default=True, description="learning rate linear to 0 over the budget")
    gamma: float = Field(ge=0, le=1)
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    clip: float = Field(default=0.2, gt=0)
    anneal_clip: bool = Field(default=False, description="the clip shrinks with the rate")
    clip_value: bool = Field(default=False, description="clip the value's step as PPO2 does")
    entropy: float = Field(default=0.0, ge=0)
    value_weight: float = Field(default=0.5, ge=0)
    max_grad_norm: float | None = Field(default=0.5, gt=0, description="null: no clipping")
    advantage_norm: Literal["minibatch", "rollout"] = "minibatch"
    log_std: float = Field(ge=-10, le=3, description="initial log standard deviation of actions")
    hidden: tuple[PositiveInt, ...] = (64, 64)
    activation: Activation = "tanh"
    obs_clip: float | None = Field(default=None, description="standardise and clip; null: raw")
    scale_reward: bool = False
    shards: int = Field(
        default=1, ge=1, le=64, description="parts of a minibatch differentiated in parallel"
    )


class Batch(NamedTuple):
    """Rows of a rollout as torch tensors: obs (B, obs_dim), actions (B, act_dim), the rest (B,).

    sequences: how the rows of a recurrent network's rollout hang together.
    """

    obs: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor
    sequences: Sequences | None = None


class Table:
    """A rollout flattened to T * N rows of one matrix, so that a minibatch is one gather.

    It is taken by sequences of L steps of a match, (T / L) * N of them; without a memory L is 1
    and a sequence is a row.
    """

    def __init__(self, rollout: Rollout, advantages: Array, returns: Array, device: Device = CPU):
        """device: where the rows are to lie; sequences are then asked for by indices there."""
        flat = rollout.steps
        columns = (
            rollout.obs, rollout.actions, rollout.log_probs, rollout.values, advantages, returns,
        )  # fmt: skip
        parts = [torch.from_numpy(column.reshape(flat, -1)) for column in columns]
        self._widths = [part.shape[1] for part in parts]
        self._rows = torch.cat(parts, dim=1).to(device.name)
        self.advantages = parts[4][:, 0].to(device.name)
        self._matches, self._length = rollout.ends.shape[1], 1
        self._memory: Tensor | None = None
        if rollout.memory is not None:
            self._length = len(rollout.ends) // len(rollout.memory)
            self._memory = torch.from_numpy(rollout.memory.reshape(flat // self._length, -1))
            self._ends = torch.from_numpy(rollout.ends.reshape(flat))
        self.sequences = flat // self._length

    def rows(self, sequences: Tensor) -> Tensor:
        """The row indices (L * B,), time first, of the sequences of these indices (B,)."""
        if self._length == 1:
            return sequences
        part, match = sequences // self._matches, sequences % self._matches
        first = part * (self._length * self._matches) + match
        steps = self._matches * torch.arange(self._length)
        return torch.add(first, steps[:, None]).reshape(-1)

    def take(self, sequences: Tensor) -> Batch:
        """The rows of the sequences of these indices (B,)."""
        rows = self.rows(sequences)
        parts = torch.split(self._rows[rows], self._widths, dim=1)
        obs, actions, *scalars = parts
        log_probs, values, advantages, returns = (column[:, 0] for column in scalars)
        batch = Batch(obs, actions, log_probs, values, advantages, returns)
        if self._memory is None:
            return batch
        ends = self._ends[rows].view(self._length, -1)
        return batch._replace(sequences=Sequences(self._memory[sequences], ends))


class Moments(NamedTuple):
    """Mean and deviation of a minibatch's advantages."""

    mean: Tensor
    std: Tensor


def moments_of(advantages: Tensor) -> Moments | None:
    """The moments of (B,) advantages; None for a single one."""
    return Moments(advantages.mean(), advantages.std()) if len(advantages) > 1 else None


def standardised(advantages: Tensor, moments: Moments | None = None) -> Tensor:
    """Advantages (B,) by the moments given, or by their own; a single one stays as it is."""
    moments = moments or moments_of(advantages)
    if moments is None:
        return advantages
    return (advantages - moments.mean) / (moments.std + 1e-8)


def ppo_loss(
    config: PPOConfig,
    clip: float,
    batch: Batch,
    mean: Tensor,
    log_std: Tensor,
    value: Tensor,
) -> Tensor:
    """Clipped surrogate + value_weight * value loss - entropy * H (Schulman 2017, equation 9).

    mean: (B, act_dim); log_std: (act_dim,); value: (B,), as the network sees the batch now.
    Advantages are taken as they are: see `standardised`.
    """
    z = (batch.actions - mean) * torch.exp(-log_std)
    log_prob = -0.5 * z.square().sum(1) - (log_std + HALF_LOG_2PI).sum()
    ratio = torch.exp(log_prob - batch.log_probs)
    advantage = batch.advantages
    clipped = ratio.clamp(1.0 - clip, 1.0 + clip)
    surrogate = torch.min(ratio * advantage, clipped * advantage).mean()
    target = batch.returns
    if config.clip_value:
        old = batch.values
        near = old + (value - old).clamp(-clip, clip)
        errors = torch.max((value - target).square(), (near - target).square())
    else:
        errors = (value - target).square()
    loss = config.value_weight * errors.mean() - surrogate
    if config.entropy > 0.0:
        loss = loss - config.entropy * (log_std + 0.5 + HALF_LOG_2PI).sum()
    return loss
