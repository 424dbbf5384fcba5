"""leaderboard.md from a folder of records: read, render, check."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.disk import write_atomically
from benchmark.errors import CheckFailed, InfrastructureError, Misuse
from benchmark.leaderboard import policies
from benchmark.leaderboard.filed import altered, filed_table, to_markdown_filed
from benchmark.leaderboard.table import to_markdown
from benchmark.leaderboard.tables import tables
from benchmark.records.files import BadRecord, read
from benchmark.records.record import Record
from benchmark.registry import games
from benchmark.settings import hint


def read_results(*folders: Path) -> tuple[dict[Path, Record], list[str]]:
    """Every record under some folders by path, and one line for each file that is refused."""
    for folder in folders:
        if not folder.is_dir():
            raise Misuse(f"{folder}: no such folder of records")
        if (folder / "artifacts").is_dir() and (folder / "records").is_dir():
            raise Misuse(f"{folder}: that is a store; its records are in {folder / 'records'}")
    with _no_search_for_cycles():
        return _read_all(folders)


def sound_results(*folders: Path) -> dict[Path, Record]:
    """Every record under some folders by path; raises CheckFailed where one is refused."""
    found, problems = read_results(*folders)
    if problems:
        raise CheckFailed("; ".join(problems))
    return found


@contextlib.contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Records have no cycles; to look for some while thousands are made takes a third longer."""
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()


def _read_all(folders: Sequence[Path]) -> tuple[dict[Path, Record], list[str]]:
    found: dict[Path, Record] = {}
    problems: list[str] = []
    seen: dict[str, Path] = {}
    known = games.names()
    for path in (path for folder in folders for path in _files(folder, problems)):
        try:
            record = read(path)
        except BadRecord as error:
            problems.append(str(error))
            continue
        if record.cell.game not in known:
            problems.append(
                f"{path}: no game '{record.cell.game}'; {hint(record.cell.game, known)}"
            )
            continue
        if record.id in seen:
            problems.append(f"{path}: the same cell as {seen[record.id]}; keep one of them")
            continue
        seen[record.id] = path
        found[path] = record
    return found, problems


def _files(folder: Path, problems: list[str]) -> list[Path]:
    """The files of records in order; a folder that cannot be read is a problem."""

    def told(error: OSError) -> None:
        problems.append(f"{error.filename}: cannot be read ({error.strerror})")

    found = []
    for home, inside, names in os.walk(folder, onerror=told):
        inside[:] = [name for name in inside if name != policies.FOLDER]
        found += [Path(home, name) for name in (*inside, *names) if name.endswith(".json")]
    return sorted(found)


def render(found: dict[Path, Record], board: Path, problems: Sequence[str] = ()) -> str:
    """The text of leaderboard.md, its links relative to where it lies.

    problems: what `read_results` said of refused files, which the page warns of.
    """
    links = {
        record.id: os.path.relpath(path, board.parent).replace(os.sep, "/")
        for path, record in found.items()
    }
    with _no_search_for_cycles():  # of all that was read, which would be due by now
        page = to_markdown(tables(list(found.values()), links), problems)
        return f"{page}\n{to_markdown_filed(filed_table(found, links))}" if found else page


def write(text: str, board: Path) -> None:
    """Write leaderboard.md atomically.

    Raises:
        Misuse: its folder is not there.
        InfrastructureError: it cannot be written.
    """
    try:
        write_atomically(board, text.encode())
    except FileNotFoundError as error:
        raise Misuse(f"{board.parent}: no such folder; make it, or choose another --out") from error
    except OSError as error:
        raise InfrastructureError(f"{board}: cannot be written ({error.strerror})") from error


def make_folder(folder: Path) -> None:
    """Make a folder for pages; raises InfrastructureError where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InfrastructureError(f"{folder}: cannot be made ({error.strerror})") from error


def check(results: Path, board: Path) -> int:
    """How many records the committed board renders from.

    Raises:
        CheckFailed: a record is refused, or the file is not what the records render to.
    """
    found = sound_results(results)
    committed = board.read_bytes() if board.is_file() else b""
    if committed != render(found, board).encode():
        other = altered(found, committed.decode(errors="replace"))
        if other:
            raise CheckFailed(
                f"{board} lists other content of {', '.join(map(str, other))}: restore what it was "
                "made from, or, if the change is meant, run `bench leaderboard` and commit both"
            )
        raise CheckFailed(
            f"{board} is not what {results} renders to; run `bench leaderboard` and commit it"
        )
    return len(found)
