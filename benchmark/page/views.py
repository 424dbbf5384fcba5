"""The board's tables as the templates see them: cells with what to sort, draw and link."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmark.leaderboard.table import Table, telling
from benchmark.page.cells import Whisker, domain, heat, sort_value, whisker
from benchmark.page.entries import Entry

RECORDS = "records"
"""The column of links to records, by seed, as Markdown has them."""
MATRIX = "trained on"
"""The first column of a transfer matrix."""
VARIANT = " (variant)"
_LINK = re.compile(r"(?:((?!\[)\S+) )?\[([^\]\[]*)\]\(([0-9a-f]{16})\)")
"""A link to a record, the first of a victim's after the victim's name where a row is of several."""
COLUMN_FACETS = {
    "attack": "attack", "victim": "victim", MATRIX: "victim", "defense": "defense",
    "detector": "defense",
}  # fmt: skip


@dataclass(frozen=True)
class CellView:
    """A cell: its text as the board has it, and what it says besides."""

    text: str
    value: str = ""
    """What a column of numbers is sorted by; '' for none."""
    whisker: Whisker | None = None
    heat: int | None = None
    own: bool = False
    """Of a transfer matrix: the adversary's own victim."""
    entry: str | None = None
    """The entry that the cell names."""
    records: Sequence[tuple[str, str]] = ()
    """Labels and ids of records."""

    @property
    def name(self) -> tuple[str, str]:
        """A method's label in two: its name, and what was set by hand."""
        words = self.text.split(" ")
        first = next((i for i, word in enumerate(words) if "=" in word), len(words))
        return " ".join(words[:first]), " ".join(words[first:])


@dataclass(frozen=True)
class Column:
    """A heading, and whether numbers stand below it."""

    label: str
    numeric: bool


@dataclass(frozen=True)
class RowView:
    """Cells, the entry that the row is of, and what it can be filtered by."""

    cells: Sequence[CellView]
    entry: Entry | None = None
    facets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TableView:
    """A table to be drawn. full_title: as the board has it."""

    title: str
    full_title: str
    columns: Sequence[Column]
    rows: Sequence[RowView]
    note: str
    flags: Sequence[str]
    matrix: bool


class Index:
    """Finds the entry that a row of a table is of."""

    def __init__(self, entries: Sequence[Entry]):
        self._by_record = {
            record.id: entry for entry in entries for record in (*entry.records, *entry.superseded)
        }
        self._by_words: dict[tuple[str, ...], list[Entry]] = {}
        for entry in entries:
            self._by_words.setdefault((*entry.place, *entry.words), []).append(entry)
        self._by_pairing: dict[tuple[str, ...], list[Entry]] = {}
        for entry in entries:
            pairing = (*entry.place, entry.defense, entry.attack, entry.victim)
            self._by_pairing.setdefault(pairing, []).append(entry)
        self._by_attack: dict[tuple[str, ...], list[Entry]] = {}
        for entry in entries:
            if entry.cell.defense is None:
                self._by_attack.setdefault((*entry.place, entry.attack), []).append(entry)
        self.labels = sorted({(entry.place, entry.attack, entry.defense) for entry in entries})

    def entry(self, table: Table, row: Sequence[str]) -> Entry | None:
        """By the records that it links, else by its words where only one entry has them."""
        if table.columns[-1] == RECORDS:
            of = [self._by_record.get(record) for *_, record in _LINK.findall(row[-1])]
            keys = {entry.key if entry else None for entry in of}
            return of[0] if len(keys) == 1 else None
        alike = self._by_words.get((*table.place, *row[: table.words]), [])
        if table.columns[0] == "attack" and table.words == 1:
            alike = self._by_attack.get((*table.place, self.attack(table, row[0])), [])
        return alike[0] if len(alike) == 1 else None

    def trained(self, table: Table, about: Mapping[str, str], victim: str) -> Entry | None:
        """The entry of a row of a transfer matrix, by what its title says and its own victim."""
        words = about.get("defense", ""), about.get("attack", ""), victim
        alike = self._by_pairing.get((*table.place, *words), [])
        return alike[0] if len(alike) == 1 else None

    def attack(self, table: Table, text: str) -> str:
        """The attack's label in a cell that also says its track or seat: 'ours (white-box)'."""
        known = {
            attack for place, attack, _ in self.labels if place == table.place or not table.place[0]
        }
        named = [label for label in known if text.startswith((f"{label} (", f"{label} as "))]
        return text if text in known or not named else max(named, key=len)


