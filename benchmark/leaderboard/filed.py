"""The list of all records at the end of leaderboard.md: what was read, to the last byte."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from benchmark.leaderboard.table import Table, to_markdown_grid
from benchmark.records.files import load
from benchmark.records.record import Record
from benchmark.records.votes import latest, one_vote

DIGITS = 12
"""Of a file's sha256: enough to tell an altered file from the one that was rendered."""
_LISTED = re.compile(rf"^\| \[([0-9a-f]+)\]\(.*\| ([0-9a-f]{{{DIGITS}}}) \|$", re.MULTILINE)
"""A row of the list: a record's id, and the digits."""


def filed_table(found: Mapping[Path, Record], links: Mapping[str, str]) -> Table:
    """One row a file, by its link; links: record id to where its file is."""
    table = Table(
        "Records",
        ["record", "cell", "seed", "level", "ran in", "sha256"],
        words=2,
        note=f"All files that this page is rendered from, with the first {DIGITS} digits of what "
        "`sha256sum` says of them: no digit of a record changes unseen, also where no table "
        "shows it. superseded: another record is of the same cell and has a higher level or "
        "met more (of a defense that trains with the opponents at hand it is another "
        "training). earlier version: of a method that has since been changed; to make it "
        "again, check out the commit that the record names. Neither is in the tables above.",
    )
    kept = one_vote(found.values())
    marks = {record.id: " (superseded)" for record in found.values()}
    marks |= {record.id: " (earlier version)" for record in kept}
    marks |= {record.id: "" for record in latest(kept)}
    for path, record in sorted(found.items(), key=lambda item: links[item[1].id]):
        link = f"[{record.id}]({links[record.id]})"
        name = _cell(record) + marks[record.id]
        table.rows.append(
            [link, name, str(record.cell.seed), str(record.level), record.isolation.kind,
             _digest(path)]
        )  # fmt: skip
    return table


def altered(found: Mapping[Path, Record], page: str) -> list[Path]:
    """Files of records whose content is not what a rendered page says of them."""
    listed = dict(_LISTED.findall(page))
    return [
        path for path, record in found.items()
        if record.id in listed and listed[record.id] != _digest(path)
    ]  # fmt: skip


def _digest(path: Path) -> str:
    return hashlib.sha256(load(path)).hexdigest()[:DIGITS]


def to_markdown_filed(table: Table) -> str:
    """The list, folded away until somebody asks."""
    return (
        f"## {table.title}\n\n<details>\n<summary>{len(table.rows)} files</summary>\n\n"
        f"{to_markdown_grid(table)}\n\n</details>\n\n{table.footer}\n"
    )


def _cell(record: Record) -> str:
    """What a record is about: 'pong-v1 lite: ours on may1, retrain'."""
    cell = record.cell
    defense = f", {cell.defense.label}" if cell.defense else ""
    return f"{cell.game} {cell.tier}: {cell.attack.label} on {cell.victim.name}{defense}"
