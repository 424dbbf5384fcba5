"""What the learner trains: a policy, a value tower, a state-independent log-std.

Torch holds the weights and differentiates; rollouts read the same memory through NumPy. Here are
the interface and the feed-forward network; the one with a memory is in recurrent.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.learning.normalise import RunningMoments
from benchmark.policies.policy import (
    Activation,
    MLPPolicy,
    NetworkPolicy,
    PolicyCard,
    activate,
)

Array = NDArray[np.float32]
Play = Callable[[Array, Array | None], tuple[Array, Array | None]]
"""(filtered obs (N, obs_dim), memory (N, M)) -> means (N, act_dim), the next memory."""


class Tower(nn.Module):
    """Dense layers with a nonlinearity between, linear at the end."""

    def __init__(self, widths: Sequence[int], activation: Activation):
        super().__init__()
        self.activation = activation
        self.dense = tuple(nn.Linear(a, b) for a, b in pairwise(widths))
        self._registered = nn.ModuleList(self.dense)
        self._views: list[tuple[Array, Array]] = []

    def initialise(self, rng: np.random.Generator, last_gain: float) -> None:
        """Orthogonal weights (gain sqrt 2, the last layer `last_gain`), zero biases."""
        for i, layer in enumerate(self.dense):
            gain = last_gain if i == len(self.dense) - 1 else np.sqrt(2.0)
            weight = orthogonal(layer.weight.shape, gain, rng)
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(weight))
                layer.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        function = torch.tanh if self.activation == "tanh" else torch.relu
        for layer in self.dense[:-1]:
            x = function(layer(x))
        return cast(Tensor, self.dense[-1](x))

    def infer(self, x: Array) -> Array:
        """The same map without gradients, on NumPy arrays."""
        if not self._views:
            self._views = [
                (layer.weight.detach().numpy().T, layer.bias.detach().numpy())
                for layer in self.dense
            ]
        for i, (weight, bias) in enumerate(self._views):
            x = np.matmul(x, weight)
            x += bias
            if i < len(self._views) - 1:
                activate(x, self.activation)
        return x


def orthogonal(shape: Sequence[int], gain: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A matrix (rows, columns) with orthonormal rows or columns, times gain (Saxe et al. 2014)."""
    rows, columns = shape
    flat = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(flat)
    q = q * np.sign(np.diag(r))
    return np.ascontiguousarray(gain * (q if rows >= columns else q.T), dtype=np.float32)


class ObsFilter:
    """Standardises observations: by running statistics while learning, or by frozen ones."""

    def __init__(self, obs_dim: int, clip: float | None, frozen: bool = False):
        self.clip, self.frozen = clip, frozen
        self.moments = RunningMoments((obs_dim,))
        self._refresh()

    @classmethod
    def of_policy(cls, policy: NetworkPolicy) -> ObsFilter:
        """The filter on a policy's card, frozen."""
        made = cls(policy.card.obs_dim, policy.card.filter_clip, frozen=True)
        if made.clip is not None:
            tensors = policy.tensors()
            made._mean, made._std = tensors["filter.mean"], tensors["filter.std"]
        return made

    def apply(self, obs: Array) -> Array:
        """Standardised and clipped observations, or the very input where there is no filter."""
        if self.clip is None:
            return obs
        z = (obs - self._mean) / self._std
        return np.asarray(np.clip(z, -self.clip, self.clip), dtype=np.float32)

    def update(self, obs: Array) -> None:
        """Take in raw observations (K, obs_dim), unless frozen or absent."""
        if self.clip is not None and not self.frozen:
            self.moments.update(obs)
            self._refresh()

    def tensors(self) -> dict[str, Array]:
        """As a policy artifact stores it."""
        return {} if self.clip is None else {"filter.mean": self._mean, "filter.std": self._std}

    def state(self) -> dict[str, NDArray[Any]]:
        """For a checkpoint; a frozen filter comes from its policy instead."""
        return {} if self.frozen else self.moments.state()

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Continue from `state()`."""
        if not self.frozen:
            self.moments.restore(state)
            self._refresh()

    def _refresh(self) -> None:
        self._mean = self.moments.mean.astype(np.float32)
        self._std = self.moments.deviation


class Sequences(NamedTuple):
    """Which steps follow which in a minibatch of L * B rows, time first.

    memory: (B, M) before the first step; ends: (L, B) bool, the match ended with this step.
    """

    memory: Tensor
    ends: Tensor


class Network(nn.Module, ABC):
    """pi(a|o, memory) = N(mean, exp(log_std)^2), V(o) = vf(o), on filtered observations."""

    pi: nn.Module
    vf: Tower
    log_std: nn.Parameter
    sequence: ClassVar[int] = 1
    """Steps that stay together in a minibatch."""

    def policy_parameters(self) -> Iterator[nn.Parameter]:
        """The weights that the mean action depends on: not the critic's, not log_std."""
        return self.pi.parameters()

    def initial_memory(self, matches: int) -> Array | None:
        """(matches, M), zero, as where a match has ended; None for a network without memory."""
        return None

    @abstractmethod
    def player(self) -> Play:
        """Plays by the weights of now, without gradients, until they are next changed."""

    @abstractmethod
    def means(self, obs: Tensor, sequences: Sequences | None) -> Tensor:
        """Mean actions (B, act_dim) with their graph; sequences: None without memory."""

    @abstractmethod
    def freeze(self, card: PolicyCard, obs_filter: ObsFilter) -> NetworkPolicy:
        """The policy as it stands; the card gets the network's own shape and filter."""


