"""Collection: what no record needs goes, whole or not at all, and nothing else is touched."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmark.display import Silent
from benchmark.errors import CheckFailed, InfrastructureError, Misuse
from benchmark.policies import artifact
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.runs import collect as collecting
from benchmark.runs import run as running
from benchmark.runs.audit import audit
from benchmark.runs.collect import Collection, collect, remove
from benchmark.runs.executors.executor import Failure
from benchmark.runs.job import Job
from benchmark.runs.journal import Journal
from benchmark.runs.plan import Plan, make_plan
from benchmark.runs.run import execute
from tests.factories import attacked, scribble, without_timings
from tests.runs import stocked
from tests.runs.conftest import Shelf
from tests.runs.fakes import FakeAttack
from tests.runs.test_audit import unfinished

DAY = 86400.0
KEY = "0" * 32
RUN = {**stocked.DEFENDED, "attacks": ("first", "second")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two attacks on a victim, each against a defense too; not to be touched."""
    return stocked.stock(tmp_path_factory.mktemp("whole") / "store", **RUN)


@pytest.fixture
def store(whole: Store, tmp_path: Path) -> Store:
    """A copy."""
    return Store(shutil.copytree(whole.root, tmp_path / "store"))


def contents(store: Store) -> dict[str, bytes]:
    """Every file of a store."""
    root = store.root
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def age(path: Path, at: float) -> Path:
    """Make it and all that is in it of this time."""
    for one in (*path.rglob("*"), path):
        os.utime(one, (at, at), follow_symlinks=False)
    return path


def forget(store: Store, chosen: Callable[[Record], bool]) -> None:
    """Delete records."""
    for record in store.records():
        if chosen(record):
            (store.root / "records" / f"{record.id}.json").unlink()


def sweep(store: Store, **how: bool) -> Collection:
    """Find and remove."""
    found = collect(store, **how)
    assert remove(store, found) == []
    return found


@contextmanager
def leased(store: Store, key: str) -> Iterator[None]:
    """Hold a lease as another process would."""
    path = store.root / "leases" / f"{key}.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def trained(store: Store, **more: object) -> int:
    """How many trainings such a run does on this store."""
    FakeAttack.trained.clear()
    assert not stocked.run(store, **more).failures
    return FakeAttack.trained.total()


def test_nothing_goes_while_all_records_are_there(store: Store) -> None:
    before = contents(store)
    found = sweep(store)
    assert found == Collection()
    assert contents(store) == before


def second(record: Record) -> bool:
    return record.cell.attack.name == "second"


def defense(record: Record) -> bool:
    return record.cell.defense is not None


def none(record: Record) -> bool:
    return False


@pytest.mark.parametrize(
    ("forgotten", "again"), [(none, 0), (defense, 6), (second, 3), (lambda record: True, 8)]
)
def test_a_run_trains_again_what_no_record_needed_and_no_more(
    store: Store, forgotten: Callable[[Record], bool], again: int
) -> None:
    """Of the second attack its undefended training stays: it judges the first one's defense."""
    before = {record.id: record for record in store.records()}
    forget(store, forgotten)
    left = store.records()
    sweep(store)
    assert not audit(store).problems
    assert trained(store, **RUN) == again
    after = {record.id: record for record in store.records()}
    assert after.keys() == before.keys()
    for record in left:
        assert without_timings(after[record.id]) == without_timings(record)


def test_the_cells_that_are_kept_are_never_trained_again(store: Store) -> None:
    forget(store, lambda record: second(record) or defense(record))
    found = sweep(store)
    assert len(found.removals) > 7
    assert found.bytes == sum(one.bytes for one in found.removals) > 0
    assert not any(one.path.exists() for one in found.removals)
    assert trained(store, **{**stocked.RUN, "attacks": ("first",)}) == 0


def test_looking_removes_nothing(store: Store) -> None:
    forget(store, lambda record: True)
    before = contents(store)
    assert collect(store).removals
    assert contents(store) == before


def test_a_held_lease_keeps_what_no_record_needs(store: Store) -> None:
    """The run whose job it is has finished others, which become records at its end."""
    forget(store, defense)
    before = contents(store)
    with leased(store, KEY):
        found = collect(store, give_up=True)
        assert not found.removals
        assert any("a run is in progress" in line for line in found.kept)
    assert contents(store).keys() - before.keys() <= {f"leases/{KEY}.lock"}
    assert collect(store).removals


