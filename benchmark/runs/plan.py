"""From a specification to jobs. A job's key hashes all that its artifact depends on.

The commit is provenance and no part of a key: methods and games carry versions of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from benchmark.errors import Misuse
from benchmark.evaluation.matches import EVALUATION_MATCHES, PROTOCOL
from benchmark.learning import ppo
from benchmark.policies.policy import ANY, ActionMode, PolicyCard
from benchmark.records.record import Cell, MethodRef, PlayerRef, Role, content_hash
from benchmark.runs.spec import HELD_OUT_SEED, AttackPlan, DefensePlan, RunSpec


class Player(BaseModel):
    """Where a policy comes from: a victim, a floor by name, or another job."""

    model_config = ConfigDict(frozen=True)

    source: Literal["victim", "floor", "job"]
    name: str
    ref: str = Field(default="", description="a victim's identity or a job's key")
    sha256: str = Field(default="", description="of a victim's weights, for the record")

    @property
    def key(self) -> tuple[str, str]:
        """What tells it apart: a name is only for people, but for a floor."""
        return self.source, self.ref or self.name


class Job(BaseModel):
    """One step of a cell. Jobs are equal where their content is."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["attack", "harden", "play"]
    game: str
    game_options: dict[str, Any]
    seat: str
    protocol: int = PROTOCOL
    victim: Player
    method: MethodRef | None = None
    seed: int = 0
    budget_steps: int = 0
    adversaries: tuple[Player, ...] = ()
    opponents: tuple[Player, ...] = ()
    episodes: int = 0
    victim_mode: ActionMode = "mean"
    parallel: int = EVALUATION_MATCHES
    learner: int = ppo.VERSION

    _PLAYERS: ClassVar[tuple[str, ...]] = ("adversaries", "opponents")

    @cached_property
    def key(self) -> str:
        """The content hash that names the artifact: of all that moves it, and of nothing else."""
        method = self.method
        return content_hash(
            {
                **self.model_dump(mode="json", exclude={"victim", "method", *self._PLAYERS}),
                "method": method and [method.name, method.version, method.config],
                "victim": self.victim.key,
                **{part: [p.key for p in getattr(self, part)] for part in self._PLAYERS},
            }
        )[:32]

    @property
    def needs(self) -> list[str]:
        """Keys of the jobs whose artifacts this one reads."""
        players = (self.victim, *self.adversaries, *self.opponents)
        return [p.ref for p in players if p.source == "job"]

    @property
    def label(self) -> str:
        """For people."""
        if self.kind == "play":
            return f"play {self.adversaries[0].name} against {self.victim.name}"
        assert self.method is not None
        verb = "train" if self.kind == "attack" else "harden with"
        return f"{verb} {self.method.name}, {self.victim.name}, seed {self.seed}"

    def made(self) -> Player:
        """The policy that this job makes, as a player in another one."""
        assert self.method is not None
        tail = f" (seed {self.seed})" if self.kind == "attack" else ""
        name = f"{self.method.name}{tail}" if tail else f"{self.victim.name}+{self.method.name}"
        return Player(source="job", name=name, ref=self.key)


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
    matches: list[PlannedMatch] = field(default_factory=list)


@dataclass
class Plan:
    """Jobs in an order that respects what they need, and the cells that they fill."""

    jobs: list[Job]
    cells: list[PlannedCell]

    @property
    def steps(self) -> int:
        """Environment steps of all trainings."""
        return sum(job.budget_steps for job in self.jobs)


def make_plan(spec: RunSpec) -> Plan:
    """The jobs and cells of a run."""
    return _Planner(spec).plan()


