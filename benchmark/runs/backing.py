"""Which finished jobs stand behind a record, and whether they say what it says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from benchmark.records.cell import Cell, MethodRef, PlayerRef, content_hash, method_key
from benchmark.records.record import MatchSet, Record
from benchmark.runs.finished import TRAININGS, Finished
from benchmark.runs.job import Job, Player

Made = Mapping[str, Finished]
"""Finished jobs by key."""


class Backing:
    """The finished jobs of a store, found by what records say of them."""

    def __init__(self, made: Made):
        self._made = made
        self._trainings: dict[Any, list[str]] = defaultdict(list)
        self._plays: dict[Any, list[Finished]] = defaultdict(list)
        for key, one in made.items():
            if one.job.kind in TRAININGS:
                self._trainings[_training(one.job)].append(key)
            elif one.job.kind == "play":
                self._plays[self._pairing(one.job)].append(one)

    def trainings(self, cell: Cell) -> dict[str, list[str]]:
        """Keys of the jobs that did a cell's trainings: several where a learner's version changed.

        Names of trainings as in a record.
        """
        asked = _asked(cell, "attack", cell.attack)
        attack = [
            key for key in self._trainings[asked] if _is(self._made[key].job.victim, cell.victim)
        ]
        if cell.defense is None:
            return {"attack": attack}
        hardening = [
            key
            for key in self._trainings[_asked(cell, "harden", cell.defense)]
            if _is(self._made[key].job.victim, cell.victim)
            and {player.ref for player in self._made[key].job.adversaries} & {*attack}
        ]
        fresh = [
            key for key in self._trainings[asked] if self._made[key].job.victim.ref in hardening
        ]
        return {"attack": attack, "hardening": hardening, "fresh": fresh}

    def disagreements(self, record: Record) -> Iterator[str]:
        """Where the store's own artifacts say otherwise; what it lacks says nothing."""
        trainings = self.trainings(record.cell)
        for name, sha256 in record.artifacts.items():
            found = {self._made[key].sha256: key for key in trainings.get(name, ())}
            if found and sha256 not in found:
                other, key = next(iter(found.items()))
                yield (
                    f"names weights {sha256[:12]}.. for '{name}', artifacts/{key} has "
                    f"{other[:12]}..: they are not of one training"
                )
        for match in record.matches:
            found_plays = self._plays.get(_played(record.cell, match), [])
            counted = [play.halves for play in found_plays if play.halves is not None]
            if counted and (match.even, match.odd) not in counted:
                yield (
                    f"counts {match.tally.wins} wins of {match.adversary.name} against "
                    f"{match.victim.name} ('{match.role}'), artifacts/{found_plays[0].job.key} "
                    f"{sum(half.wins for half in counted[0])}, or ends of another kind"
                )

    def _pairing(self, job: Job) -> tuple[Any, ...]:
        players = self._name(job.adversaries[0]), self._name(job.victim)
        where = job.game, content_hash(job.game_options), job.seat, job.protocol
        return *where, *players, job.victim_mode, job.episodes, job.blind

    def _name(self, player: Player) -> str:
        """The sha256 of its weights; of a floor its name."""
        if player.source == "job":
            return self._made[player.ref].sha256 if player.ref in self._made else player.ref
        return player.sha256 or player.name


def _played(cell: Cell, match: MatchSet) -> tuple[Any, ...]:
    """As `Backing._pairing`, of what a record says."""
    options = cell.game_options if match.game_options is None else match.game_options
    players = (one.sha256 or one.name for one in (match.adversary, match.victim))
    where = cell.game, content_hash(options), cell.seat, cell.protocol
    return *where, *players, match.victim_mode, cell.episodes, match.role == "masked"


def _training(job: Job) -> tuple[Any, ...]:
    where = job.game, content_hash(job.game_options), job.seat, job.protocol
    return *where, job.kind, method_key(job.method), job.seed, job.budget_steps


def _asked(cell: Cell, kind: str, method: MethodRef) -> tuple[Any, ...]:
    """As `_training`, of what a cell asks for."""
    where = cell.game, content_hash(cell.game_options), cell.seat, cell.protocol
    return *where, kind, method_key(method), cell.seed, cell.budget_steps


def _is(player: Player, named: PlayerRef) -> bool:
    return player.source == "victim" and player.sha256 == named.sha256


def named(record: Record) -> set[str]:
    """The sha256 of every policy that a record names."""
    cell = record.cell
    players: Iterable[PlayerRef] = (
        cell.victim,
        *cell.others,
        *(player for found in record.matches for player in (found.adversary, found.victim)),
        *(player for found in record.detections for player in (found.adversary, found.victim)),
        *(player for found in record.splits for player in (found.adversary, found.victim)),
    )
    return {*record.artifacts.values(), *(player.sha256 for player in players)} - {""}


def judges(cell: Cell) -> set[str]:
    """Keys of the trainings of adversaries that a cell names by them."""
    return {one.rpartition(" ")[2] for one in (*cell.held_out, *cell.foreign)}
