"""What each job does: train an adversary, harden a victim, play matches."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture, check_fits
from benchmark.arena.tally import Tally, TooManyVoids
from benchmark.errors import CheckFailed
from benchmark.evaluation.matches import episode_list, play
from benchmark.games.game import Game
from benchmark.learning import checkpoint as checkpoints
from benchmark.learning.checkpoint import Checkpoint
from benchmark.learning.ppo import TrainingDiverged
from benchmark.learning.progress import CurvePoint
from benchmark.policies.policy import NetworkPolicy, Policy
from benchmark.records import provenance
from benchmark.records.record import MethodRef
from benchmark.records.store import Store, storage_errors
from benchmark.registry import Victims, attacks, defenses, floors, game
from benchmark.runs.plan import Job, Player
from benchmark.seeding import derive

CHECKPOINT_S = 10.0
CURVE_POINTS = 200

Watch = Callable[[int, Tally], None]
"""Told (steps so far, matches since the last call) while a training runs."""


class Worker:
    """Does jobs one by one, reading and filing artifacts in a store."""

    def __init__(self, store: Store, victims: Victims):
        self.store, self.victims = store, victims

    def run(self, job: Job, watch: Watch) -> None:
        """Do a job and file what it made. A checkpoint of an earlier try is continued.

        Raises:
            Misuse: the job cannot work; CheckFailed: its training failed.
            InfrastructureError: the store cannot keep the result.
        """
        if job.kind == "play":
            policy, result = None, self._play(job)
        else:
            policy, result = self._train(job, watch)
        self.store.commit(job.key, job.model_dump(mode="json"), result, policy)

    def policy(self, player: Player, job: Job) -> Policy:
        """The policy that a player stands for, checked to be the one that was planned."""
        if player.source == "floor":
            return floors(game(job.game), _options(job))[player.name]
        if player.source == "job":
            return self.store.policy(player.ref)
        loaded = self.victims.load(player.name)
        if loaded.card.identity != player.ref:
            raise CheckFailed(f"victim '{player.name}' changed since the run was planned")
        return loaded

    def check_players(self, job: Job) -> None:
        """Raise Misuse unless the known policies of a job fit their seats, before any training."""
        card = game(job.game).describe(_options(job))
        sides = [(job.victim, _other_seat(job, card))]
        sides += [(player, job.seat) for player in (*job.adversaries, *job.opponents)]
        for player, seat in sides:
            if player.source != "job":
                check_fits(self.policy(player, job), card, seat)

    def _train(self, job: Job, watch: Watch) -> tuple[Policy, dict[str, Any]]:
        method = job.method
        assert method is not None
        arenas: list[Arena] = []  # the budget is counted in them, whatever the method reports
        progress = JobProgress(self.store, job, watch)
        # Not of the method's name: methods are compared seed by seed, from the same start.
        rng = np.random.default_rng(derive(job.kind, job.seed, job.game))
        train = self._attack if job.kind == "attack" else self._harden

        def report() -> dict[str, Any]:
            steps = sum(arena.steps for arena in arenas)
            return {
                "curve": [point.model_dump(mode="json") for point in condensed(progress.curve)],
                "steps": steps,
                "overrun": steps > job.budget_steps,
                "timings": progress.timings(),
                "provenance": progress.provenance,
            }

        try:
            policy = train(job, method, arenas, rng, progress)
            Tally.sum(point.tally for point in progress.curve).check_voids()
        except (TrainingDiverged, TooManyVoids) as error:  # the last checkpoint stays beside it
            self.store.file_failure(job.key, {**report(), "failure": str(error)})
            raise
        return policy, report()

    def _attack(
        self, job: Job, method: MethodRef, arenas: list[Arena], rng: np.random.Generator,
        progress: JobProgress,
    ) -> Policy:  # fmt: skip
        kind = attacks.load(method.name)
        attack = kind(kind.configure(_card(job), method.config))
        victim = self.policy(job.victim, job)
        shown = attack.track == "white-box"  # the run has declared it: see spec.py
        arenas.append(_arena(job, job.seat, Mixture.of(victim), attack.matches, shown))
        policy: Policy = attack.train(arenas[0], job.budget_steps, rng, progress)
        check_fits(policy, _card(job), job.seat)
        return policy

    def _harden(
        self, job: Job, method: MethodRef, arenas: list[Arena], rng: np.random.Generator,
        progress: JobProgress,
    ) -> Policy:  # fmt: skip
        kind = defenses.load(method.name)
        defense = kind(kind.configure(_card(job), method.config))
        seat = _other_seat(job, _card(job))

        def make_arena(mixture: Mixture, matches: int) -> Arena:
            arenas.append(_arena(job, seat, mixture, matches))
            return arenas[-1]

        policy: Policy = defense.harden(
            self.policy(job.victim, job),
            make_arena,
            [self.policy(player, job) for player in job.adversaries],
            [self.policy(player, job) for player in job.opponents],
            job.budget_steps,
            rng,
            progress,
        )
        check_fits(policy, _card(job), seat)
        return policy

    def _play(self, job: Job) -> dict[str, Any]:
        batch = _game(job, min(job.parallel, job.episodes))
        adversary, victim = self.policy(job.adversaries[0], job), self.policy(job.victim, job)
        if isinstance(victim, NetworkPolicy):
            victim = victim.in_mode(job.victim_mode)
        seats = (adversary, victim)
        if batch.card.seat_index(job.seat) == 1:
            seats = (victim, adversary)
        halves = play(batch, seats, job.seat, episode_list(batch.card.id, job.episodes))
        halves.total.check_voids()
        return {"even": halves.even.model_dump(), "odd": halves.odd.model_dump()}


class JobProgress:
    """A training's `Progress`: curve, live display, checkpoint in the store."""

    def __init__(self, store: Store, job: Job, watch: Watch):
        self.curve: list[CurvePoint] = []
        self._store, self._watch = store, watch
        self._key = job.key
        self._saved_at = time.monotonic()
        self._started = time.perf_counter(), time.process_time()
        self._before = (0.0, 0.0)
        self.provenance = provenance.collect()
        """Of the process that began the training; of later ones only what differs."""

    def timings(self) -> dict[str, float]:
        """Wall and CPU seconds so far, with those of interrupted tries to their checkpoint."""
        wall, cpu = (
            before + now - start
            for before, now, start in zip(
                self._before, (time.perf_counter(), time.process_time()), self._started, strict=True
            )
        )
        return {"wall_s": round(wall, 3), "cpu_s": round(cpu, 3)}

    def report(self, point: CurvePoint) -> None:
        """Keep the point and show it."""
        self.curve.append(point)
        self._watch(point.steps, point.tally)

    def resume(self) -> Checkpoint | None:
        """The checkpoint that an interrupted run of this very job left behind."""
        with storage_errors(self._store.root):
            found = checkpoints.read(self._store.checkpoint(self._key))
        if found is not None:
            points = json.loads(found.facts["curve"])
            self.curve = [CurvePoint.model_validate(point) for point in points]
            self._before = found.facts["wall_s"], found.facts["cpu_s"]
            began = found.facts.get("provenance", self.provenance)
            self.provenance = provenance.resumed(began, self.provenance)
            self._watch(self.curve[-1].steps, Tally())
        return found

    def due(self) -> bool:
        """Every CHECKPOINT_S seconds; when does not move the result."""
        return time.monotonic() - self._saved_at > CHECKPOINT_S

    def save(self, checkpoint: Checkpoint) -> None:
        """Store it with the curve so far."""
        checkpoint.facts["curve"] = json.dumps([p.model_dump(mode="json") for p in self.curve])
        checkpoint.facts |= {**self.timings(), "provenance": self.provenance}
        with storage_errors(self._store.root):
            try:
                checkpoints.write(checkpoint, self._store.checkpoint(self._key))
            except FileNotFoundError:  # another run has just finished this job and swept up
                checkpoints.write(checkpoint, self._store.checkpoint(self._key))
        self._saved_at = time.monotonic()


def condensed(curve: list[CurvePoint]) -> list[CurvePoint]:
    """The curve in at most CURVE_POINTS windows; counts add up, diagnostics are the last ones."""
    width = -(-len(curve) // CURVE_POINTS) or 1
    windows = [curve[i : i + width] for i in range(0, len(curve), width)]
    return [
        CurvePoint(
            steps=window[-1].steps,
            tally=Tally.sum(point.tally for point in window),
            diagnostics={k: round(v, 6) for k, v in window[-1].diagnostics.items()},
        )
        for window in windows
    ]


def _options(job: Job) -> Any:
    return game(job.game).Options.model_validate(job.game_options)


def _card(job: Job) -> Any:
    return game(job.game).describe(_options(job))


def _game(job: Job, matches: int) -> Game:
    return game(job.game)(matches, _options(job))


def _other_seat(job: Job, card: Any) -> str:
    seat: str = card.seats[1 - card.seat_index(job.seat)].name
    return seat


def _arena(job: Job, seat: str, mixture: Mixture, matches: int, white_box: bool = False) -> Arena:
    return Arena(_game(job, matches), seat, mixture, seed=0, white_box=white_box)
