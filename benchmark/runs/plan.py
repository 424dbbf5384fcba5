"""From a specification to jobs, and to the cells that they fill."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.errors import Misuse
from benchmark.learning.device import CPU
from benchmark.policies.policy import ANY, ActionMode, PolicyCard
from benchmark.records.cell import Cell, MethodRef, PlayerRef
from benchmark.records.record import JUDGED, Role
from benchmark.runs.job import LOOK, Job, Player
from benchmark.runs.spec import HELD_OUT_SEED, AttackPlan, DefensePlan, MethodPlan, RunSpec


@dataclass
class PlannedMatch:
    """A play job's part in a record."""

    role: Role
    job: Job
    ranked_mode: bool


@dataclass
class PlannedCell:
    """A record to be: its cell and the jobs that fill it."""

    cell: Cell
    trainings: dict[str, Job]
    command: str
    """What makes it again."""
    matches: list[PlannedMatch] = field(default_factory=list)
    detections: list[tuple[Role, Job]] = field(default_factory=list)
    splits: list[Job] = field(default_factory=list)

    @property
    def jobs(self) -> list[Job]:
        """Every job that the cell's record reads."""
        played = [match.job for match in self.matches]
        return [*self.trainings.values(), *played, *(j for _, j in self.detections), *self.splits]

    @property
    def essential(self) -> list[Job]:
        """The matches without which there is nothing to say of the cell."""
        judged = ("attack",) if self.cell.defense is None else JUDGED
        return [match.job for match in self.matches if match.role in judged]


@dataclass
class Plan:
    """Jobs in an order that respects what they need, and the cells that they fill."""

    jobs: list[Job]
    cells: list[PlannedCell]

    @property
    def steps(self) -> int:
        """Environment steps of all trainings."""
        return sum(job.budget_steps for job in self.jobs)


def united(plans: Iterable[Plan]) -> Plan:
    """One plan of several: every job once, in their order, and all of their cells."""
    chosen = list(plans)
    jobs = {job.key: job for plan in chosen for job in plan.jobs}
    return Plan(list(jobs.values()), [cell for plan in chosen for cell in plan.cells])


def make_plan(spec: RunSpec) -> Plan:
    """The jobs and cells of a run.

    Raises:
        Misuse: no regular opponent, or a defense would learn from what is to judge it.
    """
    return _Planner(spec).plan()


