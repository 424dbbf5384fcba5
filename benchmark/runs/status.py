"""How far the runs of a store have got, seen from outside."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import BaseModel, ConfigDict

from benchmark.records.leases import held
from benchmark.records.note import Note
from benchmark.records.store import Store
from benchmark.runs.journal import Entry, Journal, journals

State = Literal["done", "running", "failed", "waiting"]


class AtWork(BaseModel):
    """A job that a process is at."""

    model_config = ConfigDict(frozen=True)

    label: str
    budget_steps: int
    note: Note | None
    """What it said last; None where it says nothing, as matches do."""


class Failed(BaseModel):
    """A job that failed for good."""

    model_config = ConfigDict(frozen=True)

    label: str
    why: str


class RunStatus(BaseModel):
    """One run."""

    model_config = ConfigDict(frozen=True)

    id: str
    command: str
    started: str
    host: str
    pid: int
    led: bool
    """Whether the process that leads it is alive."""
    ended: str | None
    """When it came to its end, with every job that could be done; none: it was stopped."""
    jobs: dict[State, int]
    steps: int
    """Of trainings, done and under way."""
    budget_steps: int
    records: int
    records_planned: int
    at_work: list[AtWork]
    failed: list[Failed]


def status(store: Store) -> list[RunStatus]:
    """Every run of a store, in the order in which they began. Reads, and changes nothing."""
    return [_status(store, journal) for journal in journals(store)]


def _status(store: Store, journal: Journal) -> RunStatus:
    states = {entry.key: _state(store, entry) for entry in journal.jobs}
    counts: Counter[State] = Counter(states.values())
    notes = {
        entry.key: store.noted(entry.key)
        for entry in journal.jobs
        if states[entry.key] in ("running", "waiting")
    }
    return RunStatus(
        **journal.model_dump(include={"id", "command", "started", "host", "pid", "ended"}),
        led=held(store.root, journal.lease),
        jobs={state: counts[state] for state in ("done", "running", "failed", "waiting")},
        steps=sum(_steps(entry, states[entry.key], notes.get(entry.key)) for entry in journal.jobs),
        budget_steps=sum(entry.budget_steps for entry in journal.jobs),
        records=sum((store.root / "records" / f"{id}.json").is_file() for id in journal.records),
        records_planned=len(journal.records),
        at_work=[
            AtWork(label=entry.label, budget_steps=entry.budget_steps, note=notes[entry.key])
            for entry in journal.jobs
            if states[entry.key] == "running"
        ],
        failed=[
            Failed(label=entry.label, why=failure["failure"])
            for entry in journal.jobs
            if states[entry.key] == "failed" and (failure := store.failure(entry.key))
        ],
    )


def _state(store: Store, entry: Entry) -> State:
    if store.has(entry.key):
        return "done"
    if held(store.root, entry.key):
        return "running"
    return "failed" if store.failure(entry.key) is not None else "waiting"


def _steps(entry: Entry, state: State, note: Note | None) -> int:
    if state == "done":
        return entry.budget_steps
    return min(note.steps, entry.budget_steps) if note is not None else 0
