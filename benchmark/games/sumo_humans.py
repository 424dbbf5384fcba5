"""Sumo between two humanoids (Bansal et al. 2018). Rules: `sumo.py`."""

from __future__ import annotations

from typing import Any

from benchmark.games.bodies import HUMANOID_PRICE
from benchmark.games.duel import Float
from benchmark.games.game import Array, GameCard
from benchmark.games.scene import Start
from benchmark.games.sumo import RING_HEIGHT, Ring, Sumo, SumoOptions, sumo_card

STANDING_Z = 1.0


class SumoHumans(Sumo):
    """A batch of bouts between humanoids."""

    ring = Ring(
        kind="humanoid",
        radius=(1.5, 3.5),
        down_z=0.5,
        starts=(Start(x=-2.0, z=2.5, turn=0.0), Start(x=2.0, z=2.5, turn=180.0)),
    )

    @classmethod
    def describe(cls, options: Any = None) -> GameCard:
        return sumo_card(
            options or SumoOptions(), cls.ring, game="sumo-humans-v1", title="Sumo (humans)",
            speed=6_000,
        )  # fmt: skip

    def reward(self, seat: int, action: Array, moved: Float) -> Float:
        upright = self.height(seat) - RING_HEIGHT >= STANDING_Z
        upkeep = self.senses.upkeep(seat, action, upright, HUMANOID_PRICE)
        return upkeep - self.from_middle(seat)
