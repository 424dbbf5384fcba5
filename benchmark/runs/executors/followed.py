"""How far jobs of other processes have got, as the store is told while they run."""

from __future__ import annotations

from benchmark.records.note import Note
from benchmark.records.store import Store
from benchmark.runs.executors.executor import Display
from benchmark.runs.job import Job


class Followed:
    """Hands on what is new in the notes of the jobs at hand."""

    def __init__(self, store: Store, display: Display):
        self._store, self._display = store, display
        self._jobs: dict[str, tuple[Job, Note]] = {}

    def begin(self, job: Job) -> None:
        """A job to follow."""
        self._jobs[job.key] = (job, Note())

    def end(self, job: Job) -> None:
        """It is over."""
        self._jobs.pop(job.key, None)

    def look(self) -> None:
        """Tell the display of every job that has got further, or was begun anew."""
        for key, (job, before) in self._jobs.items():
            now = self._store.noted(key)
            if now is not None and now.steps != before.steps:
                self._jobs[key] = (job, now)
                self._display.step(job, now.steps, now.since(before))
