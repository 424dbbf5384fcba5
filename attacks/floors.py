"""Floors: what a victim loses to players that learn nothing. They train for no step at all."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from attacks.attack import Attack
from benchmark.arena.arena import Arena
from benchmark.games.game import GameCard
from benchmark.learning.progress import Progress
from benchmark.policies.policy import Policy, RandomPolicy, ZeroPolicy
from benchmark.settings import Settings, resolve


class FloorConfig(BaseModel):
    """A floor has nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Floor(Attack):
    track = "none"

    @classmethod
    def configure(cls, game: GameCard, settings: Settings) -> FloorConfig:
        return resolve(FloorConfig, {}, settings, f"attack '{cls.name}'")

    @property
    def matches(self) -> int:
        return 1


class Random(_Floor):
    """Uniform actions over the whole box, drawn anew on every step."""

    name = "random"
    citation = "floor"

    def train(
        self, arena: Arena, budget_steps: int, rng: np.random.Generator, progress: Progress
    ) -> Policy:
        seat = arena.game.card.seats[arena.seat_index]
        return RandomPolicy(seat.act_dim, seat.act_bound)


class Zero(_Floor):
    """No action: a motionless player."""

    name = "zero"
    citation = "floor (Gleave et al. 2020)"

    def train(
        self, arena: Arena, budget_steps: int, rng: np.random.Generator, progress: Progress
    ) -> Policy:
        return ZeroPolicy(arena.game.card.seats[arena.seat_index].act_dim)
