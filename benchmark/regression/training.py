"""`bench check training`: short trainings over new seeds, against a committed baseline of others.

Pong against a house victim, where a training takes seconds: two attacks, and retraining as its
stored and its fresh adversary judge it. Seeds of the check are none of the baseline's: the same
seeds would give the same bits on the baseline's platform and tell nothing of chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmark.arena.tally import Tally
from benchmark.errors import CheckFailed, InfrastructureError, Misuse
from benchmark.policies import artifact
from benchmark.records.record import Record, Role
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.regression.baseline import POLICIES, CellBaseline, TrainingBaseline
from benchmark.regression.falls import Fall, falls, is_countable, power
from benchmark.regression.findings import Finding, points
from benchmark.regression.platform import here
from benchmark.runs.executors.executor import Display
from benchmark.runs.plan import Plan, make_plan, united
from benchmark.runs.run import execute
from benchmark.runs.spec import HELD_OUT_SEED, RunSpec, resolve_run

GAME, VICTIM = "pong-v1", "house-tanh"
BUDGET = 400_000
PPO: dict[str, Any] = {"matches": 128}
"""A quarter of the usual batch: four times as many updates in so short a training."""
BASELINE_SEEDS, SEEDS, FIRST_SEED = 20, 24, 100
POWER_SEED = 20210811


class Measure(NamedTuple):
    """What a cell counts as a win: the adversary's, or where `held` the hardened victim's."""

    attack: str
    defense: str | None
    role: Role
    held: bool


MEASURES = {
    "baseline": Measure("baseline", None, "attack", held=False),
    "ours": Measure("ours", None, "attack", held=False),
    "retrain holds the stored adversary": Measure("baseline", "retrain", "stored", held=True),
    "retrain holds a fresh adversary": Measure("baseline", "retrain", "fresh", held=True),
}


class Trained(NamedTuple):
    """Wins of every cell by seed, of so many episodes each."""

    cells: dict[str, dict[int, int]]
    episodes: int


def setup() -> dict[str, Any]:
    """What a baseline must have been made with to be comparable."""
    return {"game": GAME, "victim": VICTIM, "budget_steps": BUDGET, "ppo": PPO}


def specs(seeds: Sequence[int], command: str) -> list[RunSpec]:
    """The runs, ordered seed by seed, so that one that is stopped has whole seeds.

    Raises:
        Misuse: seeds that a run would train held-out adversaries with.
    """
    if not seeds or min(seeds) < 0 or max(seeds) >= HELD_OUT_SEED:
        raise Misuse(f"seeds must lie in 0..{HELD_OUT_SEED - 1}, got {list(seeds)}")
    attacking = _spec(["baseline", "ours"], [], command)
    defending = _spec(["baseline"], ["retrain"], command)
    return [
        spec.model_copy(update={"seeds": (seed,)})
        for seed in seeds
        for spec in (attacking, defending)
    ]


def _spec(attacks: list[str], defenses: list[str], command: str) -> RunSpec:
    parts = ["attack", *(["defense"] if defenses else [])]
    return resolve_run(
        victims=Victims(), game_name=GAME, victim_names=[VICTIM], attack_names=attacks,
        defense_names=defenses, seeds=1, tier="smoke", budget=BUDGET,
        settings=dict.fromkeys(parts, PPO), command=command,
    )  # fmt: skip


def train(runs: Sequence[RunSpec], store: Store, show: Callable[[Plan], Display]) -> list[Record]:
    """Do what the store lacks of these runs; their records.

    Raises:
        CheckFailed: a training failed, which no win rate can tell of.
    """
    found: dict[str, Record] = {}
    plans = [make_plan(run) for run in runs]
    display = show(united(plans))
    for run, plan in zip(runs, plans, strict=True):
        outcome = execute(run.command, plan, store, Victims(), lambda: display)
        if outcome.failures:
            failure = outcome.failures[0]
            raise CheckFailed(f"{failure.label}: {failure.message} ({failure.kind})")
        found |= {record.id: record for record in outcome.records}
    return list(found.values())


def measured(records: Sequence[Record]) -> Trained:
    """The wins of every cell by seed."""
    cells: dict[str, dict[int, int]] = {name: {} for name in MEASURES}
    for record in records:
        for name, measure in MEASURES.items():
            defense = record.cell.defense and record.cell.defense.name
            if (record.cell.attack.name, defense) == (measure.attack, measure.defense):
                tally = Tally.sum(found.tally for found in record.of_role(measure.role))
                wins = tally.ties + tally.losses if measure.held else tally.wins
                cells[name][record.cell.seed] = wins
    return Trained(cells, records[0].cell.episodes)


def baseline_of(trained: Trained, seeds: int) -> TrainingBaseline:
    """The file of these trainings, with the power of a check by `seeds` others."""
    rng = np.random.default_rng(POWER_SEED)
    cells = {}
    for name, wins in trained.cells.items():
        told = power(list(wins.values()), trained.episodes, seeds, len(trained.cells), rng)
        cells[name] = CellBaseline(
            wins=dict(sorted(wins.items())), finds_at_80=told.at_80, finds_at_90=told.at_90,
            false_alarms=told.false_alarms,
        )  # fmt: skip
    return TrainingBaseline(
        platform=here(), setup=setup(), episodes=trained.episodes, seeds=seeds, cells=cells
    )


def check_count(old: int, new: int) -> None:
    """Raise Misuse for so many seeds that no comparison could be made of them, or so few."""
    if old < 2:
        raise Misuse(f"--seeds: a baseline takes 2 or more, of fewer no spread is known; got {old}")
    if not is_countable(old, new):
        raise Misuse(
            f"--seeds: {old} seeds against {new} are too many to compare exactly; ask for fewer"
        )


def check_new(before: TrainingBaseline, seeds: Iterable[int]) -> None:
    """Raise Misuse where the baseline has some of these seeds, or too many to compare with."""
    seeds = set(seeds)
    for cell in before.cells.values():
        check_count(len(cell.wins), max(1, len(seeds)))
        if cell.wins.keys() & seeds:
            raise Misuse(
                "the baseline holds some of these seeds, and the same seeds tell nothing of "
                f"chance: it has {sorted(cell.wins)}; give another --first-seed"
            )


def compare(before: TrainingBaseline, now: Trained) -> list[Finding]:
    """A finding for every cell.

    Raises:
        Misuse: the baseline is of another set-up, or of some of these seeds.
    """
    if (before.setup, before.episodes, set(before.cells)) != (
        setup(), now.episodes, set(now.cells)
    ):  # fmt: skip
        raise Misuse(
            f"the baseline is of {before.setup} and {sorted(before.cells)}, this check of "
            f"{setup()}; `bench check training --update` writes a new one"
        )
    for name in before.cells:
        check_new(before, now.cells[name])
    old = [list(cell.wins.values()) for cell in before.cells.values()]
    new = [list(now.cells[name].values()) for name in before.cells]
    found = falls(old, new, now.episodes)
    return [
        _finding(name, old[i], new[i], now.episodes, found[i], before.cells[name])
        for i, name in enumerate(before.cells)
    ]


def moved(before: TrainingBaseline, now: Trained) -> list[Finding]:
    """What a new baseline changes: the mean of every cell, whoever trained under which set-up."""
    return [
        Finding(
            form="training", name=name, change="renewed", sure="-", failed=False,
            before=_rates(list(cell.wins.values()), before.episodes),
            now=_rates(list(now.cells[name].values()), now.episodes),
        )
        for name, cell in before.cells.items()
        if name in now.cells
    ]  # fmt: skip


def _finding(
    name: str, old: Sequence[int], new: Sequence[int], episodes: int, fall: Fall,
    cell: CellBaseline,
) -> Finding:  # fmt: skip
    facts = {
        "before": list(old), "now": list(new), "episodes": episodes, **fall._asdict(),
        "finds_at_80": cell.finds_at_80, "finds_at_90": cell.finds_at_90,
    }  # fmt: skip
    return Finding(
        form="training", name=name, before=_rates(old, episodes), now=_rates(new, episodes),
        change=f"{points(-fall.fall)} points", sure=f"p = {fall.adjusted:.2g}",
        failed=fall.regressed, facts=facts,
    )  # fmt: skip


def _rates(wins: Sequence[int], episodes: int) -> str:
    rates = 100 * np.asarray(wins) / episodes
    spread = f" (sd {rates.std(ddof=1):.1f})" if len(wins) > 1 else ""
    return f"{rates.mean():.1f} %{spread}, {len(wins)} seeds"


def power_text(baseline: TrainingBaseline, seeds: int) -> str:
    """What the check can find, and what it cannot."""
    told = [
        f"{name} {_points(cell.finds_at_80)} / {_points(cell.finds_at_90)}"
        for name, cell in baseline.cells.items()
    ]
    other = "" if seeds == baseline.seeds else f" (told for {baseline.seeds} seeds, not {seeds})"
    return f"Falls in points that are found with 80 / 90 % chance{other}: {', '.join(told)}."


def _points(fall: int | None) -> str:
    return "never" if fall is None else str(fall)


def keep_policies(records: Sequence[Record], store: Store, folder: Path) -> list[str]:
    """Put the first seed's policies where replay finds them, if there are none yet; their names."""
    home = folder / POLICIES
    if home.exists():
        return []
    first = min(record.cell.seed for record in records)
    cells = [record for record in records if record.cell.seed == first]
    found = {
        artifact.load_card(card.parent).sha256: card.parent
        for card in (store.root / "artifacts").glob("*/card.json")
    }
    made = {}
    for record in cells:
        defense = record.cell.defense
        name = defense.name if defense else record.cell.attack.name
        made[name] = found[record.artifacts["hardening" if defense else "attack"]]
    try:
        for name, source in made.items():
            artifact.save(artifact.load(source), home / name)
    except OSError as error:
        raise InfrastructureError(f"{home}: cannot be written ({error.strerror})") from error
    return sorted(made)
