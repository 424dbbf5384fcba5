"""Everything in a store read again: what is damaged, what is unfinished, what was left behind.

Reads only. A damaged thing is a line, and the others are checked all the same.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, Field

from benchmark.errors import BenchError, Misuse
from benchmark.policies.artifact import BadArtifact
from benchmark.policies.policy import NetworkPolicy
from benchmark.records import files
from benchmark.records.leftovers import entries, folders, is_stale, leftovers, links, size
from benchmark.records.record import Record
from benchmark.records.store import CHECKPOINT, Store
from benchmark.runs import finished, unfinished
from benchmark.runs.backing import Backing
from benchmark.runs.finished import TRAININGS, Finished
from benchmark.runs.unfinished import Unfinished

PARTS = ("artifacts", "victims", "records", "work")
Tick = Callable[[int, int], None]
"""Told (things checked, of how many)."""


class Remark(BaseModel):
    """One line about one file: what is wrong and what to do, or merely what there is."""

    path: str
    what: str

    @property
    def line(self) -> str:
        """For people."""
        return f"{self.path}: {self.what}"


class Part(BaseModel):
    """How much of a part of the store was read."""

    count: int = 0
    bytes: int = 0
    problems: int = 0


class Report(BaseModel):
    """What an audit found."""

    parts: dict[str, Part] = Field(default_factory=lambda: {name: Part() for name in PARTS})
    problems: list[Remark] = []
    notes: list[Remark] = []
    unfinished: list[Unfinished] = []


class _Thing(NamedTuple):
    part: str
    path: Path
    check: Callable[[Path], None]
    remedy: str


def audit(store: Store, tick: Tick = lambda done, total: None, now: float | None = None) -> Report:
    """Check all of a store; tick is called after each thing, as there may be thousands.

    Raises:
        Misuse: there is no store.
    """
    return _Audit(store, time.time() if now is None else now).run(tick)


def check_there(store: Store) -> None:
    """Raise Misuse where a folder is none of a store."""
    if not any((store.root / name).is_dir() for name in PARTS):
        raise Misuse(
            f"{store.root}: no store there, expected a folder with {', '.join(PARTS)}; --store "
            "says where it is"
        )


class _Audit:
    def __init__(self, store: Store, now: float):
        self._store, self._now = store, now
        self._report = Report()
        self._made: dict[str, Finished] = {}
        self._records: list[tuple[Path, Record]] = []

    def run(self, tick: Tick) -> Report:
        check_there(self._store)
        things = list(self._things())
        for done, thing in enumerate(things, 1):
            self._check(thing)
            tick(done, len(things))
        self._compare()
        self._look_for_links()
        self._look_for_leftovers()
        return self._report

    def _things(self) -> Iterator[_Thing]:
        root = self._store.root
        for path in folders(root / "artifacts"):
            again = f"delete {path} to run the job again"
            yield _Thing("artifacts", path, self._artifact, again)
        for path in folders(root / "victims"):
            yield _Thing("victims", path, self._victim, f"delete {path} and import it again")
        for path in entries(root / "records", "*.json"):
            again = "put its original back, or delete it and run its command again"
            yield _Thing("records", path, self._record, again)
        for path in folders(root / "work"):
            yield _Thing("work", path, self._work, f"delete {path} to begin the job anew")

    def _check(self, thing: _Thing) -> None:
        part = self._report.parts[thing.part]
        part.count += 1
        part.bytes += size(thing.path)
        with self._telling(thing):
            thing.check(thing.path)

    @contextlib.contextmanager
    def _telling(self, thing: _Thing) -> Iterator[None]:
        """Turn what is wrong into a line."""
        try:
            yield
        except BenchError as error:
            self._problem(thing, str(error))
        except Exception as error:  # damage may break a reader in ways that nobody foresaw
            self._problem(thing, f"{thing.path}: cannot be read ({type(error).__name__}: {error})")

    def _problem(self, thing: _Thing, told: str) -> None:
        if not os.path.lexists(thing.path):
            return  # gone since
        self._report.parts[thing.part].problems += 1
        path, what = _split(told, thing.path)
        self._report.problems.append(Remark(path=path, what=f"{what}; {thing.remedy}"))

    def _note(self, path: Path, what: str) -> None:
        self._report.notes.append(Remark(path=str(path), what=what))

    def _artifact(self, folder: Path) -> None:
        if not os.path.lexists(folder / finished.RESULT):
            raise BadArtifact(f"{folder}: no {finished.RESULT} in it, so the job is not done")
        one = finished.read_job(folder)
        halves = finished.read_result(folder, one.job)
        if one.job.kind in TRAININGS:
            finished.check_policy(folder, one.job)
        self._made[folder.name] = Finished(one.job, one.sha256, one.scripted, halves)
        for path in finished.strangers(folder, one.job):
            self._note(path, "nothing that a job leaves; nobody reads it")

    def _victim(self, folder: Path) -> None:
        if not isinstance(finished.read_policy(folder), NetworkPolicy):
            raise BadArtifact(f"{folder}: a victim must be a network")

    def _record(self, path: Path) -> None:
        self._records.append((path, files.read(path)))

    def _compare(self) -> None:
        """Hold records against the artifacts that are here, of which all are known now."""
        backing = Backing(self._made)
        for path, record in self._records:
            again = "run its command again, which files it anew from the store"
            thing = _Thing("records", path, self._record, again)
            for what in backing.disagreements(record):
                self._problem(thing, f"{path}: {what}")

    def _work(self, folder: Path) -> None:
        found = unfinished.read(self._store, folder)
        if found is None:
            self._note(folder, "left by a job that is finished; `bench store gc` removes it")
            return
        self._report.unfinished.append(found)
        if found.cut_short:
            told = "cut short or damaged: the same command begins the training anew"
            self._note(folder / CHECKPOINT, told)

    def _look_for_links(self) -> None:
        for part in PARTS:
            home = self._store.root / part
            for path in links(home):
                if part == "records" and path.suffix == ".json":
                    continue  # it was refused as a record
                self._report.parts[part].problems += 1
                what = "a link, which is not followed; put in its place what it points to"
                self._report.problems.append(Remark(path=str(path), what=what))

    def _look_for_leftovers(self) -> None:
        for path in leftovers(self._store.root, PARTS):
            if is_stale(path, self._now):
                swept = path.relative_to(self._store.root).parts[0] in ("artifacts", "work")
                todo = "`bench store gc` removes it" if swept else "delete it"
                self._note(path, f"left by a process that died; {todo}")


def _split(told: str, at: Path) -> tuple[str, str]:
    """A message of one line as its path, if it begins with one, and the rest."""
    line = " ".join(told.split())
    path, colon, what = line.partition(": ")
    return (path, what) if colon and path.startswith(str(at)) else (str(at), line)
