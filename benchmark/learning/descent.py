"""Adam on PPO's loss: the part of an update that may be computed on another device."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.learning.checkpoint import Arrays
from benchmark.learning.device import CPU, Device
from benchmark.learning.loss import PPOConfig, Table, moments_of, ppo_loss, standardised
from benchmark.learning.networks import Network, flatten_parameters
from benchmark.learning.shards import Shards

ExtraLoss = Callable[[Tensor, Tensor], Tensor | None]
"""(rows (B,), mean (B, act_dim)) -> a scalar to be added to the loss, as `Hooks.extra_loss`."""


class Descent:
    """Steps down the loss of a network that others play by; on a device apart, of its twin."""

    def __init__(self, network: Network, config: PPOConfig, device: Device = CPU):
        self._config, self._device = config, device
        self._here = flatten_parameters(network)
        self.network, self._flat = network, self._here
        if device.apart:
            self.network = copy.deepcopy(network).to(device.name)
            self._flat = flatten_parameters(self.network)
        # Parts are for several cores; elsewhere they would only be more launches.
        shards = config.shards if device.is_cores else 1
        self._shards = Shards(self.network, self._flat, shards)
        self.optimiser = torch.optim.Adam([self._flat], lr=config.learning_rate, eps=1e-5)

    def fetch(self) -> None:
        """Take the weights as they are now to the device."""
        _copy(self._here, self._flat)

    def deliver(self) -> None:
        """Bring the device's weights back to those that are played by."""
        _copy(self._flat, self._here)

    @property
    def finite(self) -> bool:
        """Whether all weights are numbers."""
        return bool(torch.isfinite(self._flat).all())

    @property
    def gradient(self) -> Tensor:
        """Of the last minibatch: (P,), with P the number of all parameters."""
        assert self._flat.grad is not None
        return self._flat.grad

    def epochs(
        self, table: Table, rng: np.random.Generator, rate: float, clip: float, extra: ExtraLoss
    ) -> float:
        """Some epochs of minibatch steps at a learning rate; returns the mean loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        losses = []
        for _ in range(self._config.epochs):
            order = torch.from_numpy(rng.permutation(table.sequences)).to(self._device.name)
            for sequences in torch.split(order, self._config.minibatch // self.network.sequence):
                losses.append(self.step(table, sequences, clip, extra))
        return float(torch.stack(losses).mean())

    def step(self, table: Table, sequences: Tensor, clip: float, extra: ExtraLoss) -> Tensor:
        """One minibatch; returns its loss."""
        loss = self.differentiate(table, sequences, clip, extra)
        if self._config.max_grad_norm is not None:
            norm = torch.linalg.vector_norm(self.gradient)
            self.gradient.mul_((self._config.max_grad_norm / (norm + 1e-6)).clamp(max=1.0))
        self.optimiser.step()
        return loss

    def differentiate(
        self, table: Table, sequences: Tensor, clip: float, extra: ExtraLoss
    ) -> Tensor:
        """Leave a minibatch's gradient in `gradient`; returns its loss."""
        parts = torch.split(sequences, -(-len(sequences) // self._shards.count))
        whole = len(parts) == 1
        moments = None if whole else moments_of(table.advantages[table.rows(sequences)])

        def loss_of(network: Network, some: Tensor) -> Tensor:
            batch = table.take(some)
            if self._config.advantage_norm == "minibatch":
                advantages = standardised(batch.advantages, moments)
                batch = batch._replace(advantages=advantages)
            mean, value = network.means(batch.obs, batch.sequences), network.vf(batch.obs)[:, 0]
            loss = ppo_loss(self._config, clip, batch, mean, network.log_std, value)
            added = extra(table.rows(some), mean)
            if added is not None:
                loss = loss + added
            return loss if whole else loss * (len(some) / len(sequences))

        return self._shards.backward(parts, loss_of)

    def state(self) -> Arrays:
        """The optimiser's, for a checkpoint; the weights are the network's own."""
        return optimiser_arrays(self.optimiser)

    def restore(self, arrays: Arrays) -> None:
        """Continue from `state()`."""
        restore_optimiser(self.optimiser, arrays)


def _copy(source: nn.Parameter, target: nn.Parameter) -> None:
    if target is not source:
        target.data.copy_(source.data)


def optimiser_arrays(optimiser: torch.optim.Optimizer) -> Arrays:
    """Adam's moments and step counts, by parameter index."""
    return {
        f"{index}.{name}": value.detach().cpu().numpy()
        for index, moments in optimiser.state_dict()["state"].items()
        for name, value in moments.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, arrays: Arrays) -> None:
    """Continue Adam from `optimiser_arrays`."""
    state = optimiser.state_dict()
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in arrays.items():
        index, name = key.split(".", 1)
        moments.setdefault(int(index), {})[name] = torch.from_numpy(value.copy())
    state["state"] = moments
    optimiser.load_state_dict(state)
