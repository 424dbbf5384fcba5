"""`bench store verify` and `bench store gc`."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from benchmark.commands.common import (
    STORE,
    JsonOption,
    StoreOption,
    console,
    print_json,
    stoppable,
)
from benchmark.errors import CheckFailed, Misuse
from benchmark.leaderboard.table import Table, show
from benchmark.records.store import Store
from benchmark.runs import audit, collect
from benchmark.runs.audit import Report
from benchmark.runs.collect import Collection

Tick = Callable[[int, int], None]
SHOWN = 20
"""Removals that are listed on a terminal, of what may be thousands."""


def verify(store: StoreOption = STORE, as_json: JsonOption = False) -> None:
    """Read and re-hash everything in a store, and say what is damaged and what to do about it."""
    with (
        stoppable(store, left="nothing was changed", again="looks at everything anew"),
        _bar("verify", quiet=as_json) as tick,
    ):
        report = audit.audit(Store(store), tick)
    if as_json:
        print_json({"store": str(store), "summary": _summary(report), **report.model_dump()})
    else:
        _print_report(store, report)
    if report.problems:
        raise CheckFailed(
            f"{len(report.problems)} problem(s) in {store}; each line says what to do"
        )


def gc(
    unfinished: Annotated[
        bool,
        typer.Option("--unfinished", help="Give up unfinished work too, unless it is in progress."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show it (the default).")] = False,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
) -> None:
    """Remove what no record needs; shows what that is, and removes it with --yes."""
    if yes and dry_run:
        raise Misuse("--yes and --dry-run: say one")
    kept = Store(store)
    with stoppable(store, left="what was not removed yet is", again="goes on"):
        with _bar("look", quiet=as_json) as tick:
            found = collect.collect(kept, give_up=unfinished, tick=tick)
        if not as_json:
            _print_collection(store, found)
        stayed: list[str] = []
        if yes:
            with _bar("remove", quiet=as_json) as tick:
                stayed = collect.remove(kept, found, tick)
    if as_json:
        told = found.model_dump(mode="json")
        print_json({"store": str(store), "removed": yes, **told, "stayed": stayed})
        return
    for line in stayed:
        _line("kept", "yellow", line)
    if found.removals:
        gone = f"removed {len(found.removals) - len(stayed)} of {len(found.removals)}"
        console.print(gone if yes else "nothing was removed yet: --yes removes it", markup=False)


def _print_report(store: Path, report: Report) -> None:
    table = Table(str(store), ["part", "read", "MiB", "problems"], words=1)
    for name, part in report.parts.items():
        table.rows.append([name, str(part.count), _mib(part.bytes), str(part.problems)])
    show(console, table)
    for one in report.unfinished:
        _line("unfinished", "cyan", f"{one.key}: {one.state}" + _because(one.failure))
    for remark in report.notes:
        _line("note", "yellow", remark.line)
    for remark in report.problems:
        _line("problem", "red", remark.line)
    console.print(_summary(report), markup=False, soft_wrap=True)


def _because(failure: str | None) -> str:
    return "" if failure is None else f" ({' '.join(failure.split())})"


def _summary(report: Report) -> str:
    parts = report.parts
    read = sum(part.bytes for part in parts.values())
    return (
        f"{parts['artifacts'].count} artifacts, {parts['victims'].count} victims and "
        f"{parts['records'].count} records read and hashed, {len(report.unfinished)} unfinished "
        f"jobs looked at, {_mib(read)} MiB in all: {len(report.problems)} problem(s)"
    )


def _print_collection(store: Path, found: Collection) -> None:
    table = Table(str(store), ["to remove", "how many", "MiB"], words=1)
    for reason, count in sorted(Counter(one.reason for one in found.removals).items()):
        size = sum(one.bytes for one in found.removals if one.reason == reason)
        table.rows.append([reason, str(count), _mib(size)])
    table.rows.append(["in all", str(len(found.removals)), _mib(found.bytes)])
    show(console, table)
    for one in found.removals[:SHOWN]:
        _line("remove", "red", f"{one.path}: {one.reason}")
    if len(found.removals) > SHOWN:
        _line("remove", "red", f"{len(found.removals) - SHOWN} more; --json lists all")
    for line in found.kept:
        _line("kept", "green", line)


def _line(word: str, colour: str, text: str) -> None:
    console.print(Text.assemble((word, colour), f" {text}"), soft_wrap=True)


def _mib(count: int) -> str:
    return f"{count / (1 << 20):.1f}"


@contextlib.contextmanager
def _bar(what: str, *, quiet: bool) -> Iterator[Tick]:
    """A bar on a terminal's standard error, gone when it is done; nothing elsewhere."""
    screen = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn()
    off = quiet or not screen.is_terminal
    with Progress(*columns, console=screen, transient=True, disable=off) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
