"""Entries: the records that differ only in their training seed, which share a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmark.leaderboard import scoring
from benchmark.leaderboard.judged import NONE, names
from benchmark.leaderboard.table import steps
from benchmark.leaderboard.tables import place
from benchmark.records.cell import Cell, content_hash
from benchmark.records.record import Record
from benchmark.records.votes import latest, one_vote

NOT_KEY = {"seed", "others", "held_out", "foreign", "diagnoses"}
"""What two cells of an entry may differ in."""


@dataclass(frozen=True)
class Entry:
    """An attack on a victim, or a defense of it against one, at one budget, over seeds."""

    key: str
    """A content hash: it names the page's file, so no name from a record does."""
    place: tuple[str, str]
    records: Sequence[Record]
    superseded: Sequence[Record] = ()
    """Of the same cells, not counted; a table of a diagnosis may be of them all the same."""

    @property
    def cell(self) -> Cell:
        """What was asked, of the first seed."""
        return self.records[0].cell

    @property
    def words(self) -> tuple[str, ...]:
        """Defense, attack and victim as tables write them."""
        return tuple(names(self.records))

    @property
    def attack(self) -> str:
        """The attack's label."""
        return self.cell.attack.label

    @property
    def victim(self) -> str:
        """The victim's name."""
        return self.cell.victim.name

    @property
    def defense(self) -> str:
        """The defense's label, 'none' without one."""
        return self.cell.defense.label if self.cell.defense else NONE

    @property
    def budget(self) -> str:
        """Steps of a training, as '8 M'."""
        return steps(self.cell.budget_steps)

    @property
    def title(self) -> str:
        """What it is, in words."""
        if self.cell.defense is None:
            return f"{self.attack} on {self.victim}"
        return f"{self.defense} for {self.victim} against {self.attack}"


def entries(records: Iterable[Record]) -> list[Entry]:
    """The entries of these records, in the tables' order of places; the records by seed."""
    made = []
    for where, part in sorted(scoring.group(latest(records), place).items()):
        for cells in scoring.rows(part):
            by_seed = sorted(one_vote(cells), key=lambda r: (r.cell.seed, r.id))
            counted = {record.id for record in by_seed}
            superseded = [record for record in cells if record.id not in counted]
            made.append(Entry(_key(by_seed[0]), where, by_seed, superseded))
    return made


def _key(record: Record) -> str:
    """The same whichever seeds are there, so that a link goes on to work."""
    return content_hash(record.cell.model_dump(mode="json", exclude=NOT_KEY))[:16]
