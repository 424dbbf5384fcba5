"""One vote a cell."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark.records.cell import content_hash
from benchmark.records.record import Record


def one_vote(records: Iterable[Record]) -> list[Record]:
    """One record for each cell, whoever else was at hand when it was made.

    Cells that differ only in who else was at hand, or in how many matches were played, hold the
    same training; the longest played is kept, then the one judged by most held-out adversaries,
    the one that met most victims, was diagnosed most, then the smaller id.
    """
    kept: dict[str, Record] = {}
    company = ("held_out", "others", "foreign", "diagnoses")
    beside = {*company, "episodes", "victim_ranked"}

    def fullest(record: Record) -> tuple[int | str, ...]:
        lengths = [-len(getattr(record.cell, part)) for part in company]
        return (-record.cell.episodes, *lengths, record.id)

    for record in sorted(records, key=fullest):
        alone = record.cell.model_dump(mode="json", exclude=beside)
        kept.setdefault(content_hash(alone), record)
    return list(kept.values())
