"""The curiosity attack: the value difference, and a reward for states new to the victim's critic.

Gong et al.: Curiosity-Driven and Victim-Aware Adversarial Policies (ACSAC 2022). The critic that
stands in for the victim's value has a first hidden layer; on it sit a fixed random head and one
that learns to agree with it. Where they disagree the layer has not been, and the adversary is sent
there. The objective is taken from the released code.

Which equation is which function:
  A = std(A_adv) + weight * (beta * std(A_int) - std(A_vic))     `CuriousDifference.added`
  r_int = mean_k (fixed_k - learned_k)^2 / 2 on the layer h      `Novelty.of`
  h = tanh(W_1 o_adv + b_1) of V_vic                             `first_layer`
With weight = 0 the attack is the baseline of preset `tuned`, bit for bit; with beta = 0 it is
`value-difference`.

Both heads are linear, so the one can copy the other outright: what is left of the reward then is
how the layer below them moves, and standardising its advantages hides that it has become small.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field

from attacks.baseline import BaselineConfig
from attacks.value_difference import (
    Array,
    Critic,
    Difference,
    ValueDifference,
    ValueDifferenceConfig,
    in_deviations,
)
from benchmark.arena.arena import Arena
from benchmark.learning.checkpoint import Arrays, Checkpoint, generator_facts, restore_generator
from benchmark.learning.networks import orthogonal
from benchmark.learning.ppo import Hooks
from benchmark.learning.regression import Regressor
from benchmark.learning.rollout import Rollout

HEAD = 128
"""Outputs of either head."""


class CuriosityConfig(ValueDifferenceConfig):
    """The value difference's configuration, and how much is paid for the new."""

    beta: float = Field(
        default=0.5, ge=0, description="of the curious advantages against the victim's; 0: none"
    )


class Curiosity(ValueDifference):
    """PPO on the value difference that is also sent to where the victim's critic is new."""

    name: ClassVar[str] = "curiosity"
    citation: ClassVar[str] = "Gong et al., Curiosity-Driven Adversarial Policies, ACSAC 2022"
    Config: ClassVar[type[BaselineConfig]] = CuriosityConfig

    config: CuriosityConfig

    def hooks(self, arena: Arena, rng: np.random.Generator) -> Hooks:
        return CuriousDifference(self.config, arena, rng)


class CuriousDifference(Difference):
    """Adds the advantages of an intrinsic reward to the difference."""

    def __init__(self, config: CuriosityConfig, arena: Arena, rng: np.random.Generator):
        super().__init__(config, arena, rng)
        self._beta = config.beta
        # Chance of its own, so that beta = 0 leaves the value difference as it is.
        self._curious_rng = rng.spawn(1)[0]
        obs_dim = arena.game.card.seats[arena.seat_index].obs_dim
        self.novelty = Novelty(config, self._curious_rng)
        self.explorer = Critic(config, obs_dim, self._curious_rng)

    def added(self, rollout: Rollout, own: Array) -> Array:
        layer = first_layer(self.critic.model, rollout.obs.reshape(rollout.steps, -1))
        reward = self.novelty.of(layer).reshape(rollout.rewards.shape)
        self.novelty.fit(layer)
        # Departs from the released code, which weighs this critic's loss by 0.1 |L| / |L_int| in
        # PPO's own; here it is fitted apart, like the victim's.
        curious = in_deviations(self.explorer.advantages(rollout, reward))
        against = super().added(rollout, own)
        self._facts |= {"novelty": float(reward.mean()), "novelty_value_r2": self.explorer.r2}
        return against + np.float32(self._beta) * curious

    def state(self) -> Checkpoint:
        made = super().state()
        made.put("curiosity.novelty", self.novelty.state())
        made.put("curiosity.explorer", self.explorer.state())
        made.facts["curiosity_rng"] = generator_facts(self._curious_rng)
        return made

    def restore(self, checkpoint: Checkpoint) -> None:
        super().restore(checkpoint)
        self.novelty.restore(checkpoint.get("curiosity.novelty"))
        self.explorer.restore(checkpoint.get("curiosity.explorer"))
        restore_generator(self._curious_rng, checkpoint.facts["curiosity_rng"])


def first_layer(model: Regressor, obs: Array) -> Array:
    """The first hidden layer (B, width) of a network on observations (B, obs_dim)."""
    with torch.no_grad():
        return np.asarray(torch.tanh(model.network.dense[0](torch.from_numpy(obs))).numpy())


class Novelty:
    """How far a learned linear head is from a fixed random one, on a layer's activations.

    Neither head's loss reaches the layer: it learns the victim's value and nothing else.
    """

    def __init__(self, config: CuriosityConfig, rng: np.random.Generator):
        self._config, width = config, config.value_hidden[0]
        self._fixed = orthogonal((width, HEAD), 1.0, rng)
        self.learned = Regressor(
            width, HEAD, hidden=(), activation="tanh", dead_zone=0.0,
            learning_rate=config.value_rate, rng=rng,
        )  # fmt: skip

    def of(self, layer: Array) -> Array:
        """The intrinsic reward (B,) of activations (B, width)."""
        gap = layer @ self._fixed - self.learned.infer(layer)
        return np.asarray(0.5 * np.square(gap).mean(axis=1), dtype=np.float32)

    def fit(self, layer: Array) -> None:
        """Learn to agree on activations (B, width), in one pass.

        Four left the same novelty after a few rollouts of Pong, at .25 s a pass.
        """
        minibatch = self._config.value_minibatch
        self.learned.fit(layer, layer @ self._fixed, rows=len(layer), minibatch=minibatch)

    def state(self) -> Arrays:
        """For a checkpoint."""
        return {**self.learned.state(), "fixed": self._fixed}

    def restore(self, arrays: Arrays) -> None:
        """Continue from `state()`."""
        self.learned.restore(arrays)
        self._fixed = arrays["fixed"].copy()
