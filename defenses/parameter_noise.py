"""Mixed retraining with noise on the victim's policy weights while it trains.

The noise, and where it comes from: `benchmark/learning/noisy_weights.py`. With delta = 0 it is
mixed retraining, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from benchmark.learning.device import ANYWHERE
from benchmark.learning.noisy_weights import NoisyWeights
from benchmark.learning.ppo import Hooks
from defenses.mixed import Mixed, MixedConfig, StepShare


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
        return NoisyShare(adversarial, self.config.delta, rng.spawn(1)[0])


class NoisyShare(NoisyWeights, StepShare):
    """Both: the noise, and the share of adversarial steps in the curve."""

    def __init__(self, adversarial: Sequence[bool], delta: float, rng: np.random.Generator):
        StepShare.__init__(self, adversarial)
        NoisyWeights.__init__(self, delta, rng)
