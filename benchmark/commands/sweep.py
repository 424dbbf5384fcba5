"""`bench sweep`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console

from benchmark.commands.common import (
    LOCAL,
    STORE,
    AddressOption,
    ArtifactsOption,
    BudgetOption,
    DeviceOption,
    ExecutorOption,
    IsolationOption,
    NeedOption,
    PhysicsOption,
    SeedsOption,
    StoreOption,
    StoreUrlOption,
    TensorBoardOption,
    ThreadsOption,
    TierOption,
    TrackOption,
    UnpinnedOption,
    WorkersOption,
    command_line,
    console,
    settings_of,
    stoppable,
)
from benchmark.commands.crew import Crew, wish
from benchmark.display import Live, show_failures, show_plan
from benchmark.errors import CheckFailed, Misuse
from benchmark.games.game import GameCard, Tier
from benchmark.leaderboard import board
from benchmark.leaderboard.curve_table import curve_table
from benchmark.leaderboard.defense_figure import save_defense_figure
from benchmark.leaderboard.defense_study import defense_study_table
from benchmark.leaderboard.figure import check_drawable, save_figure
from benchmark.leaderboard.study import Row, study_table
from benchmark.leaderboard.table import Table, show, steps, to_markdown_table
from benchmark.learning.device import CPU
from benchmark.learning.threads import use_threads
from benchmark.records.cell import MethodRef
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.registry import Victims, game_card
from benchmark.runs.devices import Choice, choose
from benchmark.runs.executors.executor import Failure, end
from benchmark.runs.executors.workers import AUTO
from benchmark.runs.run import preview
from benchmark.runs.spec import (
    BLACK_BOX,
    SEEDS,
    RunSpec,
    check_attacks,
    check_defenses,
    default_victim,
    plan_attack,
    plan_defense,
    resolve_run,
    tier_of,
)
from benchmark.runs.study import Scope, Study, plan_study, rows_of, study_of
from benchmark.variants import Variant


def sweep(
    study: Annotated[str, typer.Option(help="Which study; an unknown name lists them.")],
    game: Annotated[str, typer.Option(help="Game id.")] = "pong-v1",
    victim: Annotated[str | None, typer.Option(help="Victim's name (a shipped one).")] = None,
    seeds: SeedsOption = None,
    tier: TierOption = "smoke",
    budget: BudgetOption = None,
    attack: Annotated[
        str, typer.Option(help="Which attack a study of defenses is against.")
    ] = "ours",
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
    workers: WorkersOption = AUTO,
    device: DeviceOption = CPU.name,
    executor: ExecutorOption = LOCAL,
    address: AddressOption = None,
    artifacts: ArtifactsOption = "auto",
    store_url: StoreUrlOption = "",
    need: NeedOption = None,
    isolation: IsolationOption = "auto",
    allow_unpinned: UnpinnedOption = False,
    tensorboard: TensorBoardOption = False,
) -> None:
    """Run the variants of a study with equal seeds and budget, and compare them.

    Seed by seed, so that a study that is stopped compares as many seeds of every variant. Unless
    --out or --figure names a file, table and figure of what was run are written into the store's
    folder `studies`.
    """
    use_threads(threads)
    files = _Files(out, figure)
    files.check()
    asked = _Asked(
        game_name=game, victim=victim, seeds=seeds, tier=tier_of(tier), budget=budget,
        settings=settings_of(None, physics), track=track, victims=Victims(Store(store).victims),
        attack=attack,
    )  # fmt: skip
    kind = _kind_of(study_of(study, asked.card), asked, only or [], reference)
    failures: list[Failure] = []
    if results is None:
        spec = kind.spec()
        crew = Crew.of(
            store, isolation, allow_unpinned=allow_unpinned, threads=threads,
            tensorboard=tensorboard, cluster=wish(executor, address, artifacts, store_url, need),
        )  # fmt: skip
        place = choose(device, spec, crew.apart)
        spec = spec.model_copy(update={"device": place.name})
        scope = asked.scope_of(spec, kind.attack)
        failures = _run(spec, asked.victims, crew, workers, place)
    else:
        scope = asked.scope(kind.attack)
    found = rows_of(_records(store, results), [plan.method for plan in kind.plans], scope)
    rows = [Row(one.label, records) for one, records in zip(kind.variants, found, strict=True)]
    there = any(row.records for row in rows)
    if results is not None and not there:
        raise Misuse(
            f"--results {results}: no record of this study on {scope.game}, {scope.victim}, tier "
            f"{scope.tier}; without --results it is run"
        )
    if results is None and there and files == NOWHERE:
        files = _Files.of(store / "studies" / f"{scope.game}-{scope.victim}-{study}-{scope.tier}")
    _show(kind, _title(study, kind, scope), rows, scope.budget_steps, files)
    if failures:
        show_failures(Console(stderr=True), failures)
    end(failures, store)


class _Files(NamedTuple):
    """Where a study's table and figure are written; None: nowhere."""

    page: Path | None
    figure: Path | None

    def check(self) -> None:
        """Before hours are spent: make their folders, and see that a figure can be drawn."""
        for path in self:
            if path is not None:
                board.make_folder(path.parent)
        if self.figure is not None:
            check_drawable(self.figure)

    @classmethod
    def of(cls, stem: Path) -> _Files:
        """Both beside each other; no figure where what draws it is not installed."""
        page, figure = (stem.with_name(f"{stem.name}{ending}") for ending in (".md", ".svg"))
        return cls(page, figure if find_spec("matplotlib") is not None else None)


