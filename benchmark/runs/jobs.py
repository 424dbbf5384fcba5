"""What each job does: train an adversary, harden a victim, play matches."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmark.arena.mixture import check_fits
from benchmark.arena.tally import TALLY, Tally, TooManyVoids
from benchmark.errors import CheckFailed, Misuse
from benchmark.evaluation.matches import episode_list, play
from benchmark.games.game import GameCard
from benchmark.learning import checkpoint as checkpoints
from benchmark.learning.checkpoint import Checkpoint, Pace
from benchmark.learning.device import CPU, called
from benchmark.learning.ppo import TrainingDiverged
from benchmark.learning.progress import CURVE, CurveLog, CurvePoint, NoLog, impossible, is_news
from benchmark.learning.stages import STAGE
from benchmark.policies.blind import Blind
from benchmark.policies.policy import NetworkPolicy, Policy, check_tensors
from benchmark.records.note import Note
from benchmark.records.store import Store, storage_errors
from benchmark.registry import Victims, attacks, defenses, floors, game
from benchmark.runs import looks
from benchmark.runs.boxes import Boxes, Contained
from benchmark.runs.clock import Clock
from benchmark.runs.job import Job, Player
from benchmark.runs.staging import card_of, game_of, options_of, other_seat, seated
from benchmark.runs.training import Boxed, InProcess, Training

CURVE_POINTS = 200
NOTE_S = 1.0
"""Seconds from one note of a training's progress to the next."""
SCRIPTED = ("random", "zero")
"""Kinds of policy without weights."""

Watch = Callable[[int, Tally], None]
"""Told (steps so far, matches since the last call) while a training runs."""

Warn = Callable[[str], None]
"""Told a line for people that moves no result."""


def to_stderr(line: str) -> None:
    """Say it where it is in nobody's way."""
    sys.stderr.write(f"{line}\n")


Logs = Callable[[Job], CurveLog]
"""Where the curve of a job's training is logged besides."""

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


class WrongPolicy(CheckFailed):
    """A method returned a policy that is not what its card says."""


class WrongCurve(CheckFailed):
    """A method reported what its arena did not play."""


def check_curve(curve: list[CurvePoint], steps: int) -> None:
    """Raise WrongCurve unless it can be of `steps` steps, TooManyVoids for too many void ends."""
    problem = impossible(curve, steps)
    if problem is not None:
        raise WrongCurve(f"the method reported a curve that it cannot have played: {problem}")
    Tally.sum(point.tally for point in curve).check_voids()


def is_floor(job: Job) -> bool:
    """Whether a job plays no step and runs no code but the benchmark's own."""
    assert job.method is not None
    return not job.budget_steps and attacks.local(job.method.name) is None


def _wanted(job: Job) -> tuple[str, type[Policy]]:
    """The seat and the kind of policy that a training is to make."""
    if job.kind == "harden":
        return other_seat(job, card_of(job)), NetworkPolicy
    return job.seat, Policy


def checked(policy: Any, card: GameCard, seat: str, kind: type[Policy] = Policy) -> Policy:
    """What a method returned, if it is of a kind, as its card says, and made for a game and seat.

    Raises:
        WrongPolicy: it is not.
    """
    if not isinstance(policy, kind):
        raise WrongPolicy(
            f"expected a {kind.__name__} from the method, got {type(policy).__name__}"
        )
    try:
        check_fits(policy, card, seat)
        if policy.card.kind not in SCRIPTED:
            check_tensors(policy.card, policy.tensors())
    except (Misuse, ValueError) as error:
        raise WrongPolicy(
            f"the method returned a policy that is not what its card says: {error}"
        ) from error
    return policy


def check_mode(hardened: Policy, victim: Policy) -> None:
    """Raise WrongPolicy for a hardened victim that acts in another mode than before.

    Its judges meet it in the mode of the victim that it was; a fresh attack would be trained
    against what nobody judges.
    """
    if hardened.card.action_mode != victim.card.action_mode:
        raise WrongPolicy(
            f"the method returned a policy that acts in the mode '{hardened.card.action_mode}', "
            f"expected '{victim.card.action_mode}', that of '{victim.card.name}'"
        )


