"""`bench export`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from benchmark.commands.common import console
from benchmark.disk import write_atomically
from benchmark.errors import CheckFailed, InfrastructureError, Misuse
from benchmark.leaderboard import board
from benchmark.learning.tensorboard import TensorBoardLog, check_installed, part
from benchmark.records import tabular
from benchmark.records.export import KINDS, rows_of
from benchmark.records.record import Record
from benchmark.settings import hint

TENSORBOARD = "tensorboard"
ON_SCREEN = ("csv", "jsonl")
"""Formats that may go to standard output."""


def export(
    form: Annotated[
        str, typer.Option("--format", help="csv, jsonl, parquet, or tensorboard (the curves).")
    ] = "csv",
    what: Annotated[
        str | None,
        typer.Option(help="One row for each of matches, curves, detections, splits or records."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The file; of tensorboard the folder. None: standard output."),
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder of records.")] = Path("results"),
) -> None:
    """Write the records' numbers as a table for other tools; docs/export.md tells the columns."""
    _check(form, what, out)
    found, problems = board.read_results(results)
    records = sorted(found.values(), key=lambda record: record.id)
    for problem in problems:
        _tell(Text.assemble(("refused", "red"), f" {problem}"))
    if form == TENSORBOARD:
        assert out is not None
        console.print(f"{out}: {_log_curves(records, out)} curves", markup=False)
    else:
        _write(records, form, what or "matches", out)
    if problems:
        raise CheckFailed(f"{len(problems)} record(s) refused")


def _check(form: str, what: str | None, out: Path | None) -> None:
    """Raise Misuse for options that make no sense together, before any record is read."""
    if form == TENSORBOARD:
        check_installed()
    else:
        tabular.writer(form)
    if what is not None and what not in KINDS:
        raise Misuse(f"--what: no rows '{what}'; {hint(what, KINDS)}")
    if form == TENSORBOARD and what not in (None, "curves"):
        raise Misuse(f"--format tensorboard holds curves, not {what}; choose csv")
    if out is None and form not in ON_SCREEN:
        raise Misuse(f"--format {form} needs --out; on standard output: {', '.join(ON_SCREEN)}")


def _write(records: Sequence[Record], form: str, what: str, out: Path | None) -> None:
    rows = list(rows_of(records, what))
    payload = tabular.writer(form)(KINDS[what][0], rows)
    if out is None:
        sys.stdout.write(payload.decode())
    else:
        _save(payload, out)
        console.print(f"{out}: {len(rows)} rows of {len(records)} records", markup=False)
    failed = sum(record.failure is not None for record in records)
    if what == "matches" and failed:
        _tell(
            Text(
                f"{failed} failed training(s) have no matches, and the leaderboard counts them; "
                "they are in --what records"
            )
        )


def _save(payload: bytes, out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, payload)
    except OSError as error:
        raise InfrastructureError(f"{out}: cannot be written ({error.strerror})") from error


def _log_curves(records: Sequence[Record], out: Path) -> int:
    """Every training of every record in a folder of its own; returns how many there are."""
    count = 0
    for record in records:
        cell = record.cell
        defense = f"-{cell.defense.name}" if cell.defense else ""
        name = part(f"{cell.attack.name}{defense}-{cell.victim.name}-seed{cell.seed}")
        for training, points in record.curves.items():
            folder = out / part(cell.game) / f"{name}-{record.id[:8]}" / part(training)
            for earlier in folder.glob("events.out.tfevents.*"):  # of an earlier export
                earlier.unlink(missing_ok=True)
            log = TensorBoardLog(folder)
            log.restart(points)
            log.close()
            if log.broken:
                raise InfrastructureError(f"{folder}: cannot be written; {count} curves were")
            count += 1
    return count


def _tell(line: Text) -> None:
    Console(stderr=True).print(line, soft_wrap=True)
