"""Stand-ins for trials: a network with random weights, and a run that is killed."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from benchmark.games.game import GameCard
from benchmark.learning.progress import CurvePoint, Kept, Quiet
from benchmark.policies.policy import MLPPolicy, PolicyCard


class Killed(BaseException):
    """Stands in for kill -9: no method may catch it."""


class Mortal(Kept, Quiet):
    """Keeps every checkpoint on disk, and kills the training at its `dies_at`-th point."""

    def __init__(self, path: Path, dies_at: int | None = None):
        Kept.__init__(self, path)
        Quiet.__init__(self)
        self._dies_at = dies_at

    def report(self, point: CurvePoint) -> None:
        super().report(point)
        if len(self.curve) == self._dies_at:
            raise Killed


def random_network(card: GameCard, seat: str, seed: int = 7) -> MLPPolicy:
    """A small network with random weights for a seat of any game, the same for a seed."""
    spec = card.seats[card.seat_index(seat)]
    rng = np.random.default_rng(seed)
    widths = (spec.obs_dim, 8, spec.act_dim)
    tensors = {}
    for i, (rows, columns) in enumerate(itertools.pairwise(widths)):
        tensors[f"layer{i}.weight"] = rng.normal(0, 0.5, (rows, columns)).astype(np.float32)
        tensors[f"layer{i}.bias"] = rng.normal(0, 0.1, columns).astype(np.float32)
    made = PolicyCard(
        name="random weights", kind="mlp", game=card.id, seat=seat, obs_dim=spec.obs_dim,
        act_dim=spec.act_dim, act_bound=spec.act_bound, hidden=(8,), origin="a check's",
    )  # fmt: skip
    return MLPPolicy(made, tensors)
