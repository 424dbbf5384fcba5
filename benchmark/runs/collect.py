"""What a store holds and nobody needs, and its removal. Victims, wheels, records: never.

A thing is renamed out of the way before it is deleted, so that a crash leaves jobs done or undone,
and a leftover that the next collection or run removes.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, Field

from benchmark.errors import CheckFailed
from benchmark.policies.artifact import BadArtifact
from benchmark.records.files import BadRecord
from benchmark.records.leases import FOLDER, held
from benchmark.records.leftovers import entries, folders, is_stale, leftovers, size, touched
from benchmark.records.record import Record
from benchmark.records.store import STAGING, Store, storage_errors
from benchmark.runs import journal
from benchmark.runs.audit import check_there
from benchmark.runs.backing import Made, judges
from benchmark.runs.finished import RESULT, Finished, read_job
from benchmark.runs.needed import needed, reachable
from benchmark.runs.unfinished import read_failure

RECENT_S = 600.0
"""A training keeps a checkpoint every ten seconds: one that was touched since may be under way,
on a machine whose locks are not seen here or by a version that takes none."""

Reason = Literal["no record needs it", "given up", "its job is finished", "left by a process"]
Tick = Callable[[int, int], None]
"""Told (things read or removed, of how many)."""


class Removal(BaseModel):
    """A folder or a file that goes."""

    path: Path
    reason: Reason
    bytes: int


class Collection(BaseModel):
    """What goes, and a line for what might be expected to go and stays."""

    removals: list[Removal] = []
    kept: list[str] = []
    runs: list[str] = Field(default=[], exclude=True)
    """Ids of the runs that were open at the look."""

    @property
    def bytes(self) -> int:
        """Of all that goes."""
        return sum(one.bytes for one in self.removals)


def collect(
    store: Store,
    *,
    give_up: bool = False,
    now: float | None = None,
    tick: Tick = lambda done, total: None,
) -> Collection:
    """Find what can go; removes nothing. give_up: unfinished work too, unless it is in progress.

    Raises:
        Misuse: there is no store. CheckFailed: a record cannot be read.
    """
    check_there(store)
    return _Collector(store, time.time() if now is None else now, give_up).run(tick)


def remove(
    store: Store, collection: Collection, tick: Tick = lambda done, total: None
) -> list[str]:
    """Remove what was found; returns a line for each thing that is in use since, and stays.

    Raises:
        InfrastructureError: the store cannot be written; the same command goes on.
    """
    stayed, claimed = [], _claimed_since(store, collection)
    for done, one in enumerate(collection.removals, 1):
        busy = _busy(store)
        surplus = one.reason == "no record needs it"
        if one.path.name in busy or (surplus and (busy or one.path.name in claimed)):
            stayed.append(f"{one.path}: kept, a run has begun")
        else:
            with storage_errors(store.root):
                _remove(store, one.path)
        tick(done, len(collection.removals))
    return stayed


def _claimed_since(store: Store, collection: Collection) -> set[str]:
    """Keys that runs name which have begun, and perhaps stopped, since the look."""
    runs = [run for run in journal.read(store)[0] if run.id not in collection.runs]
    return {entry.key for run in runs if run.open(store) for entry in run.jobs}


def _remove(store: Store, path: Path) -> None:
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    if not path.name.startswith(STAGING):
        gone = store.root / "artifacts" / f"{STAGING}gone-{secrets.token_hex(6)}"
        gone.parent.mkdir(exist_ok=True)
        path = path.rename(gone)
    else:
        store.put_back(path)  # no collection takes a victim
    shutil.rmtree(path)


def _busy(store: Store) -> set[str]:
    """What leases are held for, which are names of jobs and of whatever else runs hold."""
    names = [path.stem for path in entries(store.root / FOLDER, "*.lock")]
    return {name for name in names if held(store.root, name)}


class _Claim(NamedTuple):
    """Finished jobs that somebody may read, who, and what would end that."""

    keys: set[str]
    why: str
    todo: str


class _Collector:
    def __init__(self, store: Store, now: float, give_up: bool):
        self._store, self._now, self._give_up = store, now, give_up
        self._busy = _busy(store)
        self._found = Collection()
        self._going_on: set[str] = set()
        """Keys of jobs that are not finished and that somebody may go on with."""

    def run(self, tick: Tick) -> Collection:
        records = _records(self._store)
        self._work(records)
        self._artifacts(records, tick)
        for path in leftovers(self._store.root):
            if is_stale(path, self._now) and path.parent.name not in self._busy:
                self._go(path, "left by a process")
        return self._found

    def _go(self, path: Path, reason: Reason) -> None:
        self._found.removals.append(Removal(path=path, reason=reason, bytes=size(path)))

    def _work(self, records: Sequence[Record]) -> None:
        for folder in folders(self._store.root / "work"):
            if folder.name in self._busy:
                self._found.kept.append(f"{folder}: in progress, its lease is held")
            elif self._store.has(folder.name):
                if is_stale(folder, self._now):
                    self._go(folder, "its job is finished")
            else:
                self._unfinished(folder, records)

    def _unfinished(self, folder: Path, records: Sequence[Record]) -> None:
        try:
            failure = read_failure(folder)
        except BadArtifact as error:  # nobody can be told of it
            failure = None
            self._found.kept.append(f"{error}; see `bench store verify`")
        if failure is not None and _is_told(folder.name, failure, records):
            self._found.kept.append(f"{folder}: failed, which a record tells")
            return
        if self._give_up and self._now - touched(folder) > RECENT_S:
            self._go(folder, "given up")
            return
        if failure is None:
            self._going_on.add(folder.name)
        why = "failed" if failure is not None else "unfinished"
        todo = "touched within minutes" if self._give_up else "--unfinished removes it"
        self._found.kept.append(f"{folder}: {why}; {todo}")

    def _artifacts(self, records: Sequence[Record], tick: Tick) -> None:
        made = dict(self._read(tick))
        wanted = needed(records, made)
        surplus = set(made) - wanted
        claim = self._claim(made)
        self._keep(surplus & claim.keys, claim)
        for key in sorted(surplus - claim.keys):
            self._go(self._store.folder(key), "no record needs it")

    def _claim(self, made: Made) -> _Claim:
        """What may still be read by those who are at work, or may go on."""
        runs, unreadable = journal.read(self._store)
        stopped = [run for run in runs if run.open(self._store)]
        self._found.runs = [run.id for run in stopped]
        if self._busy:
            return _Claim(set(made), "a run is in progress", "wait for its end")
        if self._give_up:  # but for what was touched within minutes
            stopped = [run for run in stopped if self._going_on & run.keys]
            unreadable = unreadable if self._going_on else []
        if unreadable:
            why = f"{unreadable[0]} cannot be read, and may be of a run that was stopped"
            return _Claim(set(made), why, "delete it if its run is not to go on")
        todo = "end it by its command, or give it up"
        named = {key for run in stopped for key in run.keys}
        if self._going_on - named:
            return _Claim(set(made), "unfinished work is kept, of no run that is known", todo)
        more = f" and {len(stopped) - 1} more" if len(stopped) > 1 else ""
        why = f"not at its end: {stopped[0].command}{more}" if stopped else ""
        return _Claim(reachable(named, made), why, todo)

    def _keep(self, keys: set[str], claim: _Claim) -> None:
        if keys:
            mib = sum(size(self._store.folder(key)) for key in keys) / (1 << 20)
            self._found.kept.append(
                f"{len(keys)} finished job(s) that no record needs, {mib:.1f} MiB: kept for those "
                f"who may read them, {claim.why}; {claim.todo}"
            )

    def _read(self, tick: Tick) -> Iterator[tuple[str, Finished]]:
        found = folders(self._store.root / "artifacts")
        for done, folder in enumerate(found, 1):
            tick(done, len(found))
            if not (folder / RESULT).is_file():
                self._found.kept.append(f"{folder}: no {RESULT}; see `bench store verify`")
                continue
            try:
                yield folder.name, read_job(folder)
            except BadArtifact as error:
                self._found.kept.append(f"{error}; see `bench store verify`")


def _records(store: Store) -> list[Record]:
    home = store.root / "records"
    try:
        os.listdir(home)  # a glob finds nothing where it may not look
        return store.records()
    except OSError as error:
        raise CheckFailed(
            f"{home}: cannot be listed ({error.strerror}), so what is needed cannot be known and "
            "nothing was removed: put it back, or make it an empty folder if no record is to stay"
        ) from error
    except BadRecord as error:
        raise CheckFailed(
            f"{error}; what this record needs cannot be known, so nothing was removed: put its "
            "original back or delete it (`bench store verify` lists all that are damaged)"
        ) from error


def _is_told(key: str, failure: str, records: Sequence[Record]) -> bool:
    """Whether a record may tell of this failure.

    What a record lost it tells by the training's name, which a work folder lacks: any may be it.
    """
    return any(
        record.failure == failure or record.lost or key in judges(record.cell) for record in records
    )
