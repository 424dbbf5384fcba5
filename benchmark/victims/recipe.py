"""How house victims are trained: self-play against a growing pool of past selves.

The learner plays one seat against a mixture of frozen snapshots (Bansal et al. 2018 sample past
selves too): half of the episodes against the newest, half against older ones, drawn evenly. The
pool starts with a player that does nothing and one that acts at random, so that the result keeps
beating both. A small part of the game's own dense reward, annealed to 0, starts the rallies.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import rich.progress
from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.errors import Misuse
from benchmark.games.game import Game
from benchmark.learning.loss import PPOConfig
from benchmark.learning.ppo import PPO, Hooks, whole_rollouts
from benchmark.learning.progress import CurvePoint
from benchmark.learning.rollout import Rollout
from benchmark.policies.policy import (
    ANY,
    NetworkPolicy,
    Policy,
    PolicyCard,
    RandomPolicy,
    ZeroPolicy,
)
from benchmark.settings import hint


class Recipe(BaseModel):
    """Everything that makes a house victim, besides the code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    game: str
    seed: int
    steps: int
    ppo: PPOConfig
    snapshots: int = Field(ge=2, description="past selves taken over the whole training")
    newest: float = Field(ge=0, le=1, description="share of episodes against the newest self")
    dense: float = Field(ge=0, description="weight of the game's own reward at the start")
    dense_until: float = Field(gt=0, le=1, description="share of the training when it reaches 0")


_PONG: dict[str, Any] = {
    "matches": 1024,
    "rollout_steps": 128,
    "minibatch": 2048,
    "epochs": 8,  # 4 epochs at 512 matches: rallies of 9 hits; 8 at 1024: 29
    "learning_rate": 1e-3,
    "gamma": 0.997,
    "log_std": -0.5,
}
RECIPES: dict[str, Recipe] = {
    "house-tanh": Recipe(
        game="pong-v1", seed=1, steps=24_000_000, snapshots=48, newest=0.5,
        dense=1.0, dense_until=0.5,
        ppo=PPOConfig(**_PONG, hidden=(64, 64), activation="tanh"),
    ),
    "house-relu": Recipe(
        game="pong-v1", seed=2, steps=24_000_000, snapshots=48, newest=0.5,
        dense=1.0, dense_until=0.5,
        ppo=PPOConfig(**_PONG, hidden=(64, 32), activation="relu"),
    ),
}  # fmt: skip


def named(name: str) -> Recipe:
    """The recipe of that name; raises Misuse with the nearest one."""
    if name not in RECIPES:
        raise Misuse(f"no recipe '{name}'; {hint(name, RECIPES)}")
    return RECIPES[name]


class DenseStart(Hooks):
    """Adds the game's own dense reward, its weight falling linearly to 0."""

    def __init__(self, recipe: Recipe):
        self._recipe = recipe

    def on_rollout(self, rollout: Rollout, progress: float) -> None:
        left = max(0.0, 1.0 - progress / self._recipe.dense_until)
        rollout.rewards = rollout.rewards + np.float32(self._recipe.dense * left) * rollout.dense


class Watcher(Protocol):
    """Told the points of the learning curve."""

    def report(self, point: CurvePoint) -> None:
        """A rollout and an update are done."""


def train(recipe: Recipe, game: Game, name: str, watch: Watcher) -> NetworkPolicy:
    """Train a house victim by self-play; deterministic in the recipe."""
    rng = np.random.default_rng(recipe.seed)
    seat = game.card.seats[0]
    card = PolicyCard(
        name=name,
        kind="mlp",
        game=game.card.id,
        seat=ANY if game.card.symmetric else seat.name,
        obs_dim=seat.obs_dim,
        act_dim=seat.act_dim,
        act_bound=seat.act_bound,
        origin="self-play in this project",
        training={"command": f"bench victims train --recipe {name}", **recipe.model_dump()},
    )
    pool: list[Policy] = [
        ZeroPolicy(seat.act_dim),
        RandomPolicy(seat.act_dim, seat.act_bound),
    ]
    learner = PPO(
        Arena(game, seat.name, opponents(pool, recipe.newest), recipe.seed),
        recipe.ppo, rng, hooks=DenseStart(recipe),
    )  # fmt: skip
    total = whole_rollouts(recipe.ppo, recipe.steps)
    marks = [total * (k + 1) // recipe.snapshots for k in range(recipe.snapshots)]
    for mark in marks:
        learner.enter(Arena(game, seat.name, opponents(pool, recipe.newest), recipe.seed))
        while learner.steps < mark:
            watch.report(learner.improve(total))
        pool.append(learner.policy(card))
    return learner.policy(card)


POOL_SEEN = 6
"""Past selves met at a time: every member of a mixture costs an inference a step."""


def opponents(pool: list[Policy], newest: float) -> Mixture:
    """The newest with share `newest`, the rest spread evenly over the pool's whole age."""
    older = pool[:-1]
    spread = np.unique(np.linspace(0, len(older) - 1, POOL_SEEN).round().astype(int))
    rest = (1.0 - newest) / len(spread)
    return Mixture([(pool[-1], newest), *((older[i], rest) for i in spread)])


class Bar:
    """Shows a recipe's training; it keeps no checkpoint, a recipe runs through in minutes."""

    def __init__(self, console: Console, recipe: Recipe):
        self._progress = rich.progress.Progress(console=console)
        self._task = self._progress.add_task("self-play", total=recipe.steps)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def report(self, point: CurvePoint) -> None:
        """Advance the bar."""
        length = point.tally.episodes
        self._progress.update(
            self._task,
            completed=point.steps,
            description=f"self-play, {100 * point.tally.win_rate:.0f} % of {length} matches won",
        )
