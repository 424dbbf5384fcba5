"""`bench status`."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from benchmark.commands.common import STORE, JsonOption, StoreOption, console, print_json
from benchmark.errors import Misuse
from benchmark.leaderboard.table import steps as short
from benchmark.records.store import Store
from benchmark.runs.status import AtWork, RunStatus
from benchmark.runs.status import status as status_of

EVERY_S = 2.0
COLUMNS = ("run", "begun", "led by", "done", "running", "failed", "waiting", "steps", "records")


def status(
    store: StoreOption = STORE,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """How far the runs of a store have got: from another terminal, while they run or afterwards."""
    if not store.is_dir():
        raise Misuse(f"--store {store}: no such folder; a run makes it")
    here = Store(store)
    if as_json:
        print_json([run.model_dump(mode="json") for run in status_of(here)])
        return
    if not watch:
        console.print(_shown(status_of(here)))
        return
    try:
        with Live(_shown(status_of(here)), console=console, auto_refresh=False) as live:
            while True:
                time.sleep(EVERY_S)
                live.update(_shown(status_of(here)), refresh=True)
    except KeyboardInterrupt:
        return


def _shown(runs: list[RunStatus]) -> Group:
    """A line a run, then what is being done and what failed."""
    if not runs:
        return Group(Text("no run has been begun on this store"))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in COLUMNS:
        numbers = name in COLUMNS[3:]
        table.add_column(name, justify="right" if numbers else "left", no_wrap=numbers)
    for run in runs:
        leader = f"{run.host}, pid {run.pid}" if run.led else "nobody"
        table.add_row(
            run.id[:8], run.started.replace("T", " ").removesuffix("+00:00"), leader,
            *(str(run.jobs[state]) for state in ("done", "running", "failed", "waiting")),
            f"{short(run.steps)}/{short(run.budget_steps)}",
            f"{run.records}/{run.records_planned}",
        )  # fmt: skip
    lines = [Text(f"{run.id[:8]}  {run.command}", style="dim") for run in runs]
    work = [_at_work(run.id, job) for run in runs for job in run.at_work]
    lost = [
        Text.assemble(("failed", "red"), f" {run.id[:8]} {job.label}: {job.why}")
        for run in runs
        for job in run.failed
    ]
    return Group(table, Text(), *lines, *([Text()] if work or lost else []), *work, *lost)


def _at_work(run: str, job: AtWork) -> Text:
    """A job at hand: how far it is, how it fares, who does it."""
    line = Text.assemble(("running", "green"), f" {run[:8]} {job.label}")
    if job.note is None:
        return line
    share = 100 * job.note.steps / max(1, job.budget_steps)
    line.append(f", {share:.0f} % of {short(job.budget_steps)} steps")
    if job.note.tally.episodes:
        line.append(f", {100 * job.note.tally.win_rate:.1f} % won so far")
    line.append(f" ({job.note.host}, pid {job.note.pid})", style="dim")
    return line
