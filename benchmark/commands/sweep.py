"""`bench sweep`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from benchmark.commands.common import (
    STORE,
    BudgetOption,
    PhysicsOption,
    SeedsOption,
    StoreOption,
    ThreadsOption,
    TierOption,
    TrackOption,
    command_line,
    console,
    settings_of,
    stoppable,
)
from benchmark.display import Live, show_failures, show_plan
from benchmark.errors import CheckFailed, Misuse
from benchmark.games.game import GameCard, Tier
from benchmark.leaderboard import board
from benchmark.leaderboard.figure import check_drawable, save_figure
from benchmark.leaderboard.study import Row, study_table
from benchmark.leaderboard.table import Table, steps, to_markdown_table, to_rich
from benchmark.learning.threads import use_threads
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.registry import game as game_class
from benchmark.runs.executors.executor import Failure
from benchmark.runs.run import execute, preview
from benchmark.runs.spec import (
    BLACK_BOX,
    SEEDS,
    AttackPlan,
    RunSpec,
    check_attacks,
    default_victim,
    plan_attack,
    resolve_run,
    tier_of,
)
from benchmark.runs.study import Scope, plan_study, rows_of, variants_of
from benchmark.settings import resolve
from benchmark.variants import Variant


def sweep(
    study: Annotated[str, typer.Option(help="Which study; an unknown name lists them.")],
    game: Annotated[str, typer.Option(help="Game id.")] = "pong-v1",
    victim: Annotated[str | None, typer.Option(help="Victim's name (a shipped one).")] = None,
    seeds: SeedsOption = None,
    tier: TierOption = "smoke",
    budget: BudgetOption = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Label of a variant to run. Repeatable.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Train nothing: show the records of this folder.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Label to compare with (the study's first).")
    ] = None,
    track: TrackOption = BLACK_BOX,
    figure: Annotated[Path | None, typer.Option(help="Draw it into this .svg or .png.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the table into this .md.")] = None,
    physics: PhysicsOption = None,
    store: StoreOption = STORE,
    threads: ThreadsOption = 1,
) -> None:
    """Run the variants of a study with equal seeds and budget, and compare them.

    Seed by seed, so that a study that is stopped compares as many seeds of every variant.
    """
    use_threads(threads)
    for path in (figure, out):
        if path is not None:
            board.make_folder(path.parent)
    if figure is not None:
        check_drawable(figure)
    asked = _Asked(
        game_name=game, victim=victim, seeds=seeds, tier=tier_of(tier), budget=budget,
        settings=settings_of(None, physics), track=track, victims=Victims(Store(store).victims),
    )  # fmt: skip
    known = variants_of(study, asked.card)
    reference = reference or known[0].label
    variants = _chosen(known, [*only, reference] if only else [], reference)
    plans = [plan_attack(one.method, asked.card, dict(one.settings)) for one in variants]
    failures: list[Failure] = []
    if results is None:
        spec = asked.spec(plans)
        scope, failures = Scope.of(spec), _run(spec, Store(store), asked.victims)
    else:
        scope = asked.scope()
    found = rows_of(_records(store, results), [plan.method for plan in plans], scope)
    rows = [Row(one.label, records) for one, records in zip(variants, found, strict=True)]
    (compared,) = (row for row in rows if row.label == reference)
    budget_text = f"{steps(scope.budget_steps)} steps, tier {scope.tier}"
    title = f"Study '{study}' on {scope.game}, {scope.victim}, {budget_text}"
    table = study_table(title, rows, compared, asked.seed_count)
    console.print(to_rich(table))
    if figure is not None:
        save_figure(figure, title, rows, compared)
    if out is not None:
        board.write(_page(table, figure, out), out)
    for path in (out, figure):
        if path is not None:
            console.print(f"wrote {path}", markup=False)
    if failures:
        show_failures(Console(stderr=True), failures)
        raise CheckFailed(f"{len(failures)} job(s) failed; the others are in {store}")


@dataclass(frozen=True)
class _Asked:
    """What the command line says about where a study is run."""

    game_name: str
    victim: str | None
    seeds: int | None
    tier: Tier
    budget: int | None
    settings: dict[str, dict[str, Any]]
    track: str
    victims: Victims

    @property
    def seed_count(self) -> int:
        """How many seeds a variant has when the study is complete."""
        return self.seeds if self.seeds is not None else SEEDS[self.tier]

    @property
    def card(self) -> GameCard:
        kind = game_class(self.game_name)
        return kind.describe(
            resolve(kind.Options, {}, self.settings.get("game", {}), f"game '{self.game_name}'")
        )

    def spec(self, plans: Sequence[AttackPlan]) -> RunSpec:
        """The run of all variants, as a run of the first with the others beside it."""
        spec = resolve_run(
            victims=self.victims, game_name=self.game_name,
            victim_names=[self.victim] if self.victim else [],
            attack_names=[plans[0].method.name], defense_names=[], seeds=self.seeds,
            tier=self.tier, budget=self.budget, settings=self.settings,
            command=command_line(),
        )  # fmt: skip
        check_attacks(plans, self.track, spec.victims, spec.budget_steps)
        return spec.model_copy(update={"attacks": tuple(plans)})

    def scope(self) -> Scope:
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
        )


def _chosen(variants: tuple[Variant, ...], only: list[str], reference: str) -> tuple[Variant, ...]:
    """The variants asked for, in the study's order; raises Misuse for a label it lacks."""
    known = [one.label for one in variants]
    for label in (*only, reference):
        if label not in known:
            raise Misuse(f"the study has no variant '{label}'; it has {', '.join(known)}")
    return tuple(one for one in variants if not only or one.label in only)


def _run(spec: RunSpec, store: Store, victims: Victims) -> list[Failure]:
    ahead = preview(spec, store, plan_study(spec))
    show_plan(console, spec, ahead)
    with stoppable(store.root), contextlib.ExitStack() as stack:
        live = stack.enter_context(Live(console, ahead.plan.jobs))
        return execute(spec, ahead.plan, store, victims, lambda: live).failures


def _records(store: Path, results: Path | None) -> list[Record]:
    if results is None:
        return Store(store).records()
    found, problems = board.read_results(results)
    if problems:
        raise CheckFailed("; ".join(problems))
    return list(found.values())


def _page(table: Table, figure: Path | None, out: Path) -> str:
    """The table, its figure and the command that made both, as Markdown."""
    parts = [to_markdown_table(table)]
    if figure is not None:
        link = os.path.relpath(figure, out.parent).replace(os.sep, "/")
        parts.append(f"![{table.title}]({link})\n")
    parts.append(f"Made by `{command_line()}`.\n")
    return "\n".join(parts)
