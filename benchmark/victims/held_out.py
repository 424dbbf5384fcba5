"""Victims that nobody has seen: the recipes of a game with other seeds, and one other network.

`bench verify --victims DIR` runs a submission's method on them (level 3). They are made by whoever
verifies, from seeds that are drawn there, and never become part of the project.
"""

from __future__ import annotations

import numpy as np

from benchmark.errors import Misuse
from benchmark.settings import hint
from benchmark.victims.recipe import RECIPES, Recipe

PREFIX = "held-out-"
ARCHITECTURE = ((96, 96), "tanh")
"""Widths and activation that no recipe has."""


def held_out(game_id: str, rng: np.random.Generator) -> dict[str, Recipe]:
    """Every recipe of a game with a seed of its own, and the first one with another network.

    Raises:
        Misuse: no house victim plays that game.
    """
    found = {name: recipe for name, recipe in RECIPES.items() if recipe.game == game_id}
    if not found:
        games = sorted({recipe.game for recipe in RECIPES.values()})
        raise Misuse(f"no house victim plays '{game_id}'; {hint(game_id, games)}")
    first = next(iter(found.values()))
    hidden, activation = ARCHITECTURE
    other = first.ppo.model_copy(update={"hidden": hidden, "activation": activation})
    found["other-network"] = first.model_copy(update={"ppo": other})
    return {
        f"{PREFIX}{name}": recipe.model_copy(
            update={
                "seed": int(rng.integers(2**31)),
                "limits": "",
                "opponent_limits": "",  # said of the shipped one
                "opponent": PREFIX + recipe.opponent if recipe.opponent else "",
            }
        )
        for name, recipe in found.items()
    }
