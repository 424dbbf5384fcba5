"""Toy hardenings that the defenses' tests share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.games.game import GameCard
from benchmark.learning.device import CPU, Device
from benchmark.learning.progress import Quiet
from benchmark.learning.threads import use_threads
from benchmark.policies.policy import NetworkPolicy, Policy
from tests.attacks.conftest import BUDGET, scribble, small, used

__all__ = ["used"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Results are compared to the last bit, so the thread count is fixed."""
    use_threads(1)


def victim_seat(card: GameCard) -> str:
    """The seat opposite the adversary's."""
    return card.seats[1 - card.seat_index(card.adversary_seat)].name


def harden(
    game: str,
    defense: str,
    *,
    victim: Policy | None = None,
    adversaries: Sequence[Policy] | None = None,
    opponents: Sequence[Policy] | None = None,
    budget: int = BUDGET,
    progress: Quiet | None = None,
    seen: list[Arena] | None = None,
    device: Device = CPU,
    **settings: Any,
) -> NetworkPolicy:
    """The victim after a toy hardening, always from the same seeds; `seen` gets every arena."""
    batch = registry.game(game)
    card = batch.describe()
    kind = registry.defenses.load(defense)
    made = kind(kind.configure(card, {**small(kind, card), **settings}))
    made.device = device
    seat = card.adversary_seat

    def make_arena(opposite: Mixture, matches: int, *, attacking: bool = False) -> Arena:
        arena = Arena(batch(matches), seat if attacking else victim_seat(card), opposite, seed=0)
        if seen is not None:
            seen.append(arena)
        return arena

    hardened = made.harden(
        victim or scribble(card, victim_seat(card)),
        make_arena,
        [scribble(card, seat, 1)] if adversaries is None else adversaries,
        [scribble(card, seat, 2)] if opponents is None else opponents,
        budget, np.random.default_rng(3), progress or Quiet(),
    )  # fmt: skip
    assert isinstance(hardened, NetworkPolicy)
    return hardened
