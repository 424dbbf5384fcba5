"""Who stands in a record's matches: everyone that it must hold, and nobody in another's place.

Counts can be right and a record wrong even so: with an inconvenient opponent left out, another
adversary under the role of a judge, or the mode that is ranked exchanged for the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.records.record import DetectionSet, MatchSet, Record, Role

TRAINED: dict[Role, str] = {"stored": "attack", "fresh": "fresh"}
"""Judges that the record's own trainings made, and under which name its artifacts say so."""


def check_players(record: Record) -> None:
    """Raise ValueError where a record's matches are not of the players that its cell names."""
    _check_judges(record)
    _check_opponents(record)
    _check_mode(record)


def _check_judges(record: Record) -> None:
    """Of a defended cell: its own adversaries, and as many held-out ones as it names."""
    judges: list[MatchSet | DetectionSet] = [*record.matches, *record.detections]
    for role, training in TRAINED.items():
        made = record.artifacts.get(training)
        for played in (one for one in judges if one.role == role):
            if played.adversary.sha256 != made:
                raise ValueError(
                    f"'{role}' matches of '{played.adversary.name}', not of the adversary that "
                    "this record names"
                )
    found = [one for one in record.detections if one.role == "held-out"]
    met, named = len(found or record.of_role("held-out")), len(record.cell.held_out)
    if met > named or (met < named and "held-out" not in record.lost):
        raise ValueError(f"'held-out' matches of {met} adversaries, the cell names {named}")


def _check_opponents(record: Record) -> None:
    """The same regular opponents before and after, all known; undefended, nobody is passed over."""
    cell, regular = record.cell, record.of_role("regular")
    known = {one.sha256 for one in cell.others}
    for played in regular:
        if played.adversary.sha256 not in known | {cell.victim.sha256}:
            raise ValueError(
                f"'regular' matches of '{played.adversary.name}', which the cell does not know"
            )
    sides = _by_victim(regular)
    if len({frozenset(side) for side in sides.values()}) > 1:
        raise ValueError("'regular' matches are of other opponents before than after")
    if cell.defense is None:
        met = {one for side in sides.values() for one in side}
        met |= {played.victim.sha256 for played in record.of_role("transfer")}
        for one in cell.others:
            if one.sha256 not in met | {cell.victim.sha256}:
                raise ValueError(f"no matches with '{one.name}', which the cell knows")


def _by_victim(played: list[MatchSet]) -> dict[str, set[str]]:
    """The adversaries' sha256 by that of the victim that they met."""
    found: dict[str, set[str]] = {}
    for one in played:
        found.setdefault(one.victim.sha256, set()).add(one.adversary.sha256)
    return found


def _check_mode(record: Record) -> None:
    """A victim is ranked in one mode, hardened or not, whoever plays it."""
    own = {record.cell.victim.sha256, record.artifacts.get("hardening")}
    modes = {m.victim_mode for m in record.matches if m.ranked_mode and m.victim.sha256 in own}
    if len(modes) > 1:
        raise ValueError(f"the victim is ranked in two modes: {' and '.join(sorted(modes))}")
