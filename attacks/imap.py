"""IMAP, by state coverage: an adversary that is paid for bringing the match where it has not been.

Zheng, Ma, Wang, Wang, Shen, Wang: Toward Evaluating Robustness of Reinforcement Learning with
Adversarial Policy (arXiv 2305.02605, 2023; DSN 2024). A black-box adversary explores by an
intrinsic regulariser. Of the paper's four (state coverage, policy coverage, risk, divergence) this
is the first: the entropy of the visited states, estimated from particles, so that no model is
learned. The details are taken from the released code.

Which formula is which function:
  log(1 + mean_j |s - s_(j)|), s_(j) the j-th nearest of k particles   `StateCoverage.signal`
  the k distances                                                      `mean_distance`
  s, both bodies in running deviations, projected                      `Particles.place`
With weight = 0 the attack is the baseline, bit for bit.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from attacks.baseline import Baseline, BaselineConfig
from attacks.shaping import Array, Shaping, StateShapedConfig, shaped_defaults
from benchmark.arena.arena import Arena
from benchmark.errors import Misuse
from benchmark.games.game import GameCard
from benchmark.learning.checkpoint import (
    Arrays,
    Checkpoint,
    generator_facts,
    prefixed,
    restore_generator,
    unprefixed,
)
from benchmark.learning.device import ANYWHERE
from benchmark.learning.normalise import RunningMoments
from benchmark.learning.ppo import Hooks
from benchmark.learning.rollout import Rollout
from benchmark.settings import Settings

CLIP = 10.0
"""Standard deviations beyond which a coordinate is no farther."""
DIMS = 64
"""States of more coordinates are projected to these: a distance is then off by 9 % or so."""
BLOCK = 1024
"""Rows whose distances are held at once: 4 MB, which stays in the cache."""


class ImapConfig(StateShapedConfig):
    """How the density of the visited states is estimated."""

    # Departs from the released code: 5 neighbours among 1024 particles, not 10 among 10,000.
    neighbours: int = Field(default=5, ge=1, description="nearest particles that count")
    particles: int = Field(
        default=512, ge=2, description="states of the rollout, and as many earlier ones"
    )


class Imap(Baseline):
    """PPO that is also paid, for a while, for states that are far from those visited."""

    name: ClassVar[str] = "imap"
    citation: ClassVar[str] = "Zheng et al., Intrinsically Motivated Adversarial Policy, DSN 2024"
    devices = ANYWHERE
    Config: ClassVar[type[BaselineConfig]] = ImapConfig

    config: ImapConfig

    @classmethod
    def preset(cls, game: GameCard, preset: str) -> dict[str, Any]:
        return {**super().preset(game, preset), **shaped_defaults(game)}

    @classmethod
    def configure(cls, game: GameCard, settings: Settings) -> ImapConfig:
        """See `Attack.configure`.

        Raises:
            Misuse: also where a rollout has too few particles for that many neighbours.
        """
        config = super().configure(game, settings)
        assert isinstance(config, ImapConfig)
        count = particles(config)
        if config.neighbours >= count:
            raise Misuse(
                f"attack 'imap': setting 'neighbours' is at most {count - 1} with {count} "
                f"particles of a rollout, got {config.neighbours}"
            )
        return config

    def hooks(self, arena: Arena, rng: np.random.Generator) -> Hooks:
        return StateCoverage(self.config, arena, rng)


def particles(config: ImapConfig) -> int:
    """How many states of a rollout stand for it: no more than it has steps."""
    return min(config.particles, config.matches * config.rollout_steps)


# Departs from the paper: the reward fades with the budget, not by how the outcome improves.
# Departs from the released code: one critic for outcome and reward, not one for each.
class StateCoverage(Shaping):
    """The signal is how far both bodies are from where they have been."""

    def __init__(self, config: ImapConfig, arena: Arena, rng: np.random.Generator):
        super().__init__(config)
        victim = arena.game.card.seats[1 - arena.seat_index]
        self._body, self._other = slice(*victim.own_view), slice(*victim.other_view)
        self._neighbours, self._rng = config.neighbours, rng
        width = sum(stop - start for start, stop in (victim.own_view, victim.other_view))
        self.particles = Particles(particles(config), width, rng)

    def signal(self, rollout: Rollout, progress: float) -> Array:
        states = self.states(rollout)
        drawn = self._rng.permutation(len(states))[: self.particles.count]
        self.particles.see(states[drawn])
        placed = self.particles.place(states)
        known = np.concatenate([placed[drawn], self.particles.place(self.particles.earlier)])
        distance = mean_distance(placed, known, drawn, self._neighbours)
        self.particles.keep(states[drawn])
        self._facts["coverage"] = float(distance.mean())
        return np.log1p(distance).reshape(rollout.rewards.shape)

    def states(self, rollout: Rollout) -> Array:
        """Both bodies as the victim senses them, one row (T * N, D) a step."""
        # Departs from the released code, whose state is the adversary's observation. The victim's
        # is raw: the adversary's own goes through a filter that moves, so that old states and new
        # ones could not be compared.
        bodies = [rollout.other_obs[..., self._body], rollout.other_obs[..., self._other]]
        return np.concatenate(bodies, axis=-1).reshape(rollout.steps, -1)

    def state(self) -> Checkpoint:
        made = Checkpoint()
        made.put("imap", self.particles.state())
        made.facts["imap_rng"] = generator_facts(self._rng)
        return made

    def restore(self, checkpoint: Checkpoint) -> None:
        self.particles.restore(checkpoint.get("imap"))
        restore_generator(self._rng, checkpoint.facts["imap_rng"])


class Particles:
    """A sample of all earlier rollouts' states, and the scale on which states are compared."""

    def __init__(self, count: int, width: int, rng: np.random.Generator):
        self.count, self._rng = count, rng
        self._moments = RunningMoments((width,))
        self._earlier = np.zeros((count, width), dtype=np.float32)
        self._rollouts = 0
        # Departs from the released code: a random projection (Johnson and Lindenstrauss 1984). It
        # takes a third of the time, measured on 16,384 states of 712 coordinates: .1 s on one core.
        self._projection: Array | None = None
        if width > DIMS:
            normal = rng.standard_normal((width, DIMS), dtype=np.float32)
            self._projection = normal / np.float32(np.sqrt(DIMS))

    @property
    def earlier(self) -> Array:
        """States of earlier rollouts: (count, D), or (0, D) in the first."""
        return self._earlier if self._rollouts else self._earlier[:0]

    def see(self, drawn: Array) -> None:
        """Take a rollout's particles (count, D) into the scale."""
        self._moments.update(drawn)

    def place(self, states: Array) -> Array:
        """States (B, D) where they are compared: (B, d), in deviations, projected where wide."""
        mean = self._moments.mean.astype(np.float32)
        spread = self._moments.deviation
        width = states.shape[1] if self._projection is None else DIMS
        placed = np.empty((len(states), width), dtype=np.float32)
        for start in range(0, len(states), BLOCK):
            rows = slice(start, start + BLOCK)
            z = (states[rows] - mean) / spread
            np.clip(z, -CLIP, CLIP, out=z)
            placed[rows] = z if self._projection is None else z @ self._projection
        return placed

    def keep(self, drawn: Array) -> None:
        """Remember particles (count, D) such that every rollout so far has the same share."""
        # Departs from the released code: a sample of all, not the last 10,000 states.
        self._rollouts += 1
        taken = self._rng.random(self.count) * self._rollouts < 1.0
        self._earlier[taken] = drawn[taken]

    def state(self) -> Arrays:
        """For a checkpoint."""
        moments = prefixed("moments.", self._moments.state())
        projection = {} if self._projection is None else {"projection": self._projection}
        kept = {"earlier": self._earlier.copy(), "rollouts": np.array(self._rollouts)}
        return {**moments, **projection, **kept}

    def restore(self, arrays: Arrays) -> None:
        """Continue from `state()`."""
        self._moments.restore(unprefixed("moments.", arrays))
        self._earlier = arrays["earlier"].copy()
        self._rollouts = int(arrays["rollouts"])
        if self._projection is not None:
            self._projection = arrays["projection"].copy()


def mean_distance(points: Array, known: Array, drawn: NDArray[np.intp], neighbours: int) -> Array:
    """Mean distance (B,) of points (B, d) to their nearest ones of `known` (R, d).

    drawn: (r,), known[j] is points[drawn[j]] for j < r; no point is a neighbour of itself.
    """
    offset, half = np.square(known).sum(axis=1), np.float32(-2.0) * known.T
    mean = np.empty(len(points), dtype=np.float32)
    for start in range(0, len(points), BLOCK):
        block = points[start : start + BLOCK]
        # |p - q|^2 less |p|^2, which is the same for all q.
        gaps = block @ half
        gaps += offset
        here = np.flatnonzero((drawn >= start) & (drawn < start + len(block)))
        gaps[drawn[here] - start, here] = np.inf
        gaps.partition(neighbours - 1, axis=1)
        nearest = gaps[:, :neighbours] + np.square(block).sum(axis=1, keepdims=True)
        # Rounding may leave a distance of nothing below it.
        mean[start : start + BLOCK] = np.sqrt(np.maximum(nearest, 0.0)).mean(axis=1)
    return mean