class _Planner:
    def __init__(self, spec: RunSpec):
        self.spec = spec
        self.jobs: dict[str, Job] = {}
        self.cells: list[PlannedCell] = []

    def plan(self) -> Plan:
        spec = self.spec
        for name, card in spec.victims.items():
            for attack in spec.attacks:
                for seed in spec.seeds:
                    attacked = self._undefended(name, card, attack, seed)
                    for defense in spec.defenses if attack.track != "none" else ():
                        self._defended(name, card, attack, defense, seed, attacked)
        return Plan(list(self.jobs.values()), self.cells)

    def _undefended(
        self, name: str, card: PolicyCard, attack: AttackPlan, seed: int
    ) -> PlannedCell:
        victim = _victim(name, card)
        training = self._train(attack, victim, seed)
        cell = PlannedCell(self._cell(name, card, attack, None, seed, []), {"attack": training})
        self._play(cell, "attack", training.made(), victim, card)
        elsewhere = {**self.spec.game_options, **self.spec.game.replay}
        if elsewhere != self.spec.game_options:
            self._play(cell, "replay", training.made(), victim, card, options=elsewhere)
        self._everyone_else(cell, victim, card, name)
        for other, its_card in self.spec.others.items():
            if other != name and its_card.seat in (ANY, self.spec.victim_seat):
                self._play(cell, "transfer", training.made(), _victim(other, its_card), its_card)
        self.cells.append(cell)
        return cell

    def _defended(
        self,
        name: str,
        card: PolicyCard,
        attack: AttackPlan,
        defense: DefensePlan,
        seed: int,
        attacked: PlannedCell,
    ) -> None:
        victim, stored = _victim(name, card), attacked.trainings["attack"]
        opponents = self._opponents(name) if defense.meets_opponents else []
        hardening = self._add(
            Job(
                kind="harden", victim=victim, method=defense.method, seed=seed,
                budget_steps=self.spec.budget_steps, adversaries=(stored.made(),),
                opponents=tuple(opponents), **self._place(),
            )
        )  # fmt: skip
        hardened = hardening.made()
        fresh = self._train(attack, hardened, seed)
        held_out = self._held_out(attack, victim, seed)
        cell = PlannedCell(
            self._cell(name, card, attack, defense.method, seed, held_out),
            {"attack": stored, "hardening": hardening, "fresh": fresh},
        )
        self._play(cell, "stored", stored.made(), hardened, card)
        for unseen in held_out:
            self._play(cell, "held-out", unseen.made(), hardened, card)
        self._play(cell, "fresh", fresh.made(), hardened, card)
        self._everyone_else(cell, hardened, card, name)
        for opponent in self._opponents(name):  # what clean play was before, for C
            self._play(cell, "regular", opponent, victim, card)
        self.cells.append(cell)

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

    def _opponents(self, name: str) -> list[Player]:
        """Regular opponents: the game's other ranked policies that fit the adversary's seat."""
        seat = self.spec.game.adversary_seat
        fitting = {
            other: card for other, card in self.spec.others.items() if card.seat in (ANY, seat)
        }
        others = {other: card for other, card in fitting.items() if other != name} or fitting
        if not others:
            raise Misuse(f"no regular opponent for '{name}' in {self.spec.game.id}; import one")
        return [_victim(other, card) for other, card in others.items()]

    def _train(self, attack: AttackPlan, victim: Player, seed: int) -> Job:
        budget = self.spec.budget_steps if attack.track != "none" else 0
        return self._add(
            Job(
                kind="attack", victim=victim, method=attack.method, seed=seed,
                budget_steps=budget, **self._place(),
            )
        )  # fmt: skip

    def _play(
        self, cell: PlannedCell, role: Role, adversary: Player, victim: Player, card: PolicyCard,
        options: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Plan matches in the modes that the role asks for; options: the run's, unless given."""
        modes: list[ActionMode] = [card.action_mode]
        if card.stochastic and role in ("attack", "stored", "held-out", "fresh"):
            modes.append("mean" if card.action_mode == "sampled" else "sampled")
        for mode in modes:
            job = self._add(
                Job(
                    kind="play", victim=victim, adversaries=(adversary,), victim_mode=mode,
                    episodes=self.spec.episodes, **self._place(options),
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
        self,
        name: str,
        card: PolicyCard,
        attack: AttackPlan,
        defense: MethodRef | None,
        seed: int,
        held_out: Sequence[Job],
    ) -> Cell:
        spec = self.spec
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
            held_out=[f"{job.made().name} {job.key}" for job in held_out],
            victim_ranked=card.ranked,
            attack=attack.method,
            track=attack.track,
            defense=defense,
            seed=seed,
            tier=spec.tier,
            budget_steps=spec.budget_steps if attack.track != "none" else 0,
            episodes=spec.episodes,
            protocol=spec.protocol,
        )


def _victim(name: str, card: PolicyCard) -> Player:
    return Player(source="victim", name=name, ref=card.identity, sha256=card.sha256)
