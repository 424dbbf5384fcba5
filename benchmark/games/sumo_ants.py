"""Sumo between two ants (Bansal et al. 2018). Rules: `sumo.py`."""

from __future__ import annotations

from typing import Any

from benchmark.games.game import GameCard
from benchmark.games.scene import Start
from benchmark.games.sumo import Ring, Sumo, SumoOptions, sumo_card


class SumoAnts(Sumo):
    """A batch of bouts between ants."""

    ring = Ring(
        kind="ant",
        radius=(2.5, 4.5),
        down_z=0.3,
        standing_z=0.28,
        starts=(Start(x=-1.0, z=2.5, turn=180.0), Start(x=1.0, z=2.5, turn=180.0)),
    )

    @classmethod
    def describe(cls, options: Any = None) -> GameCard:
        return sumo_card(
            options or SumoOptions(), cls.ring, game="sumo-ants-v1", title="Sumo (ants)",
            speed=5_000,
        )  # fmt: skip
