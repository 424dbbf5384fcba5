"""Studies: variants of methods side by side on one store, with the same seeds and budget.

A method says which studies of itself make sense (`Attack.studies`): a study is a name and its
variants, the first being the one that the others are compared with.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from benchmark.errors import Misuse
from benchmark.games.game import GameCard
from benchmark.records.record import MethodRef, Record
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


def rows_of(
    records: Sequence[Record], methods: Sequence[MethodRef], spec: RunSpec
) -> list[list[Record]]:
    """For each method of a study its undefended records, by seed, at the study's own budget."""

    def belongs(record: Record, method: MethodRef) -> bool:
        cell = record.cell
        return (
            cell.defense is None
            and (cell.attack.name, cell.attack.version, cell.attack.config)
            == (method.name, method.version, method.config)
            and (cell.game, cell.game_options) == (spec.game.id, spec.game_options)
            and cell.victim.sha256 in {card.sha256 for card in spec.victims.values()}
            and cell.budget_steps == spec.budget_steps
            and cell.seed in spec.seeds
        )

    found = []
    for method in methods:
        mine = {r.cell.seed: r for r in records if belongs(r, method)}
        found.append([mine[seed] for seed in sorted(mine)])
    return found
