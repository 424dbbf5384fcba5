"""Studies: variants of methods side by side on one store, with the same seeds and budget.

A method says which studies of itself make sense (`Attack.studies`): a study is a name and its
variants, the first being the one that the others are compared with.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.errors import CheckFailed, Misuse
from benchmark.games.game import GameCard, Tier
from benchmark.records.record import MethodRef, Record, method_key, one_vote
from benchmark.registry import attacks
from benchmark.runs.plan import Plan, make_plan
from benchmark.runs.spec import RunSpec
from benchmark.settings import hint
from benchmark.variants import Variant


def studies(card: GameCard) -> dict[str, tuple[Variant, ...]]:
    """Every study that an installed attack offers for a game, by name.

    A plug-in that fails to load is a warning and offers none.

    Raises:
        Misuse: two attacks offer different studies under one name.
    """
    found: dict[str, tuple[Variant, ...]] = {}
    for name in attacks.names():
        try:
            attack = attacks.load(name)
        except Misuse as error:
            warnings.warn(str(error), stacklevel=2)
            continue
        for study, variants in attack.studies(card).items():
            if found.setdefault(study, variants) != variants:
                raise Misuse(f"study '{study}' is offered twice, the second time by '{name}'")
    return found


def variants_of(study: str, card: GameCard) -> tuple[Variant, ...]:
    """The variants of a study; raises Misuse for an unknown one."""
    known = studies(card)
    if study not in known:
        raise Misuse(f"no study '{study}' on {card.id}; {hint(study, known)}")
    return known[study]


def plan_study(spec: RunSpec) -> Plan:
    """The jobs of a study, seed by seed: stopped early, it has as many seeds of every variant."""
    by_seed = [make_plan(spec.model_copy(update={"seeds": (seed,)})) for seed in spec.seeds]
    jobs = {job.key: job for plan in by_seed for job in plan.jobs}
    return Plan(list(jobs.values()), [cell for plan in by_seed for cell in plan.cells])


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

    @classmethod
    def of(cls, spec: RunSpec) -> Scope:
        """The scope of a run against its one victim."""
        (victim,) = spec.victims
        game, options = spec.game.id, spec.game_options
        return cls(game, options, victim, spec.tier, spec.budget_steps, spec.seeds)

    def holds(self, record: Record) -> bool:
        """Whether it is of an undefended cell of this game, victim, tier, budget and seeds."""
        cell = record.cell
        asked = (self.game, self.game_options, self.victim, self.tier, self.budget_steps)
        return (
            cell.defense is None
            and asked
            == (cell.game, cell.game_options, cell.victim.name, cell.tier, cell.budget_steps)
            and (self.seeds is None or cell.seed in self.seeds)
        )


def rows_of(
    records: Sequence[Record], methods: Sequence[MethodRef], scope: Scope
) -> list[list[Record]]:
    """For each method of a study its records within the scope, by seed.

    Raises:
        CheckFailed: two victims of that name, which must not be averaged.
    """
    within = one_vote(record for record in records if scope.holds(record))
    if len({record.cell.victim.sha256 for record in within}) > 1:
        raise CheckFailed(f"the records know two victims called '{scope.victim}'; keep one's")
    found = []
    for method in methods:
        key = method_key(method)
        mine = {r.cell.seed: r for r in within if method_key(r.cell.attack) == key}
        found.append([mine[seed] for seed in sorted(mine)])
    return found
