"""Sumo between two humanoids (Bansal et al. 2018). Rules: `sumo.py`."""

from __future__ import annotations

from typing import Any

from benchmark.games.game import GameCard
from benchmark.games.scene import Start
from benchmark.games.sumo import Ring, Sumo, SumoOptions, sumo_card


class SumoHumans(Sumo):
    """A batch of bouts between humanoids."""

    ring = Ring(
        kind="humanoid",
        radius=(1.5, 3.5),
        down_z=0.5,
        standing_z=1.0,
        starts=(Start(x=-2.0, z=2.5, turn=0.0), Start(x=2.0, z=2.5, turn=180.0)),
    )

    @classmethod
    def describe(cls, options: Any = None) -> GameCard:
        return sumo_card(
            options or SumoOptions(), cls.ring, game="sumo-humans-v1", title="Sumo (humans)",
            speed=3_500,
        )  # fmt: skip
