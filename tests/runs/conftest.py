"""Victims on a shelf and specifications of runs, without anything trained."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark import registry
from benchmark.errors import Misuse
from benchmark.policies.policy import MLPPolicy, PolicyCard
from benchmark.registry import Victims
from benchmark.runs.spec import RunSpec, resolve_run
from tests.factories import scribble
from tests.runs.fakes import FakeAttack, House


class Shelf(Victims):
    """Victims that lie on no disk."""

    def __init__(self, policies: dict[str, MLPPolicy]):
        super().__init__()
        self.policies = policies

    def folders(self) -> dict[str, Path]:
        return {name: Path(name) for name in sorted(self.policies)}

    def cards(self, game_id: str | None = None) -> dict[str, PolicyCard]:
        cards = {name: self.policies[name].card for name in sorted(self.policies)}
        return {name: card for name, card in cards.items() if game_id in (None, card.game)}

    def load(self, name: str) -> MLPPolicy:
        if name not in self.policies:
            raise Misuse(f"no victim '{name}'; there are: {', '.join(sorted(self.policies))}")
        return self.policies[name]


def named(name: str, seed: int = 0, **card: Any) -> MLPPolicy:
    """A victim with a name and a hash of its own."""
    return scribble(seed, name=name, sha256=f"sha256 of {name} {seed}", **card)


Resolve = Callable[..., RunSpec]


@pytest.fixture
def shelf() -> Shelf:
    """Two ranked victims of Pong, a replication variant, and one of another game."""
    return Shelf(
        {
            "alpha": named("alpha", 1),
            "beta": named("beta", 2),
            "buggy": named("buggy", 3, ranked=False),
            "walker": named("walker", 4, game="walk-v1"),
        }
    )


@pytest.fixture
def resolve(shelf: Shelf) -> Resolve:
    """`resolve_run` with a small run's arguments where nothing else is said."""

    def made(**changes: Any) -> RunSpec:
        arguments: dict[str, Any] = {
            "victims": shelf, "game_name": "pong-v1", "victim_names": [],
            "attack_names": ["ours"], "defense_names": [], "seeds": None, "tier": "smoke",
            "budget": None, "settings": {}, "command": "bench run",
        }  # fmt: skip
        return resolve_run(**{**arguments, **changes})

    return made


@pytest.fixture
def house(tmp_path: Path, resolve: Resolve, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> House:
    """Fake attacks instead of real ones, counted from 0."""
    made = House(tmp_path / "store", resolve, shelf)
    monkeypatch.setattr(registry.attacks, "load", made.load)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # the disk's own speed is not tested
    FakeAttack.trained.clear()
    return made