NOWHERE = _Files(None, None)


def _title(study: str, kind: _OfAttacks | _OfDefenses, scope: Scope) -> str:
    against = "" if kind.attack is None else f" against {kind.attack.label}"
    budget = f"{steps(scope.budget_steps)} steps, tier {scope.tier}"
    return f"Study '{study}'{against} on {scope.game}, {scope.victim}, {budget}"


def _show(
    kind: _OfAttacks | _OfDefenses, title: str, rows: Sequence[Row], budget_steps: int,
    files: _Files,
) -> None:  # fmt: skip
    """Print the tables; write them, and the figure, where files are named."""
    shown = kind.table(title, rows), curve_table(title, rows, kind.training, budget_steps)
    for table in shown:
        show(console, table)
    files.check()
    if files.figure is not None:
        kind.draw(files.figure, title, rows)
    if files.page is not None:
        board.write(_page(shown, files.figure, files.page), files.page)
    for path in files:
        if path is not None:
            console.print(f"wrote {path}", markup=False, soft_wrap=True)


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


class _OfAttacks:
    """A study of attacks on an undefended victim."""

    attack: MethodRef | None = None
    training = "attack"

    def __init__(self, asked: _Asked, variants: Sequence[Variant], reference: str):
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


class _OfDefenses:
    """A study of defenses against one attack, their states looked at before and after."""

    training = "hardening"

    def __init__(self, asked: _Asked, variants: Sequence[Variant], reference: str | None):
        if reference is not None:
            raise Misuse("--reference: a study of defenses has none; its rows stand side by side")
        self._asked, self.variants = asked, variants
        self.attack: MethodRef | None = plan_attack(asked.attack, asked.card, {}).method
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


def _kind_of(
    study: Study, asked: _Asked, only: list[str], reference: str | None
) -> _OfAttacks | _OfDefenses:
    """The study with the variants asked for; one of attacks needs its reference among them."""
    if study.of == "defenses":
        return _OfDefenses(asked, _chosen(study.variants, only), reference)
    first = reference or study.variants[0].label
    return _OfAttacks(asked, _chosen(study.variants, [*only, first] if only else [], first), first)


def _chosen(
    variants: tuple[Variant, ...], only: list[str], reference: str | None = None
) -> tuple[Variant, ...]:
    """The variants asked for, in the study's order; raises Misuse for a label it lacks."""
    known = [one.label for one in variants]
    for label in (*only, *([] if reference is None else [reference])):
        if label not in known:
            raise Misuse(f"the study has no variant '{label}'; it has {', '.join(known)}")
    return tuple(one for one in variants if not only or one.label in only)


def _run(spec: RunSpec, victims: Victims, crew: Crew, asked: str, device: Choice) -> list[Failure]:
    store = Store(crew.tools.store)
    ahead = preview(spec, store, plan_study(spec))
    found = crew.workers(asked, ahead, console.print)
    show_plan(console, spec, ahead, crew.place.note, found, device.note)
    with stoppable(store.root), contextlib.ExitStack() as stack:
        live = stack.enter_context(Live(console, ahead.plan.jobs))
        outcome = crew.execute(spec.command, ahead.plan, found, victims, lambda: live)
    return outcome.failures


def _records(store: Path, results: Path | None) -> list[Record]:
    if results is None:
        return Store(store).records()
    found, problems = board.read_results(results)
    if problems:
        raise CheckFailed("; ".join(problems))
    return list(found.values())


def _page(shown: Sequence[Table], figure: Path | None, out: Path) -> str:
    """The tables, their figure and the command that made all, as Markdown."""
    parts = [to_markdown_table(table) for table in shown]
    if figure is not None:
        link = os.path.relpath(figure, out.parent).replace(os.sep, "/")
        parts.append(f"![{shown[0].title}]({link})\n")
    parts.append(f"Made by `{command_line()}`.\n")
    return "\n".join(parts)