def table_view(table: Table, index: Index) -> TableView:
    """A board's table for the page."""
    shown = telling(table)  # as in the terminal: no transfer, no replay where there is none
    columns = [
        Column(table.columns[at].strip(), at >= table.words and table.columns[at] != RECORDS)
        for at in shown
    ]
    spans = [domain([row[at] for row in table.rows]) for at in shown]
    matrix = table.columns[0] == MATRIX
    about = _title_facets(table, index)
    rows = []
    for row in table.rows:
        entry = index.trained(table, about, row[0]) if matrix else index.entry(table, row)
        cells = [
            _matrix_cell(row[at], row[0], column) if matrix and column.numeric
            else _cell(row[at], column, span, None if at else entry)
            for at, column, span in zip(shown, columns, spans, strict=True)
        ]  # fmt: skip
        rows.append(RowView(cells, entry, {**about, **_facets(table, row, entry, index)}))
    return TableView(
        _short(table), table.title, columns, rows, table.note, table.flags, matrix
    )  # fmt: skip


def _cell(text: str, column: Column, span: tuple[float, float], entry: Entry | None) -> CellView:
    if column.label == RECORDS:
        found = _LINK.findall(text)
        return CellView(
            text, records=[(f"{of} {seed}".strip(), record) for of, seed, record in found]
        )
    if not column.numeric:
        return CellView(text, entry=entry.key if entry else None)
    return CellView(text, _value(text), whisker(text, span))


def _matrix_cell(text: str, source: str, column: Column) -> CellView:
    return CellView(text, _value(text), heat=heat(text), own=column.label == source)


def _value(text: str) -> str:
    """A number as JavaScript reads it; '' for none."""
    value = sort_value(text)
    return "" if value is None else "Infinity" if value == float("inf") else f"{value:g}"


def _facets(table: Table, row: Sequence[str], entry: Entry | None, index: Index) -> dict[str, str]:
    """What a row can be filtered by: its entry's facts, else what its columns say."""
    if entry is not None:
        return {
            "attack": entry.attack, "victim": entry.victim, "defense": entry.defense,
            "track": entry.cell.track,
        }  # fmt: skip
    said = zip(table.columns[: table.words], row, strict=False)
    facets = {
        COLUMN_FACETS[column]: text.removesuffix(VARIANT)
        for column, text in said
        if column in COLUMN_FACETS
    }
    if "attack" in facets:
        facets["attack"] = index.attack(table, facets["attack"])
    return facets


def _title_facets(table: Table, index: Index) -> dict[str, str]:
    """The attack and defense of a transfer matrix, which only its title names."""
    where = _where(table)
    for place, attack, defense in index.labels:
        if place != table.place:
            continue
        if table.title == f"Transfer of {attack} on {where}":
            return {"attack": attack, "defense": "none"}
        if table.title == f"Transfer of {attack} over {defense} on {where}":
            return {"attack": attack, "defense": defense}
    return {}


def _where(table: Table) -> str:
    """How titles name a place."""
    return f"{table.place[0]}, tier {table.place[1]}"


def _short(table: Table) -> str:
    """A title without the place that its section names."""
    if not table.place[0]:
        return table.title.removeprefix("Overall, ").capitalize()
    where = _where(table)
    return table.title.replace(f" on {where}", "").replace(f" of {where}", "")
