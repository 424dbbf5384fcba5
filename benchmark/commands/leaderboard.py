"""`bench leaderboard`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from benchmark.commands.common import console
from benchmark.errors import CheckFailed, Misuse
from benchmark.leaderboard import board
from benchmark.leaderboard.table import show
from benchmark.leaderboard.tables import tables
from benchmark.page.folder import check_ours, replace_folder
from benchmark.page.site import site
from benchmark.page.videos import Video, find_videos
from benchmark.records.record import Record


def leaderboard(
    results: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of records (results). Repeatable: rendered as one."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The file to write or check.")] = Path("leaderboard.md"),
    check: Annotated[
        bool, typer.Option("--check", help="Fail if the file is not current.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write the page into this folder as well.")
    ] = None,
    videos: Annotated[
        Path | None, typer.Option(help="Films for the page: RECORD.mp4 or RECORD-LABEL.mp4.")
    ] = None,
) -> None:
    """Render leaderboard.md from the records under results/ and nothing else.

    With a second folder, how a submission stands: `--results results --results
    DIR/evidence/records --out mine.md`.
    """
    if videos is not None and html is None:
        raise Misuse("--videos: films are shown on the page; say where with --html DIR")
    if check and html is not None:
        raise Misuse("--check writes nothing: give --html in a run of its own")
    folders = results or [Path("results")]
    if check:
        if len(folders) > 1:
            raise Misuse("--check: a page is held against one --results folder")
        count = board.check(folders[0], out)
        console.print(f"{out}: {count} records, current")
        return
    if html is not None:
        check_ours(html)  # before anything is written
    found, problems = board.read_results(*folders)
    if not found and not problems:
        named = ", ".join(map(str, folders))
        raise Misuse(f"no record under {named}; a run leaves them in STORE/records")
    for problem in problems:
        line = Text.assemble(("refused", "red"), f" {problem}")
        Console(stderr=True).print(line, soft_wrap=True)
    board.write(board.render(found, out, problems), out)
    for table in tables(list(found.values())):
        show(console, table)
    console.print(f"{out}: {len(found)} records", markup=False)
    if html is not None:
        _write_page(html, videos, found, problems)
    if problems:
        raise CheckFailed(f"{len(problems)} record(s) refused")


def _write_page(
    folder: Path, videos: Path | None, found: dict[Path, Record], problems: list[str]
) -> None:
    films: list[Video] = []
    if videos is not None:
        films, strangers = find_videos(videos, [record.id for record in found.values()])
        for name in strangers:
            console.print(f"{videos}: {name!r} is no film of these records", markup=False)
    count = replace_folder(folder, site(found, problems, films))
    console.print(f"{folder / 'index.html'}: {count} files, {len(films)} films", markup=False)
