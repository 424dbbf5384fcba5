"""Held-out victims: every recipe under another seed, and a network that no recipe has."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.errors import Misuse
from benchmark.victims.held_out import ARCHITECTURE, held_out
from benchmark.victims.recipe import RECIPES


def test_they_are_the_recipes_but_for_the_seed() -> None:
    of_pong = {name: recipe for name, recipe in RECIPES.items() if recipe.game == "pong-v1"}
    made = held_out("pong-v1", np.random.default_rng(1))
    for name, recipe in of_pong.items():
        other = made.pop(f"held-out-{name}")
        assert other.seed != recipe.seed
        said_of_the_shipped_one = {
            "seed": recipe.seed, "limits": recipe.limits, "opponent_limits": recipe.opponent_limits,
        }  # fmt: skip
        assert other.model_copy(update=said_of_the_shipped_one) == recipe
        assert not other.limits
    (rest,) = made.values()
    networks = {(r.ppo.hidden, r.ppo.activation) for r in RECIPES.values()}
    assert (rest.ppo.hidden, rest.ppo.activation) == ARCHITECTURE
    assert ARCHITECTURE not in networks


def test_their_seeds_are_one_generator_s() -> None:
    def seeds(of: int) -> list[int]:
        return [r.seed for r in held_out("pong-v1", np.random.default_rng(of)).values()]

    assert seeds(1) == seeds(1)
    assert len({*seeds(1), *seeds(2)}) == 2 * len(seeds(1))


def test_a_game_without_house_victims_is_refused() -> None:
    with pytest.raises(Misuse, match=r"'pong-v2'.*did you mean 'pong-v1'"):
        held_out("pong-v2", np.random.default_rng(1))