class ActorCritic(Network):
    """The feed-forward network: mean = pi(o)."""

    pi: Tower

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        *,
        hidden: Sequence[int],
        activation: Activation,
        log_std: float,
        rng: np.random.Generator,
    ):
        super().__init__()
        self.pi = Tower((obs_dim, *hidden, act_dim), activation)
        self.vf = Tower((obs_dim, *hidden, 1), activation)
        self.log_std = nn.Parameter(torch.full((act_dim,), log_std))
        self.pi.initialise(rng, last_gain=0.01)
        self.vf.initialise(rng, last_gain=1.0)

    @classmethod
    def from_policy(
        cls, policy: MLPPolicy, *, log_std: float, rng: np.random.Generator
    ) -> ActorCritic:
        """Start from a policy's weights, with a fresh value tower.

        log_std is used where the policy has none of its own.
        """
        card, tensors = policy.card, policy.tensors()
        made = cls(
            card.obs_dim, card.act_dim,
            hidden=card.hidden, activation=card.activation, log_std=log_std, rng=rng,
        )  # fmt: skip
        with torch.no_grad():
            for i, layer in enumerate(made.pi.dense):
                layer.weight.copy_(torch.from_numpy(tensors[f"layer{i}.weight"].T.copy()))
                layer.bias.copy_(torch.from_numpy(tensors[f"layer{i}.bias"].copy()))
            if "log_std" in tensors:
                made.log_std.copy_(torch.from_numpy(tensors["log_std"].copy()))
        return made

    def player(self) -> Play:
        infer = self.pi.infer
        return lambda obs, memory: (infer(obs), memory)

    def means(self, obs: Tensor, sequences: Sequences | None) -> Tensor:
        return cast(Tensor, self.pi(obs))

    def freeze(self, card: PolicyCard, obs_filter: ObsFilter) -> MLPPolicy:
        tensors = {"log_std": self.log_std.detach().numpy().copy(), **obs_filter.tensors()}
        for i, layer in enumerate(self.pi.dense):
            tensors[f"layer{i}.weight"] = layer.weight.detach().numpy().T.copy()
            tensors[f"layer{i}.bias"] = layer.bias.detach().numpy().copy()
        widths = [layer.out_features for layer in self.pi.dense]
        card = card.model_copy(
            update={
                "hidden": tuple(widths[:-1]),
                "activation": self.pi.activation,
                "filter_clip": obs_filter.clip,
                "stochastic": True,
            }
        )
        return MLPPolicy(card, tensors)


def flatten_parameters(module: nn.Module) -> nn.Parameter:
    """Make all of a module's parameters views of one flat vector, and return that vector.

    Clipping and Adam then act on one tensor instead of a dozen: a tenth of an update's time.
    """
    parameters = list(module.parameters())
    flat = torch.cat([p.detach().reshape(-1) for p in parameters])
    grad = torch.zeros_like(flat)
    lay_over(module, flat, grad)
    whole = nn.Parameter(flat)
    whole.grad = grad
    return whole


def lay_over(module: nn.Module, flat: Tensor, grad: Tensor) -> None:
    """Make a module's parameters, one after the other, views of `flat`, and their gradients of
    `grad`; both (P,) with P the number of all parameters."""
    start = 0
    for parameter in module.parameters():
        stop = start + parameter.numel()
        parameter.data = flat[start:stop].view_as(parameter)
        parameter.grad = grad[start:stop].view_as(parameter)
        start = stop