class JobProgress:
    """A training's `Progress`: curve, live display, log, checkpoint in the store."""

    def __init__(
        self, store: Store, job: Job, watch: Watch, log: CurveLog | None = None,
        warn: Warn = to_stderr, tell: Warn = to_stderr,
    ):  # fmt: skip
        """warn: told where the store is so slow that checkpoints are kept rarer.

        tell: told where the checkpoint is damaged, so that the training begins anew.
        """
        self.curve: list[CurvePoint] = []
        self._store, self._watch, self._log = store, watch, log or NoLog()
        self._key, self._warn, self._tell = job.key, warn, tell
        self._saving, self._noting = Pace(checkpoints.EVERY_S), Pace(NOTE_S)
        self._noted = False
        self._total = Tally()
        self.clock = Clock()

    def restart(self) -> None:
        """Forget the curve: the training begins anew."""
        self.curve, self._total = [], Tally()
        self._log.restart()

    def report(self, point: CurvePoint) -> None:
        """Keep the point and show it, unless nothing was played since the one before."""
        if not is_news(point, self.curve):
            return
        self.curve.append(point)
        self._watch(point.steps, point.tally)
        self._log.add(point)
        self._total = Tally.totals((self._total, point.tally))
        if self._noting.due or not self._noted:
            with self._noting.writing():
                self._store.note(self._key, Note(steps=point.steps, tally=self._total))
            self._noted = True

    def resume(self) -> Checkpoint | None:
        """The checkpoint that an interrupted run of this very job left behind.

        Raises:
            InfrastructureError: there is one, and the disk does not give it.
        """
        with storage_errors(self._store.root):
            path = self._store.checkpoint(self._key)
            found = checkpoints.read(path)
            damaged = found is None and path.exists()
        if damaged:
            self._tell(checkpoints.begins_anew(path))
        if found is not None:
            self.curve = CURVE.validate_json(found.facts["curve"])
            self.clock.go_on(found.facts)
            self._total = Tally.totals(point.tally for point in self.curve)
            if self.curve:
                self._watch(self.curve[-1].steps, Tally())
            self._log.restart(self.curve)
        return found

    def due(self) -> bool:
        """Every `checkpoints.EVERY_S` seconds or later; when does not move the result."""
        return self._saving.due

    def save(self, checkpoint: Checkpoint) -> None:
        """Store it with the curve so far."""
        checkpoint.facts["curve"] = CURVE.dump_json(self.curve).decode()
        checkpoint.facts |= self.clock.facts()
        with storage_errors(self._store.root), self._saving.writing():
            try:
                checkpoints.write(checkpoint, self._store.checkpoint(self._key))
            except FileNotFoundError:  # another run has just finished this job and swept up
                checkpoints.write(checkpoint, self._store.checkpoint(self._key))
        if self._saving.slow:
            self._warn(
                f"slow store: writing a checkpoint took {self._saving.took_s:.1f} s in "
                f"{self._store.root}; they are {self._saving.pause_s:.0f} s apart from now on, "
                "which is what a kill costs at most; a --store on a faster disk keeps more"
            )


def condensed(curve: list[CurvePoint]) -> list[CurvePoint]:
    """The curve in about CURVE_POINTS windows: counts add up, diagnostics are their means.

    No window reaches from one stage of a training into the next.
    """
    width = -(-len(curve) // CURVE_POINTS) or 1
    stages = groupby(curve, key=lambda point: point.diagnostics.get(STAGE))
    windows = [
        points[i : i + width]
        for points in (list(stage) for _, stage in stages)
        for i in range(0, len(points), width)
    ]
    return [
        CurvePoint(
            steps=window[-1].steps,
            tally=Tally.sum(point.tally for point in window),
            diagnostics=_means([point.diagnostics for point in window]),
        )
        for window in windows
    ]


def _means(diagnostics: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each diagnostic over the points that have it."""
    names = dict.fromkeys(name for point in diagnostics for name in point)
    found = {name: [point[name] for point in diagnostics if name in point] for name in names}
    return {name: round(sum(values) / len(values), 6) for name, values in found.items()}
