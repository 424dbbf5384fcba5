"""`unfamiliar`: drive the victim out of the states that it knows.

This benchmark's own attack. A victim is trained where its regular opponents took it; elsewhere its
network extrapolates. The signal is how far the victim's own body is from where it is against an
adversary that has learned nothing yet: the opposite in sign to the observation term of Wu et al.
2021 (equation 9), which asks that the victim's observation change little. No model is learned.

Which formula is which function:
  u_t = mean_k |o_v,k - m_k| / sd_k, k over the victim's own body      `Unfamiliarity.of`
  m, sd: over the first `familiar_steps` steps, then frozen            `Unfamiliarity.see`
With weight = 0 the attack is the baseline, bit for bit.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from attacks.baseline import Baseline, BaselineConfig
from attacks.shaping import Array, Shaping, StateShapedConfig, shaped_defaults
from benchmark.arena.arena import Arena
from benchmark.games.game import GameCard, SeatCard
from benchmark.learning.checkpoint import Arrays, Checkpoint
from benchmark.learning.device import ANYWHERE
from benchmark.learning.normalise import RunningMoments
from benchmark.learning.ppo import Hooks
from benchmark.learning.rollout import Rollout

FAR = 10.0
"""Standard deviations beyond which a coordinate is no farther."""
FAMILIAR_STEPS = 163_840


class UnfamiliarConfig(StateShapedConfig):
    """How long the victim is watched before its states count as known."""

    familiar_steps: int = Field(
        ge=1, description="environment steps whose states the victim counts as knowing"
    )


class Unfamiliar(Baseline):
    """PPO that is also paid, for a while, for strange states of the victim's body."""

    name: ClassVar[str] = "unfamiliar"
    citation: ClassVar[str] = "this benchmark; against the sign of Wu et al. 2021, equation 9"
    devices = ANYWHERE
    Config: ClassVar[type[BaselineConfig]] = UnfamiliarConfig

    config: UnfamiliarConfig

    @classmethod
    def preset(cls, game: GameCard, preset: str) -> dict[str, Any]:
        shaped = {**shaped_defaults(game), "familiar_steps": FAMILIAR_STEPS}
        return {**super().preset(game, preset), **shaped}

    @property
    def least_steps(self) -> int:
        """A rollout, after those in which it is seen what the victim knows."""
        return super().least_steps + self.config.familiar_steps

    def hooks(self, arena: Arena, rng: np.random.Generator) -> Hooks:
        victim = arena.game.card.seats[1 - arena.seat_index]
        return FarFromHome(self.config, victim)


class Unfamiliarity:
    """Remembers what a victim's body senses at first, and says how far from it later senses are."""

    def __init__(self, victim: SeatCard, familiar_steps: int):
        self._columns = slice(*victim.own_view)
        self._familiar_steps = familiar_steps
        start, stop = victim.own_view
        self.moments = RunningMoments((stop - start,))

    @property
    def knows(self) -> bool:
        """Whether the victim has been watched for long enough."""
        return self.moments.count >= self._familiar_steps

    def see(self, rollout: Rollout) -> None:
        """Take in a rollout, unless enough has been seen."""
        if not self.knows:
            body = rollout.other_obs[..., self._columns]
            self.moments.update(body.reshape(-1, body.shape[-1]))

    def of(self, rollout: Rollout) -> Array:
        """Mean distance of the victim's senses from the known ones: (T, N) in deviations."""
        mean = self.moments.mean.astype(np.float32)
        distance = np.abs(rollout.other_obs[..., self._columns] - mean)
        distance /= self.moments.deviation
        np.minimum(distance, FAR, out=distance)
        return np.asarray(distance.mean(axis=-1), dtype=np.float32)

    def state(self) -> Arrays:
        """For a checkpoint."""
        return self.moments.state()

    def restore(self, arrays: Arrays) -> None:
        """Continue from `state()`."""
        self.moments.restore(arrays)


class FarFromHome(Shaping):
    """The signal is the unfamiliarity of the victim's state, once it is known what it knows."""

    def __init__(self, config: UnfamiliarConfig, victim: SeatCard):
        super().__init__(config)
        self._unfamiliarity = Unfamiliarity(victim, config.familiar_steps)

    def signal(self, rollout: Rollout, progress: float) -> Array | None:
        if not self._unfamiliarity.knows:
            self._unfamiliarity.see(rollout)
            return None
        distance = self._unfamiliarity.of(rollout)
        self._facts["unfamiliarity"] = float(distance.mean())
        return distance

    def state(self) -> Checkpoint:
        made = Checkpoint()
        made.put("unfamiliar", self._unfamiliarity.state())
        return made

    def restore(self, checkpoint: Checkpoint) -> None:
        self._unfamiliarity.restore(checkpoint.get("unfamiliar"))
