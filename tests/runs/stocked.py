"""A store as a finished run leaves it, its policies all different: whole, and made in no time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.arena.tally import Tally
from benchmark.display import Silent
from benchmark.learning.progress import CurvePoint, Progress
from benchmark.policies import artifact
from benchmark.policies.policy import MLPPolicy
from benchmark.records.store import Store
from benchmark.runs.plan import Plan, make_plan
from benchmark.runs.run import Outcome, execute
from benchmark.runs.spec import RunSpec, resolve_run
from tests.factories import scribble
from tests.runs.conftest import Shelf, named
from tests.runs.fakes import FakeAttack, NoConfig, play

POINT = CurvePoint(steps=10, tally=Tally(wins=1, breakdown={"win:point": 1}))


class Studious(FakeAttack):
    """Comes back with weights that no other training has."""

    @staticmethod
    def act(arena: Arena, progress: Progress) -> MLPPolicy:
        """Told by how many trainings there were."""
        play(arena)
        progress.report(POINT)
        return scribble(100 + FakeAttack.trained.total())


class First(Studious):
    """An attack."""

    name = "first"


class Second(Studious):
    """Another one."""

    name = "second"


class Hardening:
    """A defense that trains weights of its own."""

    version: ClassVar[int] = 1
    trains: ClassVar[frozenset[str]] = frozenset({"mlp"})
    meets_opponents = True
    least_steps = 1

    @classmethod
    def configure(cls, game: Any, settings: Any) -> NoConfig:
        """Nothing."""
        return NoConfig()

    def __init__(self, config: Any):
        self.config = config

    def check_victim(self, card: Any) -> None:
        """Every one will do."""

    def harden(self, victim: Any, make_arena: Any, adversaries: Any, *rest: Any) -> MLPPolicy:
        """Play a step."""
        *_, progress = rest
        play(make_arena(Mixture.of(adversaries[0]), 2))
        progress.report(POINT)
        FakeAttack.trained["hardening"] += 1
        return scribble(100 + FakeAttack.trained.total())


SHELF = {"alpha": named("alpha", 1), "beta": named("beta", 2)}
RUN: dict[str, Any] = {"attacks": ("first", "second"), "victim_names": ["alpha"], "seeds": 1}
DEFENDED: dict[str, Any] = {**RUN, "attacks": ("first",), "defense_names": ["retrain"]}
LOOKED: dict[str, Any] = {
    **DEFENDED, "defense_names": ["retrain", "density"], "diagnoses": ["masked", "split"],
}  # fmt: skip


def spec(attacks: tuple[str, ...] = ("first",), **more: Any) -> RunSpec:
    """A small run's, of four episodes a pairing."""
    asked: dict[str, Any] = {
        "victims": Shelf(SHELF), "game_name": "pong-v1", "attack_names": list(attacks),
        "defense_names": [], "tier": "smoke", "budget": 10, "settings": {},
        "command": "bench run", **more,
    }  # fmt: skip
    return resolve_run(**asked).model_copy(update={"episodes": 4})


def plan(**more: Any) -> Plan:
    """The plan of such a run."""
    with fakes():
        return make_plan(spec(**more))


def run(store: Store, **more: Any) -> Outcome:
    """The whole of `bench run`."""
    with fakes():
        asked = spec(**more)
        return execute(asked.command, make_plan(asked), store, Shelf(SHELF), Silent)


@contextmanager
def fakes() -> Iterator[None]:
    """The methods above in place of real ones."""
    with pytest.MonkeyPatch.context() as patch:
        kinds = {"first": First, "second": Second}
        patch.setattr(registry.attacks, "load", kinds.__getitem__)
        patch.setattr(registry.defenses, "load", lambda name: Hardening)
        patch.setattr(os, "fsync", lambda _: None)
        yield


def stock(root: Path, **more: Any) -> Store:
    """A store after such a run, with an imported victim."""
    store = Store(root)
    outcome = run(store, **more)
    assert not outcome.failures
    artifact.save(scribble(9, name="guest"), root / "victims" / "guest")
    return store
