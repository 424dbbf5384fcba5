"""Which records a board counts: one vote a cell, and of every method its latest version."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark.evaluation.protocol import EPISODES
from benchmark.records.cell import MethodRef, content_hash
from benchmark.records.record import Record


def one_vote(records: Iterable[Record]) -> list[Record]:
    """One record for each cell, whoever else was at hand when it was made.

    Cells that differ only in who else was at hand, or in how many matches were played, are of one
    attack, victim and seed: the one of the highest level is kept, so that nobody's own word stands
    in for what was verified; then one of as many matches as its tier asks for, a number that no
    author chose, else the longest played up to that; then the one judged by most held-out
    adversaries, the one that met most victims, was diagnosed most, then the smaller id. Of a
    defense that trains with whoever is at hand they are trainings of their own, of which the
    fullest counts.
    """
    kept: dict[str, Record] = {}
    company = ("held_out", "others", "foreign", "diagnoses")
    beside = {*company, "episodes", "victim_ranked"}

    def fullest(record: Record) -> tuple[int | str, ...]:
        lengths = [-len(getattr(record.cell, part)) for part in company]
        played, asked = record.cell.episodes, EPISODES[record.cell.tier]
        return (-record.level, played != asked, -min(played, asked), *lengths, record.id)

    for record in sorted(records, key=fullest):
        alone = record.cell.model_dump(mode="json", exclude=beside)
        alone["victim"] = record.cell.victim.sha256  # under a second name it is no second victim
        kept.setdefault(content_hash(alone), record)
    return list(kept.values())


def latest(records: Iterable[Record]) -> list[Record]:
    """The records without those of a method that has a later version among them.

    A version is raised where the same settings give something else (CONTRIBUTING), so the code of
    today makes none of the earlier ones again. They stay on file.
    """
    found = list(records)
    newest: dict[str, int] = {}
    for record in found:
        for method in _methods(record):
            newest[method.name] = max(method.version, newest.get(method.name, method.version))
    return [r for r in found if all(m.version == newest[m.name] for m in _methods(r))]


def _methods(record: Record) -> list[MethodRef]:
    cell = record.cell
    return [cell.attack] if cell.defense is None else [cell.attack, cell.defense]
