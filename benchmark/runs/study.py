"""Studies: variants of methods side by side on one store, with the same seeds and budget.

A method says which studies of itself make sense (`Attack.studies`, `Defense.studies`): a study is
a name and its variants, the first being the one that the others are compared with.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmark.errors import CheckFailed, Misuse
from benchmark.games.game import GameCard, Tier
from benchmark.records.cell import Cell, MethodRef, method_key
from benchmark.records.record import Record
from benchmark.records.votes import one_vote
from benchmark.registry import Registry, attacks, defenses
from benchmark.runs.plan import Plan, make_plan, united
from benchmark.runs.spec import RunSpec
from benchmark.settings import hint
from benchmark.variants import Variant


@dataclass(frozen=True)
class Study:
    """A comparison of variants of attacks, or of defenses against one attack."""

    of: Literal["attacks", "defenses"]
    variants: tuple[Variant, ...]


def studies(card: GameCard) -> dict[str, Study]:
    """Every study that an installed attack or defense offers for a game, by name.

    A plug-in that fails to load is a warning and offers none.

    Raises:
        Misuse: two methods offer different studies under one name.
    """
    found: dict[str, Study] = {}
    kinds: tuple[tuple[Literal["attacks", "defenses"], Registry], ...]
    kinds = (("attacks", attacks), ("defenses", defenses))
    for of, registry in kinds:
        for name in registry.names():
            try:
                method = registry.load(name)
            except Misuse as error:
                warnings.warn(str(error), stacklevel=2)
                continue
            for study, variants in method.studies(card).items():
                offered = Study(of, tuple(variants))
                if found.setdefault(study, offered) != offered:
                    raise Misuse(f"study '{study}' is offered twice, the second time by '{name}'")
    return found


def study_of(name: str, card: GameCard) -> Study:
    """A study by its name; raises Misuse for an unknown one."""
    known = studies(card)
    if name not in known:
        raise Misuse(f"no study '{name}' on {card.id}; {hint(name, known)}")
    return known[name]


def plan_study(spec: RunSpec) -> Plan:
    """The jobs of a study, seed by seed: stopped early, it has as many seeds of every variant."""
    return united(make_plan(spec.model_copy(update={"seeds": (seed,)})) for seed in spec.seeds)


@dataclass(frozen=True)
class Scope:
    """Which records a study is about, whatever else lies beside them."""

    game: str
    game_options: dict[str, Any]
    victim: str
    tier: Tier
    budget_steps: int
    seeds: tuple[int, ...] | None
    """None: all that there are."""
    attack: MethodRef | None = None
    """Against which defenses are studied; None: attacks are, on the undefended victim."""

    def varied(self, cell: Cell) -> MethodRef | None:
        """The method of a cell that the study is about."""
        return cell.attack if self.attack is None else cell.defense

    def holds(self, record: Record) -> bool:
        """Whether it is of a cell of this game, victim, tier, budget, seeds, and of this attack."""
        cell = record.cell
        asked = (self.game, self.game_options, self.victim, self.tier, self.budget_steps)
        return (
            (cell.defense is None) == (self.attack is None)
            and (self.attack is None or method_key(cell.attack) == method_key(self.attack))
            and asked
            == (cell.game, cell.game_options, cell.victim.name, cell.tier, cell.budget_steps)
            and (self.seeds is None or cell.seed in self.seeds)
        )


def _judged_alike(records: Sequence[Record], scope: Scope) -> list[Record]:
    """Of a study of defenses, where there are any, the records that a sweep of it makes.

    A run of its own may have met more adversaries: beside rows that have not it would look weaker.
    """
    if scope.attack is None:
        return list(records)

    def cell(record: Record) -> tuple[str, int]:
        return method_key(record.cell.defense), record.cell.seed

    swept = {cell(record) for record in records if "split" in record.cell.diagnoses}
    return [
        record
        for record in records
        if "split" in record.cell.diagnoses or cell(record) not in swept
    ]


def rows_of(
    records: Sequence[Record], methods: Sequence[MethodRef], scope: Scope
) -> list[list[Record]]:
    """For each method of a study its records within the scope, by seed.

    Raises:
        CheckFailed: two victims of that name, which must not be averaged.
    """
    within = one_vote(_judged_alike([one for one in records if scope.holds(one)], scope))
    if len({record.cell.victim.sha256 for record in within}) > 1:
        raise CheckFailed(f"the records know two victims called '{scope.victim}'; keep one's")
    found = []
    for method in methods:
        key = method_key(method)
        mine = {r.cell.seed: r for r in within if method_key(scope.varied(r.cell)) == key}
        found.append([mine[seed] for seed in sorted(mine)])
    return found
