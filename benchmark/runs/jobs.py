"""What each job does: train an adversary, harden a victim, play matches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.arena.mixture import check_fits
from benchmark.arena.tally import TALLY, TooManyVoids
from benchmark.errors import CheckFailed
from benchmark.evaluation.matches import episode_list, play
from benchmark.learning.device import CPU, called
from benchmark.learning.ppo import TrainingDiverged
from benchmark.learning.progress import CURVE, CurveLog, NoLog, condensed, impossible
from benchmark.policies.blind import Blind
from benchmark.policies.policy import NetworkPolicy, Policy
from benchmark.records.store import Store
from benchmark.registry import Victims, attacks, defenses, floors, game
from benchmark.runs import looks
from benchmark.runs.boxes import Boxes, Contained
from benchmark.runs.job import Job, Player
from benchmark.runs.progress import JobProgress, Logs, Warn, Watch, to_stderr
from benchmark.runs.returned import WrongCurve, WrongPolicy, check_curve, check_mode, checked
from benchmark.runs.staging import card_of, game_of, options_of, other_seat, seated
from benchmark.runs.training import Boxed, InProcess, Training

SOURCE = "method_source"
"""In a training's provenance the hash of its method's file, where that is not this project's."""


class Worker:
    """Does jobs one by one, reading and filing artifacts in a store."""

    def __init__(
        self, store: Store, victims: Victims, boxes: Boxes | None = None, logs: Logs | None = None
    ):
        """boxes: where methods are trained; none: in this process."""
        self.store, self.victims, self._boxes = store, victims, boxes
        self._logs = logs or (lambda _: NoLog())
        self._detect = looks.Detecting()
        self.warn: Warn = to_stderr
        """Told once, by the first training that finds the store slow."""
        self.tell: Warn = to_stderr
        """Told of every training that begins anew, since its checkpoint is damaged."""
        self._warned = False

    def run(self, job: Job, watch: Watch) -> None:
        """Do a job and file what it made. A checkpoint of an earlier try is continued.

        Raises:
            Misuse: the job cannot work; CheckFailed: its training failed.
            InfrastructureError: the store cannot keep the result.
        """
        policy: Policy | None = None
        if job.kind in ("attack", "harden"):
            with contextlib.closing(self._logs(job)) as log:
                policy, result = self._train(job, watch, log)
        else:
            kinds: dict[str, looks.Look] = {
                "play": self._play, "detect": self._detect, "split": looks.split,
            }  # fmt: skip
            look = kinds[job.kind]
            result = look(job, self.victim(job), lambda player: self.policy(player, job))
        self.store.commit(job.key, job.model_dump(mode="json"), result, policy)

    def policy(self, player: Player, job: Job) -> Policy:
        """The policy that a player stands for, checked to be the one that was planned."""
        if player.source == "floor":
            return floors(game(job.game), options_of(job))[player.name]
        if player.source == "job":
            return self.store.policy(player.ref)
        loaded = self.victims.load(player.name)
        if loaded.card.identity != player.ref:
            raise CheckFailed(f"victim '{player.name}' changed since the run was planned")
        return loaded

    def check_players(self, job: Job) -> None:
        """Raise Misuse unless the known policies of a job fit their seats, before any training."""
        card = game(job.game).describe(options_of(job))
        sides = [(job.victim, other_seat(job, card))]
        sides += [(player, job.seat) for player in (*job.adversaries, *job.opponents)]
        for player, seat in sides:
            if player.source != "job":
                check_fits(self.policy(player, job), card, seat)

    def folder(self, player: Player, job: Job) -> Path:
        """Where the artifact of a player with weights lies, checked as in `policy`."""
        self.policy(player, job)
        if player.source == "job":
            return self.store.folder(player.ref)
        return self.victims.folders()[player.name]

    def _train(self, job: Job, watch: Watch, log: CurveLog) -> tuple[Policy, dict[str, Any]]:
        progress = JobProgress(self.store, job, watch, log, self._warn_once, self.tell)
        training: Training = (
            InProcess(job, self, progress)
            if self._boxes is None or is_floor(job)
            else Boxed(job, self, progress, self._boxes, self.store.kept(job.key))
        )

        def report() -> dict[str, Any]:
            curve = [] if impossible(progress.curve, training.steps) else progress.curve
            return {
                "curve": CURVE.dump_python(condensed(curve), mode="json"),
                "steps": training.steps,
                "overrun": training.steps > job.budget_steps,
                "timings": progress.clock.timings(),
                "provenance": {**progress.clock.provenance, **_device(job), **source_of(job)},
                "isolation": training.isolation.model_dump(mode="json"),
                **({"retries": training.retries} if training.retries else {}),
            }

        try:
            policy = checked(training.train(), card_of(job), *_wanted(job))
            if job.kind == "harden":
                check_mode(policy, self.policy(job.victim, job))
            check_curve(progress.curve, training.steps)
        except (TrainingDiverged, TooManyVoids, WrongCurve, WrongPolicy, Contained) as error:
            # For good: trying again would end alike. The last checkpoint stays beside it.
            self.store.file_failure(job.key, {**report(), **_told(error)})
            raise
        return policy, report()

    def _warn_once(self, line: str) -> None:
        if not self._warned:
            self._warned = True
            self.warn(line)

    def _play(
        self, job: Job, victim: Policy, policy_of: Callable[[Player], Policy]
    ) -> dict[str, Any]:
        batch = game_of(job, min(job.parallel, job.episodes))
        if job.blind:
            victim = Blind.of(victim, batch.card.opposite(job.seat))
        seats = seated(job, policy_of(job.adversaries[0]), victim)
        halves = play(batch, seats, job.seat, episode_list(batch.card.id, job.episodes))
        try:
            halves.total.check_voids()
        except TooManyVoids as error:  # for good: the same matches would end alike
            self.store.file_failure(job.key, {"failure": f"{job.label}: {error}"})
            raise
        return {"even": TALLY.dump_python(halves.even), "odd": TALLY.dump_python(halves.odd)}

    def victim(self, job: Job) -> Policy:
        """The victim in the mode that the job asks for."""
        victim = self.policy(job.victim, job)
        return victim.in_mode(job.victim_mode) if isinstance(victim, NetworkPolicy) else victim


def _device(job: Job) -> dict[str, str]:
    """What updates were computed on, where that is not the CPU, which is named already."""
    return {} if job.device == CPU.name else {"device": called(job.device)}


def source_of(job: Job) -> dict[str, str]:
    """The hash of a stranger's method, whose key knows no more of its code than the version."""
    assert job.method is not None
    group = attacks if job.kind == "attack" else defenses
    found = None if is_floor(job) else group.source(job.method.name)
    return {} if found is None else {SOURCE: found}


def _told(error: CheckFailed) -> dict[str, Any]:
    """A failure for the store; of a container its status and last lines in fields of their own."""
    if not isinstance(error, Contained):
        return {"failure": str(error)}
    verdict = error.verdict
    failure = f"{verdict.status}: {verdict.message}"
    return {"failure": failure, "status": verdict.status.value, "log": list(verdict.log)}


def is_floor(job: Job) -> bool:
    """Whether a job plays no step and runs no code but the benchmark's own."""
    assert job.method is not None
    return not job.budget_steps and attacks.local(job.method.name) is None


def _wanted(job: Job) -> tuple[str, type[Policy]]:
    """The seat and the kind of policy that a training is to make."""
    if job.kind == "harden":
        return other_seat(job, card_of(job)), NetworkPolicy
    return job.seat, Policy
