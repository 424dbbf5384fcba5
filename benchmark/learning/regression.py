"""Small networks fitted online by regression: what an attack learns of what it passively sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.learning.checkpoint import Arrays
from benchmark.learning.networks import (
    Tower,
    flatten_parameters,
)
from benchmark.policies.policy import Activation

Array = NDArray[np.float32]


class Regressor:
    """An MLP y = f(x) fitted by Adam on the squared error outside a dead zone.

    loss = mean(max(|f(x) - y| - dead_zone, 0)^2). With squash, f ends in tanh.
    Outside `fit` the network is frozen, so that gradients pass through it and never into it.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        hidden: Sequence[int],
        activation: Activation,
        dead_zone: float,
        learning_rate: float,
        rng: np.random.Generator,
        squash: bool = False,
    ):
        self._squash = squash
        self.network = Tower((inputs, *hidden, outputs), activation)
        self.network.initialise(rng, last_gain=1.0)
        self._flat = flatten_parameters(self.network)
        self._optimiser = torch.optim.Adam([self._flat], lr=learning_rate)
        self._dead_zone = dead_zone
        self._rng = rng
        self.network.requires_grad_(False)

    def __call__(self, x: Tensor) -> Tensor:
        """f(x): (B, outputs), differentiable in x."""
        out: Tensor = self.network(x)
        return out.tanh() if self._squash else out

    def infer(self, x: Array) -> Array:
        """f(x) on NumPy arrays, without gradients."""
        out = self.network.infer(x)
        return np.tanh(out) if self._squash else out

    def fit(self, x: Array, y: Array, *, rows: int, minibatch: int) -> None:
        """One pass over `rows` of the pairs (K, inputs), (K, outputs), drawn at random."""
        order = torch.from_numpy(self._rng.permutation(len(x))[:rows])
        inputs, targets = torch.from_numpy(x)[order], torch.from_numpy(y)[order]
        self.network.requires_grad_(True)
        parts = zip(torch.split(inputs, minibatch), torch.split(targets, minibatch), strict=True)
        for part, target in parts:
            error = self(part) - target
            if self._dead_zone > 0:
                error = (error.abs() - self._dead_zone).clamp_min(0.0)
            self._optimiser.zero_grad(set_to_none=False)
            error.square().mean().backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
        self.network.requires_grad_(False)

    def state(self) -> Arrays:
        """Weights and moments, for a checkpoint."""
        moments: dict[str, Any] = self._optimiser.state_dict()["state"].get(0, {})
        return {
            "flat": self._flat.detach().numpy().copy(),
            **{f"adam.{name}": value.numpy().copy() for name, value in moments.items()},
        }

    def restore(self, arrays: Arrays) -> None:
        """Continue from `state()`."""
        with torch.no_grad():
            self._flat.copy_(torch.from_numpy(arrays["flat"]))
        state = self._optimiser.state_dict()
        moments = {
            name.removeprefix("adam."): torch.from_numpy(value.copy())
            for name, value in arrays.items()
            if name.startswith("adam.")
        }
        state["state"] = {0: moments} if moments else {}
        self._optimiser.load_state_dict(state)


def explained(predicted: Array, actual: Array) -> float:
    """1 - MSE / variance, over all rows and columns: 1 perfect, 0 no better than the mean."""
    variance = float(np.square(actual - actual.mean(axis=0)).mean())
    return 1.0 - float(np.square(predicted - actual).mean()) / variance if variance else 0.0
