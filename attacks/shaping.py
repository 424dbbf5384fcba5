"""An intrinsic reward that fades: what every attack that shapes PPO's reward has in common.

A method says how good a step was by its own measure; here that signal is standardised over the
rollout, clipped, weighed, and annealed to nothing well before the budget ends, so that what is
learned last is learned from the outcome alone. Methods differ in the signal and in nothing else,
which is what makes `dense` a control for all of them.

Which formula is which function:
  b_t = phi_t = weight (1 - progress / anneal_until) z_t             `bonus` with paid=level
  b_t = gamma phi_t+1 - phi_t (Ng, Harada, Russell 1999): a match
  that lies in one rollout is paid -phi_0, discounted and in sum,
  however it goes                                                    `changes`, paid=change
  b_t = max(0, phi_t+1 - the highest phi of the match so far, in
  the rollout), which no fall undoes                                 `rises`, paid=rise
Between rollouts z is standardised anew and the weight fades, so there the sum does not hold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from attacks.agreement import agreement
from attacks.baseline import BaselineConfig
from benchmark.games.game import GameCard
from benchmark.games.mujoco_games import MUJOCO_GAMES
from benchmark.learning.ppo import Hooks
from benchmark.learning.rollout import Rollout

Array = NDArray[np.float32]
REWARD_CLIP = 3.0
"""Standard deviations beyond which a signal is no better."""


class ShapedConfig(BaselineConfig):
    """The baseline's configuration, and how much of the signal is paid for how long."""

    weight: float = Field(
        ge=0, description="of a standard deviation of the signal, where an outcome is 1; 0: none"
    )
    anneal_until: float = Field(
        gt=0, le=1, description="share of the budget after which nothing is paid"
    )

    def pay_of(self, phi: Array, ends: NDArray[np.bool_]) -> Array:
        """What is paid for phi (T, N), where ends (T, N) says that matches ended: itself."""
        return phi


class StateShapedConfig(ShapedConfig):
    """Of a signal of the state before a step, which may also be paid as it goes on.

    A signal of what the step itself did may not: its change would be held against the step.
    """

    paid: Literal["level", "change", "rise"] = Field(
        default="level",
        description="a step's signal, the change to the next one's, or its rise to a new height",
        exclude_if=lambda paid: paid == "level",  # records are older than this field
    )

    def pay_of(self, phi: Array, ends: NDArray[np.bool_]) -> Array:
        """See `ShapedConfig.pay_of`: itself, or how it goes on."""
        if self.paid == "change":
            return changes(phi, ends, self.gamma)
        return rises(phi, ends) if self.paid == "rise" else phi


def shaped_defaults(game: GameCard) -> dict[str, Any]:
    """Weight and anneal of all shaped attacks on a game.

    A point of Pong lasts several hundred steps and its signals are paid on each: on may1 .01 and
    .003 learned slower than nothing at all (two seeds each).
    """
    return {"weight": 0.01 if game.id in MUJOCO_GAMES else 0.001, "anneal_until": 0.6}


def standardised(signal: Array) -> Array:
    """A signal (T, N) in its own standard deviations over the rollout, clipped at +-3."""
    z = (signal - signal.mean()) / (signal.std() + 1e-8)
    return np.asarray(np.clip(z, -REWARD_CLIP, REWARD_CLIP), dtype=np.float32)


def bonus(config: ShapedConfig, signal: Array, rollout: Rollout, progress: float) -> Array:
    """What a signal (T, N) of a rollout is paid: phi = weight * (1 - progress / anneal_until) * z,
    z in its own deviations, or how phi goes on. Nothing from progress = anneal_until, of 1, on.
    """
    left = max(0.0, 1.0 - progress / config.anneal_until)
    phi = standardised(signal) * np.float32(config.weight * left)
    return config.pay_of(phi, rollout.ends)


def changes(phi: Array, ends: NDArray[np.bool_], gamma: float) -> Array:
    """gamma * phi_t+1 - phi_t for potentials phi (T, N), 0 after a match's end (T, N).

    What comes after the rollout's last step is not known, and counts as no change.
    """
    after = np.zeros_like(phi)
    after[:-1] = np.where(ends[:-1], 0.0, phi[1:])
    paid = np.float32(gamma) * after - phi
    paid[-1, ~ends[-1]] = 0.0
    return np.asarray(paid, dtype=np.float32)


def rises(phi: Array, ends: NDArray[np.bool_]) -> Array:
    """By how much the next phi (T, N) is higher than any yet of its match in the rollout: (T, N).

    Nothing at a match's end (T, N), and at the rollout's.
    """
    paid, highest = np.zeros_like(phi), phi[0].copy()
    for t in range(1, len(phi)):
        paid[t - 1] = np.where(ends[t - 1], 0.0, np.maximum(phi[t] - highest, 0.0))
        highest = np.where(ends[t - 1], phi[t], np.maximum(phi[t], highest))
    return paid


class Shaping(Hooks, ABC):
    """Pays the bonus of one signal."""

    def __init__(self, config: ShapedConfig):
        self._shaped = config
        self._facts: dict[str, float] = {}

    @abstractmethod
    def signal(self, rollout: Rollout, progress: float) -> Array | None:
        """How good each step was by the method's measure: (T, N), or None while it cannot say."""

    def on_rollout(self, rollout: Rollout, progress: float) -> None:
        self._facts = {}
        signal = self.signal(rollout, progress)
        if signal is not None:
            self._facts |= agreement(signal, rollout)
            rollout.pay(bonus(self._shaped, signal, rollout, progress))

    def diagnostics(self) -> dict[str, float]:
        return dict(self._facts)
