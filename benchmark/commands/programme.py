"""`bench board`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.commands.common import (
    STORE,
    IsolationOption,
    StoreOption,
    UnpinnedOption,
    WorkersOption,
    console,
    stoppable,
)
from benchmark.commands.crew import Crew
from benchmark.display import Live, duration, show_failures
from benchmark.errors import CheckFailed
from benchmark.leaderboard import board as boards
from benchmark.learning.threads import use_threads
from benchmark.policies.artifact import write_atomically
from benchmark.records.files import to_json
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.executors.executor import Failure, end
from benchmark.runs.executors.workers import AUTO
from benchmark.runs.programme import Outlook, Programme, fills, outlook, read, specs
from benchmark.runs.run import preview


def board(
    programme: Annotated[Path, typer.Option(help="What the board is to hold.")] = Path(
        "results/board.toml"
    ),
    results: Annotated[Path, typer.Option(help="Folder of records.")] = Path("results"),
    run: Annotated[
        bool, typer.Option("--run", help="Do what is missing, the first rows first.")
    ] = False,
    store: StoreOption = STORE,
    workers: WorkersOption = AUTO,
    isolation: IsolationOption = "auto",
    allow_unpinned: UnpinnedOption = False,
) -> None:
    """Say what is missing of the published board; with --run, do it and file the records.

    Stopped at any time, the same command goes on. `bench leaderboard` renders what is there.
    """
    use_threads(1)
    asked, victims = read(programme), Victims(Store(store).victims)
    found = outlook(asked, _records(results), victims)
    console.print(_table(found, Store(store), victims))
    _absent(asked, found)
    if not run:
        return
    crew = Crew.of(store, isolation, allow_unpinned=allow_unpinned, threads=1, tensorboard=False)
    failures: list[Failure] = []
    with stoppable(store):
        for one in found:
            if one.missing and one.at_hand:
                failures += _fill(one, victims, crew, workers, results)
    show_failures(Console(stderr=True), failures)
    end(failures, store)


def _records(results: Path) -> list[Record]:
    records, problems = boards.read_results(results)
    if problems:
        raise CheckFailed("; ".join(problems))
    return list(records.values())


def _table(found: Sequence[Outlook], store: Store, victims: Victims) -> Table:
    """A line a pairing: how many of its cells there are, and about how long the rest takes."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column()
    for name in ("cells", "left to do"):
        table.add_column(name, justify="right", no_wrap=True)
    place = ""
    for one in found:
        row = one.pairing.row
        if place != (place := f"{row.game}, tier {row.tier}"):
            table.add_row(Text(place, style="bold"))
        left = "" if not one.missing else "no victim"
        if one.missing and one.at_hand:
            left = duration(sum(preview(spec, store).seconds for spec in specs(one, victims)))
        cells = f"{row.seeds - len(one.missing)} of {row.seeds}"
        table.add_row(Text(f"  {one.pairing.label}"), cells, left)
    wanted = sum(one.pairing.row.seeds for one in found)
    there = wanted - sum(len(one.missing) for one in found)
    table.add_row(Text("all", style="bold"), f"{there} of {wanted}")
    return table


def _absent(asked: Programme, found: Sequence[Outlook]) -> None:
    """Which pairings are left out for want of a victim, and how to import it."""
    absent = dict.fromkeys(o.pairing.victim for o in found if o.missing and not o.at_hand)
    for name in absent:
        count = sum(len(o.missing) for o in found if o.pairing.victim == name)
        how = asked.imports.get(name, "bench victims import PATH")
        line = f"{count} cell(s) of {name} are left out: it is not at hand; `{how}`"
        console.print(Text(line, style="yellow"), soft_wrap=True)


def _fill(one: Outlook, victims: Victims, crew: Crew, asked: str, results: Path) -> list[Failure]:
    """Run a pairing's missing cells and file their records."""
    store, failures = Store(crew.tools.store), []
    for spec in specs(one, victims):
        ahead = preview(spec, store)
        console.print(Text(spec.command, style="bold"), soft_wrap=True)
        found = crew.workers(asked, ahead, console.print)
        with Live(console, ahead.plan.jobs) as live:
            outcome = crew.execute(spec, ahead.plan, found, victims, lambda: live)
        failures += outcome.failures
        for record in outcome.records:
            if fills(record, one):
                folder = results / record.cell.game
                folder.mkdir(parents=True, exist_ok=True)
                write_atomically(folder / f"{record.id}.json", to_json(record))
    return failures
