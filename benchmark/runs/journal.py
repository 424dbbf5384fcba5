"""What runs set out to do, filed in the store: runs/<id>.json, for those who look on.

A journal moves nothing: what is done is what the store has. What a run that has not come to its end
names is kept for it by a collection.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from benchmark.records.cell import content_hash
from benchmark.records.store import Store
from benchmark.runs.plan import Plan

FOLDER = "runs"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class Entry(BaseModel):
    """A job, as far as an onlooker needs to know it."""

    model_config = ConfigDict(frozen=True)

    key: str
    label: str
    kind: str
    budget_steps: int
    needs: list[str]


class Journal(BaseModel):
    """One run's jobs and records to be. The same plan run again takes the place of the one before.

    host and pid are of the process that led it last.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    command: str
    jobs: list[Entry]
    records: list[str]
    host: str = Field(default_factory=socket.gethostname)
    pid: int = Field(default_factory=os.getpid)
    started: str = Field(default_factory=_now)
    ended: str | None = None
    """When every job was done or its failure was on record, and the records were filed."""

    @classmethod
    def of(cls, plan: Plan, command: str) -> Journal:
        """A run of a plan, begun here and now."""
        keys: dict[str, Any] = {"jobs": [job.key for job in plan.jobs]}
        return cls(
            ended=None,
            id=content_hash(keys)[:16],
            command=command,
            jobs=[
                Entry(
                    key=job.key, label=job.label, kind=job.kind, budget_steps=job.budget_steps,
                    needs=job.needs,
                )
                for job in plan.jobs
            ],
            records=[cell.cell.id for cell in plan.cells],
        )  # fmt: skip

    @property
    def keys(self) -> set[str]:
        """Of all its jobs."""
        return {entry.key for entry in self.jobs}

    @property
    def lease(self) -> str:
        """What the process that leads the run holds."""
        return f"run-{self.id}"

    def end(self, store: Store) -> None:
        """Say that there is nothing left to go on with."""
        self.model_copy(update={"ended": _now()}).write(store)

    def open(self, store: Store) -> bool:
        """Whether it was stopped, or has not come to its end yet: the same command goes on."""
        if self.ended is not None:
            return False
        if "ended" in self.model_fields_set:
            return True
        return not all(store.has(entry.key) for entry in self.jobs)  # filed before there was an end

    def write(self, store: Store) -> None:
        """File it."""
        payload = (self.model_dump_json(indent=1) + "\n").encode()
        store.write_alone(store.root / FOLDER / f"{self.id}.json", payload)


def journals(store: Store) -> list[Journal]:
    """All runs of a store that can be read, in the order in which they began."""
    return sorted(read(store)[0], key=lambda journal: journal.started)


def read(store: Store) -> tuple[list[Journal], list[Path]]:
    """All runs of a store, and the files of those that cannot be read: of another version, say."""
    found, unreadable = [], []
    for path in sorted((store.root / FOLDER).glob("*.json")):
        try:
            found.append(Journal.model_validate_json(path.read_bytes()))
        except FileNotFoundError:
            continue
        except (OSError, ValueError):
            unreadable.append(path)
    return found, unreadable
