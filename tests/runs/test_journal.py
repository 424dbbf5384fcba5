"""When a run is at its end, and may be collected, and when the same command is to go on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from benchmark.display import Silent
from benchmark.records.store import Store
from benchmark.runs import run as running
from benchmark.runs.executors.executor import Display, Failure
from benchmark.runs.job import Job
from benchmark.runs.journal import Journal, journals, read
from benchmark.runs.plan import make_plan
from benchmark.runs.run import execute
from tests.runs import stocked
from tests.runs.conftest import Shelf


class Fails:
    """An executor that does nothing, and says why."""

    def __init__(self, *, lost: bool = False, on_record: Store | None = None):
        self._lost, self._on_record = lost, on_record

    def run(self, jobs: list[Job], display: Display) -> list[Failure]:
        first = jobs[0]
        if self._on_record is not None:
            self._on_record.file_failure(first.key, {"failure": "x"})
        return [Failure(job=first.key, label=first.label, kind="x", message="x", lost=self._lost)]


def after(store: Store, executor: Fails | None) -> Journal:
    """The journal that a small run leaves."""
    with stocked.fakes():
        spec = stocked.spec(**{**stocked.RUN, "attacks": ("first",)})
        plan = make_plan(spec)
        execute(spec.command, plan, store, Shelf(stocked.SHELF), Silent, executor=executor)
    (found,) = journals(store)
    return found


def test_a_run_is_open_until_its_records_are_filed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, seen = Store(tmp_path), list[bool]()
    real = running.records_of

    def spy(*given: Any) -> Any:
        seen.extend(one.open(store) for one in journals(store))
        return real(*given)

    monkeypatch.setattr(running, "records_of", spy)
    assert not after(store, None).open(store)
    assert seen == [True]
    monkeypatch.setattr(running, "records_of", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        after(store, None)  # begun anew, and stopped
    (again,) = journals(store)
    assert again.open(store)


def test_only_what_no_record_tells_leaves_a_run_open(tmp_path: Path) -> None:
    """A lost process; a crash that nothing files, as of a detector, whose adversaries are kept."""
    assert after(Store(tmp_path / "lost"), Fails(lost=True)).open(Store(tmp_path / "lost"))
    assert after(Store(tmp_path / "crash"), Fails()).open(Store(tmp_path / "crash"))
    told = Store(tmp_path / "told")
    assert not after(told, Fails(on_record=told)).open(told)


def test_journals_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    good = after(store, None)
    bad = tmp_path / "runs" / "bad.json"
    bad.write_text("{")
    assert read(store) == ([good], [bad])
    assert journals(store) == [good]


def test_two_runs_of_one_plan_may_end_together(tmp_path: Path) -> None:
    """Each writes a file of its own and puts it in the other's place, whole."""
    store = Store(tmp_path)
    journal = after(store, None)
    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(journal.end, store) for _ in range(60)]:
            done.result()
    assert read(store) == ([journals(store)[0]], [])
    assert not list(tmp_path.rglob("*.tmp"))