def test_a_run_that_begins_after_the_look_loses_nothing(store: Store) -> None:
    forget(store, defense)
    found = collect(store)
    with leased(store, "record-of-something"):
        assert len(remove(store, found)) == len(found.removals) > 0
    assert all(one.path.exists() for one in found.removals)


def test_unfinished_work_is_kept_with_what_it_may_read(store: Store) -> None:
    """Of which there is no telling: a work folder does not say what its job is."""
    age(unfinished(store, KEY).parent, 0.0)
    forget(store, defense)
    before = contents(store)
    kept = sweep(store).kept
    assert contents(store) == before
    assert any("unfinished; --unfinished removes it" in line for line in kept)
    assert any("unfinished work is kept" in line for line in kept)
    given_up = sweep(store, give_up=True)
    assert {one.reason for one in given_up.removals} == {"given up", "no record needs it"}
    assert not (store.root / "work" / KEY).exists()


class Killed(BaseException):
    """The run's process is gone."""


class Fuse(Silent):
    """Kills its run once so many jobs have ended."""

    def __init__(self, ends: int):
        self._ends = ends

    def finish(self, job: Job, failure: Failure | None) -> None:
        self._ends -= 1
        if self._ends < 0:
            raise Killed


def killed(store: Store, ends: int, **more: object) -> Plan:
    """A run that is killed after so many jobs, and files no record."""

    def gone(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch, stocked.fakes():
        patch.setattr(running, "records_of", gone)
        spec = stocked.spec(**more)
        plan = make_plan(spec)
        with pytest.raises(Killed):
            execute(spec.command, plan, store, Shelf(stocked.SHELF), lambda: Fuse(ends))
    return plan


def committed(store: Store, **more: object) -> set[str]:
    """Keys of the jobs that such a run does on this store."""
    done: set[str] = set()
    real = Store.commit

    def commit(self: Store, key: str, *rest: object) -> None:
        done.add(key)
        real(self, key, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "commit", commit)
        assert not stocked.run(store, **more).failures
    return done


def finished(store: Store) -> set[str]:
    return {path.name for path in (store.root / "artifacts").iterdir()}


OTHER = {**RUN, "victim_names": ["beta"]}
OVERLAP = {**RUN, "seeds": 2}


@pytest.mark.parametrize("more", [OTHER, OVERLAP], ids=["other", "overlap"])
@pytest.mark.parametrize("ends", [0, 1, 4, 9, 10_000])
@pytest.mark.parametrize("left", [False, True], ids=["between jobs", "in a job"])
def test_a_run_that_was_stopped_redoes_nothing_that_was_done(
    store: Store, more: dict[str, object], ends: int, left: bool
) -> None:
    """Wherever it was killed, though no record needs anything; what it does not name goes."""
    forget(store, lambda record: True)
    plan = killed(store, ends, **more)
    named, before = {job.key for job in plan.jobs}, finished(store)
    undone = [key for key in (job.key for job in plan.jobs) if key not in before]
    if left and undone:
        unfinished(store, undone[0])
    found = sweep(store)
    assert finished(store) == before & named
    assert any("not at its end: bench run" in line for line in found.kept) == bool(before & named)
    assert committed(store, **more) == named - before
    assert not sweep(store).removals


def test_a_run_that_was_stopped_can_be_given_up(store: Store) -> None:
    killed(store, 4, **OTHER)
    forget(store, lambda record: True)
    sweep(store, give_up=True)
    assert finished(store) == set()


def test_a_run_that_came_to_its_end_keeps_nothing(store: Store) -> None:
    """Also where a collection took some of its jobs before: it is not open again."""
    killed(store, 4, **OTHER)
    assert not stocked.run(store, **OTHER).failures
    forget(store, defense)
    assert sweep(store).removals
    forget(store, lambda record: True)
    sweep(store)
    assert finished(store) == set()


def rewritten(store: Store, plan: Plan, change: Callable[[dict[str, Any]], None]) -> Path:
    """The journal of a plan, changed."""
    path = store.root / "runs" / f"{Journal.of(plan, '').id}.json"
    journal = json.loads(path.read_text())
    change(journal)
    path.write_text(json.dumps(journal))
    return path


def test_a_journal_that_is_older_than_ends_is_judged_by_its_jobs(store: Store) -> None:
    forget(store, lambda record: True)
    with stocked.fakes():
        whole = make_plan(stocked.spec(**RUN))
    part = killed(store, 4, **OTHER)
    for plan in (whole, part):
        rewritten(store, plan, lambda journal: journal.pop("ended"))
    before = finished(store)
    sweep(store)
    assert finished(store) == before & {job.key for job in part.jobs}


def test_a_journal_that_cannot_be_read_keeps_everything(store: Store) -> None:
    """It may be of a run that was stopped, and names who knows what."""
    forget(store, lambda record: True)
    plan = killed(store, 4, **OTHER)
    path = rewritten(store, plan, lambda journal: journal.pop("jobs"))
    before = finished(store)
    kept = sweep(store).kept
    assert finished(store) == before
    assert any(f"{path} cannot be read" in line for line in kept)
    path.unlink()
    sweep(store)
    assert finished(store) == set()


def test_a_run_that_begins_and_stops_after_the_look_loses_nothing(store: Store) -> None:
    forget(store, lambda record: True)
    found = collect(store)
    before = finished(store)
    plan = killed(store, 10_000, **RUN)
    assert {job.key for job in plan.jobs} == before
    assert len(remove(store, found)) == len(found.removals) > 0
    assert finished(store) == before


@pytest.mark.parametrize("ago", [0.0, 300.0, -1e6], ids=["now", "minutes ago", "in the future"])
def test_a_checkpoint_of_these_minutes_is_not_given_up(store: Store, ago: float) -> None:
    """It may be of a machine whose locks are not seen here."""
    folder = unfinished(store, KEY).parent
    now = folder.stat().st_mtime
    age(folder, now - ago)
    found = collect(store, give_up=True, now=now)
    assert not found.removals
    assert any("touched within minutes" in line for line in found.kept)


def test_work_in_progress_is_not_given_up(store: Store) -> None:
    age(unfinished(store, KEY).parent, 0.0)
    with leased(store, KEY):
        assert not collect(store, give_up=True).removals


def fail(store: Store, failure: str) -> Path:
    """Leave a failed job of long ago."""
    store.file_failure(KEY, {"failure": failure})
    return age(store.root / "work" / KEY, 0.0)


def test_a_failure_that_a_record_tells_is_kept(store: Store) -> None:
    told = attacked(0).model_copy(update={"failure": "loss is NaN", "matches": [], "artifacts": {}})
    store.write_record(told)
    fail(store, "loss is NaN")
    assert not collect(store, give_up=True).removals
    fail(store, "loss is infinite")
    assert [one.reason for one in collect(store, give_up=True).removals] == ["given up"]
    assert not collect(store).removals


def test_a_failure_alone_keeps_no_artifacts(store: Store) -> None:
    """Nobody goes on with it."""
    fail(store, "loss is NaN")
    forget(store, lambda record: True)
    assert {one.reason for one in collect(store).removals} == {"no record needs it"}


def test_what_a_finished_job_left_goes_when_it_is_old(store: Store) -> None:
    key = next((store.root / "artifacts").iterdir()).name
    folder = unfinished(store, key).parent
    assert not collect(store).removals
    age(folder, 0.0)
    assert [one.reason for one in sweep(store).removals] == ["its job is finished"]
    assert not folder.exists()
    assert store.has(key)


def test_old_leftovers_go_and_fresh_or_future_ones_stay(store: Store) -> None:
    home = store.root / "artifacts"
    folders = {name: home / f".staging-{name}" for name in ("old", "fresh", "future")}
    now = home.stat().st_mtime
    for name, at in (("old", now - 2 * DAY), ("fresh", now - 60), ("future", now + 9 * DAY)):
        artifact.save(scribble(1), folders[name])
        age(folders[name], at)
    half = unfinished(store, KEY).with_name(".checkpoint.safetensors.0f.tmp")
    half.write_bytes(b"half")
    age(half, now - 2 * DAY)
    found = collect(store, now=now)
    assert {one.path for one in found.removals} == {folders["old"], half}
    remove(store, found)
    assert not folders["old"].exists()
    assert folders["fresh"].exists()
    assert folders["future"].exists()
    assert os.listdir(half.parent) == ["checkpoint.safetensors"]


def test_a_victim_among_the_leftovers_is_put_back(store: Store) -> None:
    """Of a process that was killed between taking it away and filing the next."""
    staging, now = store.root / "artifacts" / ".staging-victim", time.time()
    filed = artifact.save(scribble(1, name="lost"), staging / "old")
    age(staging, now - 2 * DAY)
    found = collect(store, now=now)
    assert [one.path for one in found.removals] == [staging]
    remove(store, found)
    assert not staging.exists()
    assert artifact.load(store.victims / "lost").card == filed


def test_nothing_is_removed_where_a_record_cannot_be_read(store: Store) -> None:
    """Nor is anything guessed of what it needs."""
    path = next((store.root / "records").glob("*.json"))
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1', 1))
    before = contents(store)
    with pytest.raises(CheckFailed, match=rf"{path.name}.*nothing was removed"):
        collect(store)
    assert contents(store) == before


def test_nothing_is_removed_where_records_cannot_be_listed(store: Store) -> None:
    """They are elsewhere, on a disk that is not mounted or behind a permission."""
    home = store.root / "records"
    home.rename(store.root / "moved")
    with pytest.raises(CheckFailed, match=r"records: cannot be listed \(No such file.*nothing was"):
        collect(store)
    home.symlink_to(store.root.parent / "not mounted")
    with pytest.raises(CheckFailed, match="cannot be listed"):
        collect(store)


def test_what_cannot_be_told_is_kept(store: Store) -> None:
    """A job that cannot be read may be anybody's."""
    forget(store, lambda record: True)
    damaged, undone = sorted((store.root / "artifacts").iterdir())[:2]
    (damaged / "job.json").write_text("{")
    (undone / "result.json").unlink()
    kept = sweep(store).kept
    assert sorted(path.name for path in (store.root / "artifacts").iterdir()) == sorted(
        [damaged.name, undone.name]
    )
    assert sum("bench store verify" in line for line in kept) == 2


def test_other_folders_and_links_are_none_of_its_business(store: Store) -> None:
    """Victims, wheels and records are not touched even where nothing needs them."""
    forget(store, lambda record: True)
    outside = artifact.save(scribble(2), store.root.parent / "outside" / KEY)
    (store.root / "artifacts" / ("1" * 32)).symlink_to(store.root.parent / "outside" / KEY)
    (store.root / "work").mkdir(exist_ok=True)
    (store.root / "work" / ("2" * 32)).symlink_to(store.root.parent / "outside" / KEY)
    for name in ("wheels/ab/x.whl", "runs/r.json", "tensorboard/t", "records/.old.json.0.tmp"):
        (store.root / name).parent.mkdir(parents=True, exist_ok=True)
        (store.root / name).write_text("mine")
    age(store.root, 0.0)
    before = contents(store)
    sweep(store, give_up=True)
    gone = before.keys() - contents(store).keys()
    assert {name.split("/")[0] for name in gone} == {"artifacts"}
    assert artifact.load(store.root.parent / "outside" / KEY).card == outside


def test_a_crash_leaves_jobs_done_or_undone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was being deleted is a leftover, and the same run goes on as on any store."""
    forget(store, lambda record: True)
    found = collect(store)

    def crash(path: Path) -> None:
        (path / "result.json").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(collecting.shutil, "rmtree", crash)
        with pytest.raises(KeyboardInterrupt):
            remove(store, found)
    half = list((store.root / "artifacts").glob(".staging-*"))
    assert len(half) == 1
    assert not found.removals[0].path.exists()
    assert not audit(store).problems
    stocked.run(store, **RUN)
    assert len(store.records()) == 4
    later = collect(store, now=half[0].stat().st_mtime + 2 * DAY)
    assert [one.path for one in later.removals] == half
    remove(store, later)
    assert not half[0].exists()


def test_a_store_that_cannot_be_written_is_infrastructure(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(store, lambda record: True)
    found = collect(store)

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InfrastructureError, match="Read-only file system"):
        remove(store, found)


def test_no_store_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="no store there"):
        collect(Store(tmp_path))
