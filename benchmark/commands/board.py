"""`bench leaderboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from benchmark.commands.common import console
from benchmark.errors import CheckFailed
from benchmark.leaderboard import board
from benchmark.leaderboard.table import to_rich
from benchmark.leaderboard.tables import tables


def leaderboard(
    results: Annotated[Path, typer.Option(help="Folder of records.")] = Path("results"),
    out: Annotated[Path, typer.Option(help="The file to write or check.")] = Path("leaderboard.md"),
    check: Annotated[
        bool, typer.Option("--check", help="Fail if the file is not current.")
    ] = False,
) -> None:
    """Render leaderboard.md from the records under results/ and nothing else."""
    if check:
        count = board.check(results, out)
        console.print(f"{out}: {count} records, current")
        return
    found, problems = board.read_results(results)
    for problem in problems:
        line = Text.assemble(("refused", "red"), f" {problem}")
        Console(stderr=True).print(line, soft_wrap=True)
    board.write(board.render(found, out), out)
    for table in tables(list(found.values())):
        console.print(to_rich(table))
    console.print(f"{out}: {len(found)} records", markup=False)
    if problems:
        raise CheckFailed(f"{len(problems)} record(s) refused")
