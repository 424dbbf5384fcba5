"""`bench board`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.commands.common import (
    LOCAL,
    STORE,
    AddressOption,
    ArtifactsOption,
    ExecutorOption,
    IsolationOption,
    NeedOption,
    StoreOption,
    StoreUrlOption,
    UnpinnedOption,
    WorkersOption,
    command_line,
    console,
    stoppable,
)
from benchmark.commands.crew import Crew, wish
from benchmark.disk import write_atomically
from benchmark.display import Live, duration, show_failures
from benchmark.errors import BenchError, Misuse, disk_errors
from benchmark.leaderboard import board as boards
from benchmark.leaderboard import policies
from benchmark.learning.threads import use_threads
from benchmark.policies import artifact
from benchmark.policies.policy import Policy
from benchmark.records.files import read as read_record
from benchmark.records.files import to_json
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.records.votes import one_vote
from benchmark.registry import Victims
from benchmark.runs.executors.executor import Failure, end
from benchmark.runs.executors.workers import AUTO
from benchmark.runs.plan import Plan, make_plan, united
from benchmark.runs.programme import (
    Key,
    Outlook,
    Programme,
    key_of,
    missing_keys,
    outlook,
    read,
    specs,
)
from benchmark.runs.run import preview


def board(
    programme: Annotated[Path, typer.Option(help="What the board is to hold.")] = Path(
        "results/board.toml"
    ),
    results: Annotated[Path, typer.Option(help="Folder of records.")] = Path("results"),
    run: Annotated[
        bool, typer.Option("--run", help="Do what is missing, the first rows first.")
    ] = False,
    file: Annotated[
        bool, typer.Option("--file", help="File what the store has of it, and train nothing.")
    ] = False,
    store: StoreOption = STORE,
    workers: WorkersOption = AUTO,
    executor: ExecutorOption = LOCAL,
    address: AddressOption = None,
    artifacts: ArtifactsOption = "auto",
    store_url: StoreUrlOption = "",
    need: NeedOption = None,
    isolation: IsolationOption = "auto",
    allow_unpinned: UnpinnedOption = False,
) -> None:
    """Say what is missing of the published board; with --run, do it and file the records.

    What a row lacks is one run, of as many jobs at once as there are workers. Stopped at any time,
    the same command goes on. Beside the records their policies are filed. `bench leaderboard`
    renders what is there.
    """
    if file and run:
        raise Misuse("--file trains nothing and --run files what it trains: give one of them")
    use_threads(1)
    cluster = wish(executor, address, artifacts, store_url, need)
    asked, victims = read(programme), Victims(Store(store).victims)
    found = outlook(asked, _records(results), victims)
    console.print(_table(found, Store(store), victims))
    _absent(asked, found)
    if file:
        _file_all(Store(store), found, victims, results)
    if not run:
        return
    crew = Crew.of(
        store, isolation, allow_unpinned=allow_unpinned, threads=1, tensorboard=False,
        cluster=cluster,
    )  # fmt: skip
    failures: list[Failure] = []
    with stoppable(store):
        for left in _left(asked, found):
            failures += _fill(left, victims, crew, workers, results)
    show_failures(Console(stderr=True), failures)
    end(failures, store)


def _records(results: Path) -> list[Record]:
    return list(boards.sound_results(results).values())


def _table(found: Sequence[Outlook], store: Store, victims: Victims) -> Table:
    """A line a pairing: how many of its cells there are, and about how long the rest takes."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column()
    for name in ("cells", "left to do"):
        table.add_column(name, justify="right", no_wrap=True)
    place = ""
    for one in found:
        row = one.pairing.row
        if place != (place := row.place):
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
        how = asked.imports.get(name, "`bench victims import PATH`")
        line = f"{count} cell(s) of {name} are left out: it is not at hand; {how}"
        console.print(Text(line, style="yellow"), soft_wrap=True)


def _left(asked: Programme, found: Sequence[Outlook]) -> Iterator[list[Outlook]]:
    """Row by row, the pairings that lack cells and whose victim is at hand."""
    for row in asked.rows:
        left = [one for one in found if one.pairing.row is row and one.missing and one.at_hand]
        if left:
            yield left


def _fill(
    left: Sequence[Outlook], victims: Victims, crew: Crew, asked: str, results: Path
) -> list[Failure]:
    """Run the missing cells of a row's pairings and file their records."""
    store = Store(crew.tools.store)
    runs = [spec for one in left for spec in specs(one, victims)]
    for spec in runs:
        console.print(Text(spec.command, style="bold"), soft_wrap=True)
    ahead = preview(runs[0], store, united(make_plan(spec) for spec in runs))
    found = crew.workers(asked, ahead, console.print)
    try:
        with Live(console, ahead.plan.jobs) as live:
            outcome = crew.execute(command_line(), ahead.plan, found, victims, lambda: live)
    except BaseException:  # a row takes hours: when it is stopped, what is complete is on the board
        with contextlib.suppress(BenchError):  # what stopped it is what is told
            _file(ahead.plan, store, left, results)
        raise
    _file(ahead.plan, store, left, results)
    return outcome.failures


def _file(plan: Plan, store: Store, left: Sequence[Outlook], results: Path) -> None:
    """Put the plan's records, as far as the store has them, into the places that lack them."""
    wanted = missing_keys(left)
    for cell in plan.cells:
        path = store.root / "records" / f"{cell.cell.id}.json"
        if path.exists():
            made = (store.policy(job.key) for job in cell.trainings.values() if store.has(job.key))
            _put(read_record(path), wanted, made, results)


def _file_all(store: Store, found: Sequence[Outlook], victims: Victims, results: Path) -> None:
    """The same of every record in a store, whoever else was at hand when it was made."""
    wanted = missing_keys(found)
    of = {name: card.sha256 for name, card in victims.cards().items()}
    made = {
        artifact.load_card(path.parent).sha256: path.parent
        for path in sorted((store.root / "artifacts").glob(f"*/{artifact.CARD}"))
    }
    for record in one_vote(store.records()):
        victim = record.cell.victim
        if of.get(victim.name) == victim.sha256:
            its = (made[sha256] for sha256 in record.artifacts.values() if sha256 in made)
            _put(record, wanted, map(artifact.load, its), results)


def _put(record: Record, wanted: set[Key], made: Iterable[Policy], results: Path) -> None:
    """File a record that is missing, its policies first: a record that is there has them.

    wanted: the cells that are missing, which it is taken from.
    """
    key = key_of(record.cell)
    if key not in wanted:
        return
    path = results / record.cell.game / f"{record.id}.json"
    with disk_errors(results, "make room, or say another --results"):
        policies.keep([record], made, results)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, to_json(record))
    wanted.remove(key)
    console.print(
        f"filed {path}: {record.cell.attack.label} on {record.cell.victim.name}, seed "
        f"{record.cell.seed}", markup=False, soft_wrap=True,
    )  # fmt: skip
