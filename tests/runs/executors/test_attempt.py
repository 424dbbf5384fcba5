"""One job under its lease: what an earlier try left is gone before this one begins."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from benchmark.errors import InfrastructureError
from benchmark.records.leases import held, lease
from benchmark.records.store import FAILURE, Store
from benchmark.runs.executors.agenda import LOOK_AGAIN_S, Agenda
from benchmark.runs.executors.attempt import attempt
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker
from benchmark.runs.progress import Watch
from tests.runs.executors.test_agenda import job
from tests.runs.fakes import Diary


class Killed(BaseException):
    """Stands in for kill -9."""


class Mortal:
    """A worker that is killed at its job."""

    def __init__(self, store: Store):
        self.store = store

    def run(self, one: Job, watch: Watch) -> None:
        """It holds the lease, and no word of an earlier failure is left."""
        assert held(self.store.root, one.key)
        assert self.store.failure(one.key) is None
        raise Killed


def tried(store: Store, one: Job) -> None:
    """An attempt that its worker does not survive."""
    attempt(cast(Worker, Mortal(store)), one, lambda *_: None)


def test_a_retry_that_is_killed_is_taken_over_by_who_waited_for_it(tmp_path: Path) -> None:
    """Who is not told of a failure that the retry was started to mend."""
    one, store, now = job(1), Store(tmp_path), [0.0]
    store.prepare()
    store.file_failure(one.key, {"failure": "out of luck, last week"})
    agenda = Agenda([one], store, Diary(), clock=lambda: now[0])
    assert agenda.next() == one
    agenda.put_back(one)
    with pytest.raises(Killed):
        tried(store, one)
    now[0] += LOOK_AGAIN_S
    assert agenda.next() == one
    assert not agenda.failures


def test_who_does_not_have_the_lease_removes_nothing(tmp_path: Path) -> None:
    """The failure is of whoever is at the job now."""
    one, store = job(1), Store(tmp_path)
    store.file_failure(one.key, {"failure": "the loss became nan"})
    with lease(tmp_path, one.key), pytest.raises(InfrastructureError, match="held by another"):
        tried(store, one)
    assert store.failure(one.key) is not None


def test_a_disk_that_keeps_what_is_to_go_is_one_line(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / "work" / job(1).key / FAILURE).mkdir(parents=True)
    with pytest.raises(InfrastructureError, match=r"store .*; what is finished is kept"):
        tried(store, job(1))
