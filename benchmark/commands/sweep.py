"""`bench sweep`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NamedTuple

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
from benchmark.commands.study import Asked, OfAttacks, OfDefenses, file_stem, kind_of, title_of
from benchmark.display import Live, show_failures, show_plan
from benchmark.errors import Misuse
from benchmark.leaderboard import board
from benchmark.leaderboard.curve_table import curve_table
from benchmark.leaderboard.figure import check_drawable
from benchmark.leaderboard.study import Row
from benchmark.leaderboard.table import Table, show, to_markdown_table
from benchmark.learning.device import CPU
from benchmark.learning.threads import use_threads
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.devices import Choice, choose
from benchmark.runs.executors.executor import Failure, end
from benchmark.runs.executors.workers import AUTO
from benchmark.runs.run import preview
from benchmark.runs.spec import BLACK_BOX, RunSpec, tier_of
from benchmark.runs.study import Scope, plan_study, rows_of, study_of


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
    asked = Asked(
        game_name=game, victim=victim, seeds=seeds, tier=tier_of(tier), budget=budget,
        settings=settings_of(None, physics), track=track, victims=Victims(Store(store).victims),
        attack=attack,
    )  # fmt: skip
    kind = kind_of(study_of(study, asked.card), asked, only or [], reference)
    if results is not None:
        _show_filed(study, kind, asked, results, files)
        return
    spec = kind.spec()
    crew = Crew.of(
        store, isolation, allow_unpinned=allow_unpinned, threads=threads, tensorboard=tensorboard,
        cluster=wish(executor, address, artifacts, store_url, need),
    )  # fmt: skip
    with stoppable(store):
        place = choose(device, spec, crew.apart)
        spec = spec.model_copy(update={"device": place.name})
        failures = _run(spec, asked.victims, crew, workers, place)
    scope = asked.scope_of(spec, kind.attack)
    rows = _rows(kind, Store(store).records(), scope)
    if files == NOWHERE and any(row.records for row in rows):
        files = _Files.of(store / "studies" / file_stem(study, only or [], scope))
    _show(kind, title_of(study, kind, scope), rows, scope.budget_steps, files)
    if failures:
        show_failures(Console(stderr=True), failures)
    end(failures, store)


def _show_filed(
    study: str, kind: OfAttacks | OfDefenses, asked: Asked, results: Path, files: _Files
) -> None:
    """What a folder's records say of the study; raises Misuse where they say nothing."""
    scope = asked.scope(kind.attack)
    rows = _rows(kind, _read(results), scope)
    if not any(row.records for row in rows):
        raise Misuse(
            f"--results {results}: no record of this study on {scope.game}, {scope.victim}, "
            f"tier {scope.tier}; without --results it is run"
        )
    _show(kind, title_of(study, kind, scope), rows, scope.budget_steps, files)


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


def _show(
    kind: OfAttacks | OfDefenses, title: str, rows: Sequence[Row], budget_steps: int,
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


def _run(spec: RunSpec, victims: Victims, crew: Crew, asked: str, device: Choice) -> list[Failure]:
    store = Store(crew.tools.store)
    ahead = preview(spec, store, plan_study(spec))
    found = crew.workers(asked, ahead, console.print)
    show_plan(console, spec, ahead, crew.place.note, found, device.note)
    with Live(console, ahead.plan.jobs) as live:
        outcome = crew.execute(spec.command, ahead.plan, found, victims, lambda: live)
    return outcome.failures


def _rows(kind: OfAttacks | OfDefenses, records: list[Record], scope: Scope) -> list[Row]:
    """What of these records is of the study: a row for each of its variants."""
    found = rows_of(records, [plan.method for plan in kind.plans], scope)
    return [Row(one.label, its) for one, its in zip(kind.variants, found, strict=True)]


def _read(results: Path) -> list[Record]:
    return list(board.sound_results(results).values())


def _page(shown: Sequence[Table], figure: Path | None, out: Path) -> str:
    """The tables, their figure and the command that made all, as Markdown."""
    parts = [to_markdown_table(table) for table in shown]
    if figure is not None:
        link = os.path.relpath(figure, out.parent).replace(os.sep, "/")
        parts.append(f"![{shown[0].title}]({link})\n")
    parts.append(f"Made by `{command_line()}`.\n")
    return "\n".join(parts)
