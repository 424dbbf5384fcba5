"""A made-up victim in a linear world, as an observer sees it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from attacks.victim_model import Steps
from benchmark.games.game import SeatCard

ME = SeatCard(
    name="me", obs_dim=5, act_dim=1, act_bound=0.5, own_view=(0, 2), other_view=(2, 4),
    other_at_start=(0.0, 0.0),
)  # fmt: skip
VICTIM = SeatCard(
    name="victim", obs_dim=6, act_dim=3, act_bound=0.4, own_view=(0, 3), other_view=(3, 5),
    other_at_start=(1.5, -2.0),
)  # fmt: skip


def rng() -> np.random.Generator:
    """The same chance every time."""
    return np.random.default_rng(0)


def pairs_of(rows: int = 1024, seed: int = 0) -> Steps:
    """Steps of a victim that acts by a smooth function of its view, in a linear world."""
    chance = np.random.default_rng(seed)
    law = np.random.default_rng(99)

    def values(*shape: int) -> np.ndarray:
        return chance.normal(size=shape).astype(np.float32)

    view, own, action = values(rows, 6), values(rows, 5), values(rows, 1).clip(-0.5, 0.5)
    moves, pushes, steers = (law.normal(size=(k, 6)) / np.sqrt(k) for k in (6, 1, 3))
    victim_action = 0.4 * np.tanh(view @ law.normal(size=(6, 3)))
    following = view + 0.3 * (view @ moves + action @ pushes + victim_action @ steers)
    parts = (view, following, own, action, victim_action, values(rows, 3), np.ones((rows, 1)))
    return Steps(*(torch.from_numpy(part.astype(np.float32)) for part in parts))


def weights_of(model: Any) -> np.ndarray:
    """All weights of F or H, copied."""
    return np.array(model.model.state()["flat"], copy=True)


def shown_pairs(seed: int = 0, rows: int = 1024) -> Any:
    """`pairs_of` as a rollout shows them; the raw observations are the views."""
    steps = pairs_of(rows, seed=seed)
    return SimpleNamespace(steps=steps, raw=steps.view.numpy())
