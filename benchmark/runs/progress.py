"""Where a job's training reports to: curve, live display, log, checkpoint in the store."""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmark.arena.tally import Tally
from benchmark.learning import checkpoint as checkpoints
from benchmark.learning.checkpoint import Checkpoint, Pace
from benchmark.learning.progress import CURVE, CurveLog, CurvePoint, NoLog, is_news
from benchmark.records.note import Note
from benchmark.records.store import Store, storage_errors
from benchmark.runs.clock import Clock
from benchmark.runs.job import Job

NOTE_S = 1.0
"""Seconds from one note of a training's progress to the next."""

Watch = Callable[[int, Tally], None]
"""Told (steps so far, matches since the last call) while a training runs."""

Warn = Callable[[str], None]
"""Told a line for people that moves no result."""


def to_stderr(line: str) -> None:
    """Say it where it is in nobody's way."""
    sys.stderr.write(f"{line}\n")


Logs = Callable[[Job], CurveLog]
"""Where the curve of a job's training is logged besides."""


class JobProgress:
    """A training's `Progress`: curve, live display, log, checkpoint in the store."""

    def __init__(
        self, store: Store, job: Job, watch: Watch, log: CurveLog | None = None,
        warn: Warn = to_stderr, tell: Warn = to_stderr,
    ):  # fmt: skip
        """warn: told where the store is so slow that checkpoints are kept rarer.

        tell: told where the checkpoint is damaged, so that the training begins anew.
        """
        self.curve: list[CurvePoint] = []
        self._store, self._watch, self._log = store, watch, log or NoLog()
        self._key, self._warn, self._tell = job.key, warn, tell
        self._saving, self._noting = Pace(checkpoints.EVERY_S), Pace(NOTE_S)
        self._noted = False
        self._total = Tally()
        self.clock = Clock()

    def restart(self) -> None:
        """Forget the curve: the training begins anew."""
        self.curve, self._total = [], Tally()
        self._log.restart()

    def report(self, point: CurvePoint) -> None:
        """Keep the point and show it, unless nothing was played since the one before."""
        if not is_news(point, self.curve):
            return
        self.curve.append(point)
        self._watch(point.steps, point.tally)
        self._log.add(point)
        self._total = Tally.totals((self._total, point.tally))
        if self._noting.due or not self._noted:
            with self._noting.writing():
                self._store.note(self._key, Note(steps=point.steps, tally=self._total))
            self._noted = True

    def resume(self) -> Checkpoint | None:
        """The checkpoint that an interrupted run of this very job left behind.

        Raises:
            InfrastructureError: there is one, and the disk does not give it.
        """
        with storage_errors(self._store.root):
            path = self._store.checkpoint(self._key)
            found = checkpoints.read(path)
            damaged = found is None and path.exists()
        if damaged:
            self._tell(checkpoints.begins_anew(path))
        if found is not None:
            self.curve = CURVE.validate_json(found.facts["curve"])
            self.clock.go_on(found.facts)
            self._total = Tally.totals(point.tally for point in self.curve)
            if self.curve:
                self._watch(self.curve[-1].steps, Tally())
            self._log.restart(self.curve)
        return found

    def due(self) -> bool:
        """Every `checkpoints.EVERY_S` seconds or later; when does not move the result."""
        return self._saving.due

    def save(self, checkpoint: Checkpoint) -> None:
        """Store it with the curve so far."""
        checkpoint.facts["curve"] = CURVE.dump_json(self.curve).decode()
        checkpoint.facts |= self.clock.facts()
        with storage_errors(self._store.root), self._saving.writing():
            try:
                checkpoints.write(checkpoint, self._store.checkpoint(self._key))
            except FileNotFoundError:  # another run has just finished this job and swept up
                checkpoints.write(checkpoint, self._store.checkpoint(self._key))
        if self._saving.slow:
            self._warn(
                f"slow store: writing a checkpoint took {self._saving.took_s:.1f} s in "
                f"{self._store.root}; they are {self._saving.pause_s:.0f} s apart from now on, "
                "which is what a kill costs at most; a --store on a faster disk keeps more"
            )
