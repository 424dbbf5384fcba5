"""Which finished jobs a store's records need: those that they name, and what these have read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark.records.record import Record
from benchmark.runs.backing import Backing, Made, judges, named
from benchmark.runs.finished import TRAININGS
from benchmark.runs.job import Job


def needed(records: Sequence[Record], made: Made) -> set[str]:
    """Keys of the jobs without which the same runs would train or play again.

    A match, a detection, a comparison is needed where all who play in it are.
    """
    trained = reachable(_roots(records, made), made)
    known = {sha256 for record in records for sha256 in named(record)}
    looked = {
        key
        for key, one in made.items()
        if one.job.kind not in TRAININGS and _all_known(one.job, trained, known)
    }
    return trained | looked


def _roots(records: Iterable[Record], made: Made) -> set[str]:
    """Trainings that records tell of, by weights or by key; where one failed, by its cell."""
    backing, found = Backing(made), set[str]()
    by_weights: dict[str, set[str]] = {}
    for key, one in made.items():
        if one.sha256 and not one.scripted:
            by_weights.setdefault(one.sha256, set()).add(key)
    for record in records:
        sha256s = named(record)
        found |= {key for sha256 in sha256s for key in by_weights.get(sha256, ())}
        found |= judges(record.cell) & made.keys()
        for keys in backing.trainings(record.cell).values():
            # A policy without weights is told by its cell alone, and so is a training whose
            # matches or whose hardening failed: such a record names no artifact.
            found |= {k for k in keys if record.failure is not None or made[k].sha256 in sha256s}
    return found


def reachable(keys: set[str], made: Made) -> set[str]:
    """These, and all that they have read, as far as it is there."""
    found, ahead = set[str](), [key for key in keys if key in made]
    while ahead:
        key = ahead.pop()
        if key not in found:
            found.add(key)
            ahead += [need for need in made[key].job.needs if need in made]
    return found


def _all_known(job: Job, trained: set[str], known: set[str]) -> bool:
    """Whether trainings and victims that take part are needed; scripted floors always are."""
    players = (job.victim, *job.adversaries, *job.opponents)
    return all(
        player.ref in trained
        if player.source == "job"
        else player.source == "floor" or player.sha256 in known
        for player in players
    )
