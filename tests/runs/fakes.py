"""A store, a shelf and fake methods: whole runs of them take milliseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel

from benchmark.arena.arena import Arena
from benchmark.arena.tally import Tally
from benchmark.display import Silent
from benchmark.learning.progress import CurvePoint, Progress
from benchmark.policies.policy import Policy, RandomPolicy
from benchmark.records.store import Store
from benchmark.runs.executors.executor import Failure
from benchmark.runs.executors.local import LocalExecutor
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker
from benchmark.runs.plan import Plan, make_plan
from benchmark.runs.run import Outcome, execute
from benchmark.runs.spec import RunSpec

if TYPE_CHECKING:
    from tests.runs.conftest import Resolve, Shelf

Act = Callable[[Arena, Progress], Policy]


class NoConfig(BaseModel):
    """Nothing to set."""


class FakeAttack:
    """Trains nothing: calls `act` and counts how often."""

    name: ClassVar[str] = "fake"
    version: ClassVar[int] = 1
    track: ClassVar[str] = "black-box"
    reads: ClassVar[frozenset[str]] = frozenset()
    matches = 2
    least_steps = 1
    trained: ClassVar[Counter[str]] = Counter()
    act: ClassVar[Act]

    @classmethod
    def configure(cls, game: Any, settings: Any) -> NoConfig:
        """Nothing."""
        return NoConfig()

    def __init__(self, config: Any):
        self.config = config

    def train(
        self, arena: Arena, budget_steps: int, rng: np.random.Generator, progress: Progress
    ) -> Policy:
        """Count, and do what the test says."""
        FakeAttack.trained[self.name] += 1
        return type(self).act(arena, progress)


def play(arena: Arena, steps: int = 10) -> None:
    """Play at least so many steps, standing still."""
    arena.reset(seed=0)
    while arena.steps < steps:
        arena.step(np.zeros(arena.action_space.shape, np.float32))


def good(arena: Arena, progress: Progress) -> Policy:
    """A training that plays ten steps and reports one point."""
    play(arena)
    progress.report(CurvePoint(steps=10, tally=Tally(wins=1, breakdown={"win:point": 1})))
    return RandomPolicy(2, 1.0)


def raising(error: BaseException) -> Act:
    """A training that ends so."""

    def act(arena: Arena, progress: Progress) -> Policy:
        raise error

    return act


class Diary:
    """A display that writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.failed: list[Failure] = []

    def start(self, job: Job) -> None:
        """A line."""
        self.lines.append(("start", job.key))

    def step(self, job: Job, steps: int, tally: Tally) -> None:
        """A line."""
        self.lines.append(("step", job.key))

    def finish(self, job: Job, failure: Failure | None) -> None:
        """A line."""
        self.lines.append(("finish", job.key))
        self.failed += [failure] if failure else []

    def elsewhere(self, job: Job) -> None:
        """A line."""
        self.lines.append(("elsewhere", job.key))

    def started(self) -> list[str]:
        """Keys of the jobs that began."""
        return [key for word, key in self.lines if word == "start"]


class House:
    """A store, a shelf and a small run of fake attacks."""

    def __init__(self, root: Path, resolve: Resolve, shelf: Shelf):
        self.store, self.shelf, self._resolve = Store(root), shelf, resolve
        self.acts: dict[str, Act] = {"first": good, "second": good}

    def load(self, name: str) -> type[FakeAttack]:
        """Stands in for `registry.attacks.load`."""
        members = {"name": name, "act": staticmethod(self.acts[name])}
        return type(name, (FakeAttack,), members)

    def spec(self, attacks: tuple[str, ...] = ("first", "second"), **more: Any) -> RunSpec:
        """Four episodes a pairing."""
        spec = self._resolve(
            victims=self.shelf, attack_names=list(attacks), **{"budget": 10, **more}
        )
        return spec.model_copy(update={"episodes": 4})

    def plan(self, **more: Any) -> Plan:
        """The plan of `spec`."""
        return make_plan(self.spec(**more))

    def run(self, plan: Plan | None = None) -> tuple[list[Failure], Diary]:
        """Run a plan on the prepared store."""
        diary = Diary()
        self.store.prepare()
        worker = Worker(self.store, self.shelf)
        return LocalExecutor(worker).run((plan or self.plan()).jobs, diary), diary

    def execute(self, **more: Any) -> Outcome:
        """The whole of `bench run` without its terminal."""
        spec = self.spec(**more)
        return execute(spec.command, make_plan(spec), self.store, self.shelf, Silent)


def training(plan: Plan, name: str) -> Job:
    """The first training of an attack."""
    return next(j for j in plan.jobs if j.kind == "attack" and j.method and j.method.name == name)
