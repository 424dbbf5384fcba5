"""A study as the command line asks for it: of attacks, or of defenses against one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.commands.common import command_line
from benchmark.errors import Misuse
from benchmark.games.game import GameCard, Tier
from benchmark.leaderboard.defense_figure import save_defense_figure
from benchmark.leaderboard.defense_study import defense_study_table
from benchmark.leaderboard.figure import save_figure
from benchmark.leaderboard.study import Row, study_table
from benchmark.leaderboard.table import Table, steps
from benchmark.records.cell import MethodRef, content_hash
from benchmark.registry import Victims, game_card
from benchmark.runs.spec import (
    SEEDS,
    RunSpec,
    check_attacks,
    check_defenses,
    default_victim,
    plan_attack,
    plan_defense,
    resolve_run,
)
from benchmark.runs.study import Scope, Study
from benchmark.variants import Variant

LONGEST = 150
"""Characters of a file's name, of the 255 that disks take."""


@dataclass(frozen=True)
class Asked:
    """What the command line says about where a study is run."""

    game_name: str
    victim: str | None
    seeds: int | None
    tier: Tier
    budget: int | None
    settings: dict[str, dict[str, Any]]
    track: str
    victims: Victims
    attack: str

    @property
    def seed_count(self) -> int:
        """How many seeds a variant has when the study is complete."""
        return self.seeds if self.seeds is not None else SEEDS[self.tier]

    @property
    def card(self) -> GameCard:
        return game_card(self.game_name, self.settings.get("game", {}))

    def run_of(self, attack: str) -> RunSpec:
        """A run of one attack, for the study's own methods to be put in."""
        return resolve_run(
            victims=self.victims, game_name=self.game_name,
            victim_names=[self.victim] if self.victim else [],
            attack_names=[attack], defense_names=[], seeds=self.seeds,
            tier=self.tier, budget=self.budget, settings=self.settings,
            command=command_line(), track=self.track,
        )  # fmt: skip

    def scope_of(self, spec: RunSpec, attack: MethodRef | None) -> Scope:
        """The scope of a run against its one victim."""
        (victim,) = spec.victims
        game, options = spec.game.id, spec.game_options
        return Scope(game, options, victim, spec.tier, spec.budget_steps, spec.seeds, attack)

    def scope(self, attack: MethodRef | None) -> Scope:
        """The same without the victim itself: records name it, and it may not be at hand."""
        card = self.card
        known = self.victims.cards(card.id)
        return Scope(
            game=card.id,
            game_options=dict(card.options),
            victim=self.victim or default_victim(self.victims, known, card),
            tier=self.tier,
            budget_steps=self.budget if self.budget is not None else card.budgets[self.tier],
            seeds=None if self.seeds is None else tuple(range(self.seeds)),
            attack=attack,
        )


class OfAttacks:
    """A study of attacks on an undefended victim."""

    attack: MethodRef | None = None
    training = "attack"

    def __init__(self, asked: Asked, variants: Sequence[Variant], reference: str):
        self._asked, self._reference, self.variants = asked, reference, variants
        self.plans = [plan_attack(one.method, asked.card, dict(one.settings)) for one in variants]

    def spec(self) -> RunSpec:
        """The run of all variants, as a run of the first with the others beside it."""
        spec = self._asked.run_of(self.plans[0].method.name)
        check_attacks(self.plans, self._asked.track, spec.victims, spec.budget_steps)
        return spec.model_copy(update={"attacks": tuple(self.plans)})

    def table(self, title: str, rows: Sequence[Row]) -> Table:
        """Every variant against the reference."""
        return study_table(title, rows, self._compared(rows), self._asked.seed_count)

    def draw(self, path: Path, title: str, rows: Sequence[Row]) -> None:
        """Learning curves and differences."""
        save_figure(path, title, rows, self._compared(rows))

    def _compared(self, rows: Sequence[Row]) -> Row:
        (compared,) = (row for row in rows if row.label == self._reference)
        return compared


class OfDefenses:
    """A study of defenses against one attack, their states looked at before and after."""

    training = "hardening"

    def __init__(self, asked: Asked, variants: Sequence[Variant], reference: str | None):
        if reference is not None:
            raise Misuse("--reference: a study of defenses has none; its rows stand side by side")
        self._asked, self.variants = asked, variants
        against = plan_attack(asked.attack, asked.card, {})
        if against.track == "none":
            raise Misuse(
                f"--attack {asked.attack}: it learns nothing, so nothing defends against it"
            )
        self.attack: MethodRef | None = against.method
        self.plans = [plan_defense(one.method, asked.card, dict(one.settings)) for one in variants]

    def spec(self) -> RunSpec:
        """The run of all variants against the attack."""
        spec = self._asked.run_of(self._asked.attack)
        check_defenses(self.plans, spec.game, spec.victims, spec.budget_steps)
        return spec.model_copy(update={"defenses": tuple(self.plans), "diagnoses": ("split",)})

    def table(self, title: str, rows: Sequence[Row]) -> Table:
        """Robustness beside generality."""
        return defense_study_table(title, rows, self._asked.seed_count)

    def draw(self, path: Path, title: str, rows: Sequence[Row]) -> None:
        """The same over the variants, and against each other."""
        save_defense_figure(path, title, rows)


def kind_of(
    study: Study, asked: Asked, only: list[str], reference: str | None
) -> OfAttacks | OfDefenses:
    """The study with the variants asked for; one of attacks needs its reference among them."""
    if study.of == "defenses":
        return OfDefenses(asked, _chosen(study.variants, only), reference)
    first = reference or study.variants[0].label
    return OfAttacks(asked, _chosen(study.variants, [*only, first] if only else [], first), first)


def _chosen(
    variants: tuple[Variant, ...], only: list[str], reference: str | None = None
) -> tuple[Variant, ...]:
    """The variants asked for, in the study's order; raises Misuse for a label it lacks."""
    known = [one.label for one in variants]
    for label in (*only, *([] if reference is None else [reference])):
        if label not in known:
            raise Misuse(f"the study has no variant '{label}'; it has {', '.join(known)}")
    return tuple(one for one in variants if not only or one.label in only)


def file_stem(study: str, only: Sequence[str], scope: Scope) -> str:
    """What its files are called: where it was run, and whatever of it is not the usual.

    So that two studies that differ in any of it do not overwrite each other's.
    """
    usual = game_card(scope.game, {})
    parts = [scope.game, scope.victim, study, scope.tier]
    parts += [] if scope.attack is None else ["against", scope.attack.label]
    if scope.budget_steps != usual.budgets[scope.tier]:
        parts.append(f"{scope.budget_steps} steps")
    if scope.seeds not in (None, tuple(range(SEEDS[scope.tier]))):
        parts.append(f"{len(scope.seeds)} seeds")
    options = scope.game_options.items() - dict(usual.options).items()
    parts += [f"{name}={value}" for name, value in sorted(options)]
    parts += ["only", *only] if only else []
    stem = re.sub(r"[^A-Za-z0-9.=_]+", "-", " ".join(parts))
    return stem if len(stem) <= LONGEST else f"{stem[:LONGEST]}-{content_hash(stem)[:8]}"


def title_of(study: str, kind: OfAttacks | OfDefenses, scope: Scope) -> str:
    """What its tables and its figure are headed with."""
    against = "" if kind.attack is None else f" against {kind.attack.label}"
    budget = f"{steps(scope.budget_steps)} steps, tier {scope.tier}"
    return f"Study '{study}'{against} on {scope.game}, {scope.victim}, {budget}"
