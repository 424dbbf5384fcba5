"""Mixed retraining with noise on the victim's policy weights while it trains.

Behzadan, Munir (SAFECOMP workshops 2018): noise on the parameters of a deep Q-network in training
makes it less open to manipulated observations. Here it is a policy gradient, and the manipulation
is an opponent's play. The size of the noise follows Plappert et al. (ICLR 2018): Gaussian, drawn
once a rollout, its scale steered so that the mean actions move by about `delta` deviations of the
action's own noise. With delta = 0 it is mixed retraining, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from benchmark.learning.checkpoint import Checkpoint, generator_facts, restore_generator
from benchmark.learning.device import ANYWHERE
from benchmark.learning.networks import Network
from benchmark.learning.ppo import Hooks
from benchmark.learning.rollout import Rollout
from defenses.mixed import Mixed, MixedConfig, StepShare

Array = NDArray[np.float32]
FIRST_SCALE = 0.01
"""Of the first rollout: too little rather than a policy that cannot play."""
LARGEST_CHANGE = 2.0
"""Of the scale, by one rollout's distance."""


class ParameterNoiseConfig(MixedConfig):
    """Mixed retraining and the size of the noise."""

    delta: float = Field(
        default=0.5, ge=0,
        description="root mean square change of the mean actions, in their deviations; 0: no noise",
    )  # fmt: skip


class ParameterNoise(Mixed):
    """Mixed retraining at policy weights that are moved at random in every rollout."""

    name: ClassVar[str] = "parameter-noise"
    citation: ClassVar[str] = "after Behzadan & Munir 2018 and Plappert et al., ICLR 2018"
    devices = ANYWHERE
    Config: ClassVar[type[MixedConfig]] = ParameterNoiseConfig

    config: ParameterNoiseConfig

    def hooks(self, adversarial: Sequence[bool], rng: np.random.Generator) -> Hooks:
        if not self.config.delta:
            return super().hooks(adversarial, rng)
        return NoisyWeights(adversarial, self.config.delta, rng.spawn(1)[0])


class NoisyWeights(StepShare):
    """Moves the policy's weights for a rollout and the update on it, then moves them back.

    The update's gradient is taken at the moved weights, where the rollout was played, so that PPO
    stays on-policy; what it changes remains when the noise is taken off.
    """

    def __init__(self, adversarial: Sequence[bool], delta: float, rng: np.random.Generator):
        super().__init__(adversarial)
        self._delta, self._rng = delta, rng
        self._scale = FIRST_SCALE
        self._noise: list[Tensor] = []
        self._facts: dict[str, float] = {}

    def before_rollout(self, network: Network) -> None:
        self._network = network
        weights = _weights(network)
        self._still = [weight.clone() for weight in weights]
        self._noise = [self._scale * _normal(weight.shape, self._rng) for weight in weights]
        for weight, noise in zip(weights, self._noise, strict=True):
            weight.add_(noise)

    def on_rollout(self, rollout: Rollout, progress: float) -> None:
        super().on_rollout(rollout, progress)
        distance = self._distance(rollout)
        self._facts = {"noise_scale": self._scale, "noise_distance": distance}
        # The root, since how far one draw of noise goes is itself chance.
        wanted = np.sqrt(self._delta / distance) if distance > 0 else LARGEST_CHANGE
        self._scale *= float(np.clip(wanted, 1.0 / LARGEST_CHANGE, LARGEST_CHANGE))

    def after_update(self, network: Network) -> None:
        for weight, noise in zip(_weights(network), self._noise, strict=True):
            weight.sub_(noise)

    def diagnostics(self) -> dict[str, float]:
        return {**super().diagnostics(), **self._facts}

    def state(self) -> Checkpoint:
        made = super().state()
        made.facts |= {"noise_scale": self._scale, "noise_rng": generator_facts(self._rng)}
        return made

    def restore(self, checkpoint: Checkpoint) -> None:
        super().restore(checkpoint)
        self._scale = float(checkpoint.facts["noise_scale"])
        restore_generator(self._rng, checkpoint.facts["noise_rng"])

    def _distance(self, rollout: Rollout) -> float:
        """How far the noise moved the mean actions, by root mean square, in their deviations."""
        weights = _weights(self._network)
        moved = [weight.clone() for weight in weights]
        _put(weights, self._still)
        means = replayed(self._network, rollout)
        _put(weights, moved)
        std = np.exp(self._network.log_std.detach().numpy())
        return float(np.sqrt(np.square((rollout.means - means) / std).mean()))


def replayed(network: Network, rollout: Rollout) -> Array:
    """The mean actions (T, N, act_dim) of a network on what a rollout saw.

    A memory starts every sequence as the rollout's own: the observations are the rollout's too.
    """
    play, memory, means = network.player(), None, []
    for step, (obs, ended) in enumerate(zip(rollout.obs, rollout.ends, strict=True)):
        if rollout.memory is not None and step % network.sequence == 0:
            memory = rollout.memory[step // network.sequence].copy()
        mean, memory = play(obs, memory)
        if memory is not None:
            memory[ended] = 0.0
        means.append(mean)
    return np.stack(means)


def _weights(network: Network) -> list[Tensor]:
    """The policy's weights, without gradients; to write to them is to move the network."""
    return [weight.detach() for weight in network.policy_parameters()]


def _put(weights: list[Tensor], values: list[Tensor]) -> None:
    for weight, value in zip(weights, values, strict=True):
        weight.copy_(value)


def _normal(shape: torch.Size, rng: np.random.Generator) -> Tensor:
    return torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32))
