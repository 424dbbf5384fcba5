"""The numbers of a record that a submission is judged by."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.records.record import MatchSet, Record
from benchmark.submissions.manifest import Manifest


class Measure:
    """Successes in trials, by what they are of."""

    def __init__(self, name: str, rate: float, trials: int):
        self.name, self.rate, self.trials = name, rate, trials


def measures(record: Record) -> list[Measure]:
    """Rates in [0, 1] of a record: of an attack one, of a defense or a detector several.

    An attack's win rate; against a hardened victim the win rates of stored, held-out and fresh
    adversaries and of the regular opponents; a detector's AUROC by whom it judged. Several of one
    role are averaged. An attack that failed in training never wins; of a failed defense there is
    nothing to tell.
    """
    if record.failure is not None:
        attack = record.cell.defense is None
        return [Measure("win rate", 0.0, record.cell.episodes)] if attack else []
    if record.detections:
        return [
            _mean(f"AUROC, {role}", [(d.counts.auroc, d.counts.adversarial) for d in of_role])
            for role in dict.fromkeys(d.role for d in record.detections)
            for of_role in [[d for d in record.detections if d.role == role]]
        ]
    roles = ("attack",) if record.cell.defense is None else (
        "stored", "held-out", "fresh", "regular",
    )  # fmt: skip
    found = []
    for role in roles:
        sets = [m for m in record.matches if m.role == role and m.ranked_mode and _own(record, m)]
        if sets:
            rates = [(m.tally.win_rate, m.tally.episodes) for m in sets]
            found.append(_mean("win rate" if role == "attack" else f"win rate, {role}", rates))
    return found


def own(about: Manifest, records: Sequence[Record]) -> list[Record]:
    """Those of the submission's own cells: a defense's run also files undefended ones."""
    return [r for r in records if (r.cell.defense is None) == (about.kind == "attack")]


def told(about: Manifest, records: Sequence[Record]) -> str:
    """The measures of all records, in a line."""
    parts = []
    for record in own(about, records):
        shown = ", ".join(f"{one.name} {one.rate:.3f}" for one in measures(record))
        parts.append(f"{record.cell.victim.name}, seed {record.cell.seed}: {shown}")
    return "; ".join(parts)


def _own(record: Record, played: MatchSet) -> bool:
    """Whether matches are against the victim that the cell is about, hardened if it was."""
    sha256 = record.artifacts.get("hardening", record.cell.victim.sha256)
    return played.victim.sha256 == sha256


def _mean(name: str, rates: Sequence[tuple[float, int]]) -> Measure:
    mean = sum(rate for rate, _ in rates) / len(rates)
    return Measure(name, mean, sum(trials for _, trials in rates))
