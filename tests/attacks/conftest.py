"""A victim and a small arena for every attack."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.games.game import GameCard
from benchmark.learning.threads import use_threads
from benchmark.policies.policy import MLPPolicy, PolicyCard

SMALL = {"matches": 16, "rollout_steps": 32, "minibatch": 128, "epochs": 2}
BUDGET = 4 * 512


def small(kind: Any, card: GameCard) -> dict[str, int]:
    """Toy sizes for those of a method's settings that it has; one without PPO has none."""
    fields = type(kind.configure(card, {})).model_fields
    return {name: value for name, value in SMALL.items() if name in fields}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Results are compared to the last bit, so the thread count is fixed."""
    use_threads(1)


def scribble(card: GameCard, seat: str, seed: int = 7) -> MLPPolicy:
    """A deterministic network with random weights for a seat of any game."""
    spec = card.seats[card.seat_index(seat)]
    rng = np.random.default_rng(seed)
    widths = (spec.obs_dim, 8, spec.act_dim)
    tensors = {}
    for i, (a, b) in enumerate(itertools.pairwise(widths)):
        tensors[f"layer{i}.weight"] = rng.normal(0, 0.5, (a, b)).astype(np.float32)
        tensors[f"layer{i}.bias"] = rng.normal(0, 0.1, b).astype(np.float32)
    made = PolicyCard(
        name="scribble", kind="mlp", game=card.id, seat=seat, obs_dim=spec.obs_dim,
        act_dim=spec.act_dim, hidden=(8,), origin="test",
    )  # fmt: skip
    return MLPPolicy(made, tensors)


@pytest.fixture
def make_arena() -> Callable[[int], Arena]:
    """Makes the same fresh Pong arena every time, in the adversary's seat."""

    def make(matches: int) -> Arena:
        game = registry.game("pong-v1")
        return Arena(game(matches), "left", Mixture.of(scribble(game.describe(), "right")), seed=0)

    return make
