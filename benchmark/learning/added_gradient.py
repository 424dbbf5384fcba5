"""How much a method adds to PPO's gradient: the diagnostic that tells a term from an absent one."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.learning.loss import PPOConfig, Table, ppo_loss, standardised
from benchmark.learning.networks import Network
from benchmark.learning.rollout import Rollout, gae

Array = NDArray[np.float32]


class AddedGradient:
    """|gradient of what was added| / |gradient of PPO's own|, on the policy's weights.

    Measured before an update on every k-th sequence of the rollout, a minibatch in all.
    """

    def __init__(self, config: PPOConfig, network: Network, rollout: Rollout, table: Table):
        self._config, self._network, self._rollout = config, network, rollout
        every = -(-rollout.steps // config.minibatch)
        sequences = torch.arange(0, table.sequences, every, device=table.advantages.device)
        self.rows = table.rows(sequences)
        """(B,) the indices of the rows to measure on."""
        self._batch = table.take(sequences)
        self.mean = network.means(self._batch.obs, self._batch.sequences)
        """(B, act_dim) the policy's means on those rows, with their graph."""

    def of_loss(self, added: Tensor) -> float:
        """For a term of the loss, computed from `mean`."""
        advantages = self._batch.advantages
        if self._config.advantage_norm == "minibatch":
            advantages = standardised(advantages)
        return self._ratio(added, self._surrogate(advantages))

    def of_bonus(self, advantages: Array, spread: float) -> float:
        """For a reward: its part of the advantages (T, N), which are linear in the rewards.

        Both parts are centred, as PPO centres their sum: a constant bonus adds nothing.
        advantages: PPO's own, before any standardisation; spread: what rewards are divided by.
        """
        rollout, config = self._rollout, self._config
        assert rollout.bonus is not None
        bonus = (rollout.bonus / np.float32(spread)).astype(np.float32)
        nothing = np.zeros_like(bonus)
        part = gae(bonus, nothing, rollout.ends, nothing[0], config.gamma, config.gae_lambda)[0]
        rows = self.rows
        pool = rows if config.advantage_norm == "minibatch" else slice(None)

        def centred(values: Array) -> Tensor:
            flat = torch.from_numpy(values.reshape(-1)).to(rows.device)
            return flat[rows] - flat[pool].mean()

        added = centred(part)
        return self._ratio(self._surrogate(added), self._surrogate(centred(advantages) - added))

    def _surrogate(self, advantages: Tensor) -> Tensor:
        """PPO's loss on these advantages (B,), its critic left out."""
        batch = self._batch._replace(advantages=advantages)
        log_std = self._network.log_std
        return ppo_loss(self._config, self._config.clip, batch, self.mean, log_std, batch.values)

    def _ratio(self, added: Tensor, own: Tensor) -> float:
        weights = list(self._network.policy_parameters())
        return _norm(added, weights) / (_norm(own, weights) + 1e-12)


def _norm(loss: Tensor, weights: list[nn.Parameter]) -> float:
    parts = torch.autograd.grad(loss, weights, retain_graph=True)
    return float(torch.stack([part.square().sum() for part in parts]).sum().sqrt())