class _Planner:
    def __init__(self, spec: RunSpec):
        self.spec = spec
        self.jobs: dict[str, Job] = {}
        self.cells: list[PlannedCell] = []

    def plan(self) -> Plan:
        spec = self.spec
        for name in spec.victims:
            for attack in spec.attacks:
                for seed in spec.seeds:
                    self._undefended(name, attack, seed)
                    if attack.track == "none":
                        continue
                    for defense in spec.defenses:
                        self._defended(name, attack, defense, seed)
                    for detector in spec.detectors:
                        self._detected(name, attack, detector, seed)
        return Plan(list(self.jobs.values()), self.cells)

    def _undefended(self, name: str, attack: AttackPlan, seed: int) -> None:
        card, victim = self.spec.victims[name], self._victim(name)
        training = self._train(attack, victim, seed)
        cell = PlannedCell(
            self._cell(name, attack, None, seed, diagnoses=list(self.spec.diagnoses)),
            {"attack": training},
            self.spec.command,
        )
        self._play(cell, "attack", training.made(), victim, card)
        elsewhere = {**self.spec.game_options, **self.spec.game.replay}
        if elsewhere != self.spec.game_options:
            self._play(cell, "replay", training.made(), victim, card, options=elsewhere)
        self._everyone_else(cell, victim, card, name)
        for other, its_card in self.spec.others.items():
            if other != name and its_card.seat in (ANY, self.spec.victim_seat):
                self._play(cell, "transfer", training.made(), _player(other, its_card), its_card)
        self._diagnose(cell, [training.made()], [victim], card, name)
        self.cells.append(cell)

    def _defended(self, name: str, attack: AttackPlan, defense: DefensePlan, seed: int) -> None:
        card, victim = self.spec.victims[name], self._victim(name)
        stored = self._train(attack, victim, seed)
        held_out = self._held_out(attack, victim, seed)
        hardening = self._harden(name, attack, defense, seed)
        check_unseen(hardening, held_out)
        hardened = hardening.made()
        fresh = self._train(attack, hardened, seed)
        elsewhere = [other for other in self.spec.victims if other != name]
        foreign = [self._train(attack, self._victim(other), seed) for other in elsewhere]
        cell = PlannedCell(
            self._cell(
                name, attack, defense.method, seed, held_out=_named(held_out),
                foreign=_named(foreign), diagnoses=list(self.spec.diagnoses),
            ),
            {"attack": stored, "hardening": hardening, "fresh": fresh},
            self.spec.command,
        )  # fmt: skip
        self._play(cell, "stored", stored.made(), hardened, card)
        for unseen in held_out:
            self._play(cell, "held-out", unseen.made(), hardened, card)
        self._play(cell, "fresh", fresh.made(), hardened, card)
        for adversary in foreign:
            self._play(cell, "foreign", adversary.made(), hardened, card)
        for other in elsewhere:
            also = self._harden(other, attack, defense, seed).made()
            self._play(cell, "transfer", fresh.made(), also, self.spec.victims[other])
        self._everyone_else(cell, hardened, card, name)
        for opponent in self._opponents(name):  # what clean play was before, for C
            self._play(cell, "regular", opponent, victim, card)
        adversaries = [stored.made(), fresh.made()]
        self._diagnose(cell, adversaries, [victim, hardened], card, name)
        self.cells.append(cell)

    def _detected(self, name: str, attack: AttackPlan, detector: MethodPlan, seed: int) -> None:
        victim = self._victim(name)
        stored = self._train(attack, victim, seed)
        held_out = self._held_out(attack, victim, seed)
        cell = PlannedCell(
            self._cell(name, attack, detector.method, seed, held_out=_named(held_out)),
            {"attack": stored},
            self.spec.command,
        )
        opponents = self._opponents(name)
        roles: list[tuple[Role, Player, list[Player]]] = [("stored", stored.made(), opponents)]
        roles += [("held-out", unseen.made(), opponents) for unseen in held_out]
        if len(opponents) > 1:  # what a detector says of harmless strangers, for comparison
            for stranger in opponents:
                known = [player for player in opponents if player != stranger]
                roles.append(("regular", stranger, known))
        for role, adversary, known in roles:
            job = self._add(
                Job(
                    kind="detect", victim=victim, method=detector.method, seed=seed,
                    adversaries=(adversary,), opponents=tuple(known), look=LOOK,
                    episodes=self.spec.episodes,
                    victim_mode=self.spec.victims[name].action_mode, **self._place(),
                )
            )  # fmt: skip
            cell.detections.append((role, job))
        self.cells.append(cell)

    def _harden(self, name: str, attack: AttackPlan, defense: DefensePlan, seed: int) -> Job:
        """Hardening of a victim against its stored adversary, which is trained before."""
        victim = self._victim(name)
        stored = self._train(attack, victim, seed)
        opponents = self._opponents(name) if defense.meets_opponents else []
        return self._add(
            Job(
                kind="harden", victim=victim, method=defense.method, seed=seed,
                budget_steps=self.spec.budget_steps, adversaries=(stored.made(),),
                opponents=tuple(opponents), device=self.spec.device, **self._place(),
            )
        )  # fmt: skip

    def _held_out(self, attack: AttackPlan, victim: Player, seed: int) -> list[Job]:
        """Adversaries of the undefended victim that the defense never sees."""
        other_seed = self._train(attack, victim, seed + HELD_OUT_SEED)
        others = [a for a in self.spec.attacks if a != attack and a.track != "none"]
        return [other_seed, *(self._train(other, victim, seed) for other in others)]

    def _everyone_else(
        self, cell: PlannedCell, victim: Player, card: PolicyCard, name: str
    ) -> None:
        """Floors and regular opponents: the scale of every victim's row."""
        for floor in ("random", "zero"):
            self._play(cell, "floor", Player(source="floor", name=floor), victim, card)
        for opponent in self._opponents(name):
            self._play(cell, "regular", opponent, victim, card)

    def _diagnose(
        self,
        cell: PlannedCell,
        adversaries: Sequence[Player],
        victims: Sequence[Player],
        card: PolicyCard,
        name: str,
    ) -> None:
        """What the run's diagnoses ask for: of the last victim, and of those before it its states.

        The first adversary is the one that all victims meet.
        """
        if "masked" in self.spec.diagnoses:
            for player in (*adversaries, *self._opponents(name)):
                self._play(cell, "masked", player, victims[-1], card, blind=True)
        if "split" in self.spec.diagnoses:
            for victim in victims:
                job = Job(
                    kind="split", victim=victim, adversaries=(adversaries[0],),
                    opponents=tuple(self._opponents(name)), episodes=self.spec.episodes,
                    victim_mode=card.action_mode, look=LOOK, **self._place(),
                )  # fmt: skip
                cell.splits.append(self._add(job))

    def _opponents(self, name: str) -> list[Player]:
        """Regular opponents: the game's other ranked policies that fit the adversary's seat."""
        seat = self.spec.game.adversary_seat
        fitting = {
            other: card for other, card in self.spec.others.items() if card.seat in (ANY, seat)
        }
        others = {other: card for other, card in fitting.items() if other != name} or fitting
        if not others:
            raise Misuse(f"no regular opponent for '{name}' in {self.spec.game.id}; import one")
        return [_player(other, card) for other, card in others.items()]

    def _victim(self, name: str) -> Player:
        return _player(name, self.spec.victims[name])

    def _train(self, attack: AttackPlan, victim: Player, seed: int) -> Job:
        budget = self.spec.budget_steps if attack.track != "none" else 0
        device = self.spec.device if budget else CPU.name
        return self._add(
            Job(
                kind="attack", victim=victim, method=attack.method, seed=seed,
                budget_steps=budget, device=device, **self._place(),
            )
        )  # fmt: skip

    def _play(
        self, cell: PlannedCell, role: Role, adversary: Player, victim: Player, card: PolicyCard,
        options: dict[str, Any] | None = None, *, blind: bool = False,
    ) -> None:  # fmt: skip
        """Plan matches in the modes that the role asks for; options: the run's, unless given."""
        modes: list[ActionMode] = [card.action_mode]
        if card.stochastic and role in ("attack", "stored", "held-out", "fresh"):
            modes.append("mean" if card.action_mode == "sampled" else "sampled")
        for mode in modes:
            job = self._add(
                Job(
                    kind="play", victim=victim, adversaries=(adversary,), victim_mode=mode,
                    episodes=self.spec.episodes, blind=blind, **self._place(options),
                )
            )  # fmt: skip
            cell.matches.append(PlannedMatch(role, job, mode == card.action_mode))

    def _add(self, job: Job) -> Job:
        return self.jobs.setdefault(job.key, job)

    def _place(self, options: dict[str, Any] | None = None) -> dict[str, Any]:
        spec = self.spec
        return {
            "game": spec.game.id,
            "game_options": options or spec.game_options,
            "seat": spec.game.adversary_seat,
        }

    def _cell(
        self, name: str, attack: AttackPlan, defense: MethodRef | None, seed: int, **judged_by: Any
    ) -> Cell:
        """judged_by: fields of the cell that say who else was at hand."""
        spec = self.spec
        card = spec.victims[name]
        return Cell(
            game=spec.game.id,
            game_options=spec.game_options,
            seat=spec.game.adversary_seat,
            victim=PlayerRef(name=name, sha256=card.sha256),
            others=[
                PlayerRef(name=other, sha256=other_card.sha256)
                for other, other_card in spec.others.items()
                if other != name
            ],
            victim_ranked=card.ranked,
            attack=attack.method,
            track=attack.track,
            defense=defense,
            seed=seed,
            tier=spec.tier,
            budget_steps=spec.budget_steps if attack.track != "none" else 0,
            episodes=spec.episodes,
            protocol=spec.protocol,
            **{"held_out": [], **judged_by},
        )


def check_unseen(hardening: Job, held_out: Sequence[Job]) -> None:
    """Raise Misuse for a defense that would learn from adversaries that are to judge it."""
    judges = {job.key: job.made().name for job in held_out}
    for player in (*hardening.adversaries, *hardening.opponents):
        if player.ref in judges:
            raise Misuse(
                f"'{hardening.label}' would learn from '{judges[player.ref]}', which is held out "
                "to judge it; name every attack once"
            )


def _named(trainings: Sequence[Job]) -> list[str]:
    """Adversaries for a cell: names for people, with their keys."""
    return [f"{job.made().name} {job.key}" for job in trainings]


def _player(name: str, card: PolicyCard) -> Player:
    return Player(source="victim", name=name, ref=card.identity, sha256=card.sha256)
