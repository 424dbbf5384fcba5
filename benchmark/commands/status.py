"""`bench status`."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from benchmark.commands.common import STORE, JsonOption, StoreOption, console, print_json
from benchmark.errors import Misuse
from benchmark.leaderboard.table import steps as short
from benchmark.records.store import Store
from benchmark.runs.journal import read
from benchmark.runs.status import AtWork, RunStatus
from benchmark.runs.status import status as status_of

EVERY_S = 2.0


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
        for path in read(here)[1]:
            warnings.warn(f"{path}: cannot be read; no run of it is shown", stacklevel=1)
        return
    if not watch:
        console.print(_shown(here))
        return
    try:
        with Live(_shown(here), console=console, auto_refresh=False) as live:
            while True:
                time.sleep(EVERY_S)
                live.update(_shown(here), refresh=True)
    except KeyboardInterrupt:
        return


def _shown(store: Store) -> Group:
    """A block a run: how far it is, what is being done, what failed; and what cannot be read."""
    runs, (_, unreadable) = status_of(store), read(store)
    lines = [line for run in runs for line in _run(run)]
    lines += [Text(f"{path}: cannot be read; no run of it is shown") for path in unreadable]
    return Group(*(lines or [Text("no run has been begun on this store")]))


def _run(run: RunStatus) -> Iterator[Text]:
    begun = run.started.replace("T", " ").removesuffix("+00:00") + " UTC"
    leader = f"led by pid {run.pid} on {run.host}" if run.led else _ended(run)
    yield Text.assemble((run.command, "bold"))
    yield Text(f"  begun {begun}, {leader}")
    jobs = ", ".join(f"{count} {state}" for state, count in run.jobs.items() if count)
    yield Text(
        f"  jobs {jobs}; {short(run.steps)} of {short(run.budget_steps)} steps; "
        f"{run.records} of {run.records_planned} records"
    )
    for job in run.at_work:
        yield _at_work(job)
    for failure in run.failed:
        yield Text.assemble("  ", ("failed", "red"), f" {failure.label}: {failure.why}")
    yield Text()


def _ended(run: RunStatus) -> str:
    """Why nobody leads a run."""
    if run.ended is None and run.jobs["done"] < sum(run.jobs.values()):
        return "stopped: run it again"
    return "ended: run it again to try what failed" if run.jobs["failed"] else "ended"


def _at_work(job: AtWork) -> Text:
    """A job at hand: how far it is, how it fares, who does it."""
    line = Text.assemble("  ", ("running", "green"), f" {job.label}")
    if job.note is None:
        return line
    share = 100 * job.note.steps / max(1, job.budget_steps)
    line.append(f", {share:.0f} % of {short(job.budget_steps)} steps")
    if job.note.tally.episodes:
        line.append(f", {100 * job.note.tally.win_rate:.1f} % won so far")
    line.append(f" ({job.note.host}, pid {job.note.pid})", style="dim")
    return line
