"""A training of a job: the method's code in this process, or in a container beside a referee's."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Any, Protocol

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.arena.session import RefereeSpec
from benchmark.disk import write_atomically
from benchmark.errors import Misuse, disk_errors
from benchmark.learning import checkpoint
from benchmark.learning.device import CORES_ONLY, CPU, device_of
from benchmark.learning.progress import CurvePoint, Progress
from benchmark.policies.policy import Policy
from benchmark.records.cell import MethodRef
from benchmark.records.record import Isolation
from benchmark.registry import attacks, defenses
from benchmark.runs.boxes import Boxes
from benchmark.runs.clock import Clock
from benchmark.runs.contestant import Task
from benchmark.runs.estimate import wall_limit
from benchmark.runs.job import Job, Player
from benchmark.runs.staging import arena_of, card_of, other_seat, seed_base_of
from benchmark.seeding import training_rng


class Shelf(Protocol):
    """Where a training finds its players."""

    def policy(self, player: Player, job: Job) -> Policy:
        """A player's policy, checked to be the planned one."""

    def folder(self, player: Player, job: Job) -> Path:
        """The folder of its artifact."""


class Curve(Progress, Protocol):
    """A progress whose curve can be begun anew, with the clock of the training."""

    clock: Clock

    def restart(self) -> None:
        """Forget what was reported."""


class Training(Protocol):
    """One job's training."""

    isolation: Isolation
    retries: int
    """How often it was to begin again because its containers were lost."""

    @property
    def steps(self) -> int:
        """Environment steps so far, whatever the method says."""

    def train(self) -> Any:
        """What the method returned; nobody has looked at it yet."""


class InProcess:
    """The method's code in this process: what it may see is agreed upon, not enforced."""

    isolation = Isolation(kind="process")
    retries = 0

    def __init__(self, job: Job, shelf: Shelf, progress: Curve):
        self._job, self._shelf, self._progress = job, shelf, progress
        self._arenas: list[Arena] = []
        self._rng = training_rng(job.kind, job.seed, job.game)

    @property
    def steps(self) -> int:
        return sum(arena.steps for arena in self._arenas)

    def train(self) -> Any:
        method = self._job.method
        assert method is not None
        return self._attack(method) if self._job.kind == "attack" else self._harden(method)

    def _attack(self, method: MethodRef) -> Any:
        job = self._job
        kind = attacks.load(method.name)
        attack = on_device(kind(kind.configure(card_of(job), method.config)), job.device)
        victim = self._shelf.policy(job.victim, job)
        shown = attack.track == "white-box"  # the run has declared it: see spec.py
        self._arenas.append(arena_of(job, job.seat, Mixture.of(victim), attack.matches, shown))
        return attack.train(self._arenas[0], job.budget_steps, self._rng, self._progress)

    def _harden(self, method: MethodRef) -> Any:
        job = self._job
        kind = defenses.load(method.name)
        defense = on_device(kind(kind.configure(card_of(job), method.config)), job.device)
        seat = other_seat(job, card_of(job))

        def make_arena(opposite: Mixture, matches: int, *, attacking: bool = False) -> Arena:
            arena = arena_of(job, job.seat if attacking else seat, opposite, matches)
            self._arenas.append(arena)
            return arena

        return defense.harden(
            self._shelf.policy(job.victim, job),
            make_arena,
            [self._shelf.policy(player, job) for player in job.adversaries],
            [self._shelf.policy(player, job) for player in job.opponents],
            job.budget_steps,
            self._rng,
            self._progress,
        )


class Boxed:
    """The method's code in a container: what it may see is what its referee sends."""

    def __init__(self, job: Job, shelf: Shelf, progress: Curve, boxes: Boxes, kept: Path):
        """kept: a folder for what the referee needs to go on with a training that was cut off."""
        self._job, self._shelf, self._progress, self._boxes = job, shelf, progress, boxes
        self._kept, self._noted_at = kept, time.monotonic()
        self.isolation = boxes.isolation
        self.steps = self.retries = 0

    def train(self) -> Any:
        job, card = self._job, card_of(self._job)
        if job.device != CPU.name:
            raise Misuse(f"trainings in containers learn on the CPU alone, not on {job.device}")
        self._go_on()
        spec = self._attack() if job.kind == "attack" else self._harden()
        return self._boxes.train(spec, self._orders(), wall_limit(job, card), self, self._kept)

    def restart(self) -> None:
        """Another try begins."""
        self.steps = 0
        self._progress.restart()

    def report(self, point: CurvePoint) -> None:
        """An interval that the referee has filed."""
        self.steps = point.steps
        self._progress.report(point)
        if time.monotonic() - self._noted_at > checkpoint.EVERY_S:
            self._note_down()

    def played(self, steps: int) -> None:
        """What the referee counted, of which the method may have left the last part unsaid."""
        self.steps = steps

    def lost(self) -> None:
        """A try was lost; whoever tries again, perhaps another run, counts it in."""
        self.retries += 1
        self._note_down()

    def _note_down(self) -> None:
        noted = {
            "image": self.isolation.image, "retries": self.retries,
            **self._progress.clock.facts(),
        }  # fmt: skip
        with disk_errors(self._note, "make its disk writable or free it; then run again"):
            write_atomically(self._note, json.dumps(noted).encode())
        self._noted_at = time.monotonic()

    @property
    def _note(self) -> Path:
        """Beside the referee's folder, where no container writes."""
        return self._kept.with_name("boxed.json")

    def _go_on(self) -> None:
        """Count an interrupted try in; give up what it left if that is of another image.

        Raises:
            InfrastructureError: the disk does not say of which image it is.
        """
        # Without a note, or with a damaged one, nobody knows what image the rest is of.
        damaged = (ValueError, KeyError, TypeError, AttributeError)
        remedy = "make its disk readable; then run again"
        with disk_errors(self._note, remedy), contextlib.suppress(FileNotFoundError, *damaged):
            noted = json.loads(self._note.read_bytes())
            self.retries = int(noted.get("retries", 0))
            if noted["image"] == self.isolation.image:
                self._progress.clock.go_on(noted)
                return
        shutil.rmtree(self._kept, ignore_errors=True)

    def _attack(self) -> RefereeSpec:
        """The victim is the referee's, and nobody else sits opposite."""
        job = self._job
        return self._spec(
            job.seat, {"victim": self._shelf.folder(job.victim, job)}, (("victim", 1.0),)
        )

    def _harden(self) -> RefereeSpec:
        """The victim is the defense's own; whom it meets is the referee's, by name."""
        job = self._job
        players = zip(self._names(), (*job.adversaries, *job.opponents), strict=True)
        members = {name: self._shelf.folder(player, job) for name, player in players}
        return self._spec(other_seat(job, card_of(job)), members, None)

    def _names(self) -> list[str]:
        adversaries, opponents = len(self._job.adversaries), len(self._job.opponents)
        return [f"adversary{k}" for k in range(adversaries)] + [
            f"opponent{k}" for k in range(opponents)
        ]

    def _spec(
        self, seat: str, members: dict[str, Path], mixture: tuple[tuple[str, float], ...] | None
    ) -> RefereeSpec:
        job = self._job
        return RefereeSpec(
            game=job.game, options=job.game_options, seat=seat, members=members, mixture=mixture,
            budget_steps=job.budget_steps, seed_base=seed_base_of(job),
        )  # fmt: skip

    def _orders(self) -> Task:
        job, method = self._job, self._job.method
        assert method is not None
        names = self._names()
        local = (attacks if job.kind == "attack" else defenses).local(method.name)
        holds = job.kind == "harden" or _white_box(job, method)
        return Task(
            kind="attack" if job.kind == "attack" else "harden",
            method=method.name, config=method.config, seed=job.seed,
            budget_steps=job.budget_steps,
            adversaries=tuple(name for name in names if name.startswith("adversary")),
            opponents=tuple(name for name in names if name.startswith("opponent")),
            victim=self._shelf.folder(job.victim, job) if holds else None,
            entry=None if local is None else local.value,
            code=None if local is None else local.folder,
            wheels=None if local is None else local.wheels,
        )  # fmt: skip


def on_device(method: Any, device: str) -> Any:
    """An attack or a defense that computes its updates there.

    Raises:
        Misuse: it cannot. InfrastructureError: there is no such device here.
    """
    if device == CPU.name:
        return method
    if device not in getattr(method, "devices", CORES_ONLY):
        raise Misuse(
            f"'{method.name}' as it is configured learns on the CPU alone, not on {device}"
        )
    method.device = device_of(device)
    return method


def _white_box(job: Job, method: MethodRef) -> bool:
    """Whether an attack reads the victim's network, as the run has declared (see spec.py)."""
    kind = attacks.load(method.name)
    return bool(kind(kind.configure(card_of(job), method.config)).track == "white-box")
