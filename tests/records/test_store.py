"""The store: finished work is there whole or not at all, and nothing that fails loses it."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from benchmark.errors import InfrastructureError
from benchmark.learning import checkpoint as checkpoints
from benchmark.learning.checkpoint import Checkpoint
from benchmark.policies import artifact
from benchmark.policies.policy import ZeroPolicy
from benchmark.records import store as stores
from benchmark.records.files import BadRecord
from benchmark.records.store import (
    NEEDED_BYTES,
    STALE_S,
    WRITE_WAIT_S,
    Store,
    storage_errors,
)
from tests.factories import attacked, scribble

JOB: dict[str, Any] = {"kind": "attack", "seed": 3}
RESULT: dict[str, Any] = {"steps": 7, "curve": []}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A prepared store with one finished job, 'done'."""
    made = Store(tmp_path / "store")
    made.prepare()
    made.commit("done", JOB, RESULT, scribble(1))
    return made


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def start_work(store: Store, key: str) -> Path:
    """Leave a checkpoint of an unfinished job."""
    path = store.checkpoint(key)
    checkpoints.write(Checkpoint({"a/b": np.arange(3)}, {"steps": 5}), path)
    return path


class Disk(NamedTuple):
    """What `shutil.disk_usage` gives."""

    total: int
    used: int
    free: int


class FailingWrites:
    """Stands in for `os.fsync`: the n-th call fails like a full disk."""

    def __init__(self, fail_at: int, code: int = errno.ENOSPC):
        self.calls, self.fail_at, self.code = 0, fail_at, code

    def __call__(self, _: int) -> None:
        self.calls += 1
        if self.calls == self.fail_at:
            raise OSError(self.code, os.strerror(self.code))


def test_a_finished_job_is_read_back(store: Store) -> None:
    """Job, result, and a policy that acts alike."""
    obs = np.random.default_rng(0).normal(size=(5, 13)).astype(np.float32)
    loaded = store.policy("done")
    assert store.has("done")
    assert store.result("done") == RESULT
    assert json.loads((store.folder("done") / "job.json").read_bytes()) == JOB
    assert np.array_equal(loaded.act(obs)[0], scribble(1).act(obs)[0])


def test_a_job_without_a_policy_and_one_with_a_script(store: Store) -> None:
    """Matches make no policy; floors are a card without weights of their own."""
    store.commit("played", JOB, RESULT, None)
    store.commit("floor", JOB, RESULT, ZeroPolicy(2))
    assert set(contents(store.folder("played"))) == {"job.json", "result.json"}
    assert store.policy("floor").card.kind == "zero"


def test_unknown_jobs_are_not_there(store: Store) -> None:
    """And asking changes nothing."""
    before = contents(store.root)
    assert not store.has("other")
    assert contents(store.root) == before


def test_commit_leaves_no_checkpoint_and_no_staging(store: Store) -> None:
    """Only what is finished remains."""
    start_work(store, "next")
    store.commit("next", JOB, RESULT, scribble(2))
    assert sorted(os.listdir(store.root / "artifacts")) == ["done", "next"]
    assert os.listdir(store.root / "work") == []


@pytest.mark.parametrize("fail_at", [1, 2, 3, 4])
def test_a_commit_that_fails_in_the_middle_files_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, fail_at: int
) -> None:
    """At weights, card, job or result: one clear line, no part of it, and another try works."""
    before = contents(store.root)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", FailingWrites(fail_at))
        with pytest.raises(InfrastructureError, match="No space left") as caught:
            store.commit("next", JOB, RESULT, scribble(2))
    assert str(store.root) in str(caught.value)
    assert "what is finished is kept" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not store.has("next")
    assert contents(store.root) == before
    store.commit("next", JOB, RESULT, scribble(2))
    assert store.has("next")


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_commit_that_is_interrupted_files_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """Ctrl-C between two files."""
    write = stores.write_atomically

    def interrupted(path: Path, payload: bytes) -> None:
        if path.name == "result.json":
            raise error
        write(path, payload)

    before = contents(store.root)
    monkeypatch.setattr(stores, "write_atomically", interrupted)
    with pytest.raises(error):
        store.commit("next", JOB, RESULT, scribble(2))
    assert not store.has("next")
    assert contents(store.root) == before


def test_a_failed_commit_keeps_the_checkpoint(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hours of a training whose result found no room are not thrown away."""
    saved = start_work(store, "next")
    monkeypatch.setattr(os, "fsync", FailingWrites(1))
    with pytest.raises(InfrastructureError):
        store.commit("next", JOB, RESULT, scribble(2))
    assert checkpoints.read(saved) is not None


def test_the_second_commit_of_a_key_keeps_the_first(store: Store) -> None:
    """Two runs that share a store finish the same job: nobody's file changes under a reader."""
    before = contents(store.folder("done"))
    start_work(store, "done")
    store.commit("done", {"other": 1}, {"other": 2}, scribble(9))
    assert contents(store.folder("done")) == before
    assert os.listdir(store.root / "artifacts") == ["done"]


def crashed(store: Store, key: str, files: list[str]) -> None:
    """Leave what kill -9 in the middle of a commit does: some files of another result."""
    staging = store.root / "work" / key / "finished"
    staging.mkdir(parents=True)
    for name in files:
        shutil.copy(store.folder("done") / name, staging)


WRITTEN: list[list[str]] = [
    [],
    [artifact.WEIGHTS],
    [artifact.WEIGHTS, artifact.CARD, "job.json"],
    [artifact.WEIGHTS, artifact.CARD, "job.json", "result.json"],
]
"""What there may be of a commit that died, from its first moment to its last."""


@pytest.mark.parametrize("files", WRITTEN)
def test_what_a_crash_leaves_is_not_taken_as_finished(store: Store, files: list[str]) -> None:
    """Nor is it an obstacle to the next commit, and none of it comes into that."""
    crashed(store, "next", files)
    assert not store.has("next")
    store.commit("next", JOB, {"steps": 8}, None)
    assert store.result("next") == {"steps": 8}
    assert set(contents(store.folder("next"))) == {"job.json", "result.json"}
    assert os.listdir(store.root / "work") == []


@pytest.mark.parametrize("files", WRITTEN)
def test_nor_where_the_result_comes_from_another_store(store: Store, files: list[str]) -> None:
    crashed(store, "next", files)
    sent = {"job.json": b"{}", "result.json": b"{}"}
    store.adopt("next", sent)
    assert contents(store.folder("next")) == sent
    assert os.listdir(store.root / "work") == []


def test_half_a_folder_is_not_finished(store: Store) -> None:
    """The result is what makes a job finished."""
    (store.folder("done") / "result.json").unlink()
    assert not store.has("done")


@pytest.mark.parametrize("content", [b"", b'{"steps": 7', b"\xff\xfe"])
def test_a_damaged_result_is_refused(store: Store, content: bytes) -> None:
    """With its path and what to do."""
    path = store.folder("done") / "result.json"
    path.write_bytes(content)
    with pytest.raises(artifact.BadArtifact, match=f"{re.escape(str(path))}: damaged"):
        store.result("done")


def test_a_damaged_policy_is_refused_and_left_alone(store: Store) -> None:
    """One bit of the weights."""
    path = store.folder("done") / artifact.WEIGHTS
    payload = bytearray(path.read_bytes())
    payload[-1] ^= 1
    path.write_bytes(payload)
    before = contents(store.root)
    with pytest.raises(artifact.BadArtifact, match=f"{re.escape(str(path))}: sha256 is"):
        store.policy("done")
    assert contents(store.root) == before


@pytest.mark.parametrize("blocked", ["", "artifacts", "work", "records"])
def test_a_file_in_place_of_a_folder(tmp_path: Path, blocked: str) -> None:
    """The store cannot be made: said before anything is trained, with its path."""
    root = tmp_path / "store"
    if blocked:
        root.mkdir()
    (root / blocked).write_text("in the way", encoding="utf-8")
    with pytest.raises(InfrastructureError, match=f"store {re.escape(str(root))}: "):
        Store(root).prepare()
    assert (root / blocked).read_text(encoding="utf-8") == "in the way"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_an_unwritable_store_is_found_out_before_training(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A read-only disk, a foreign folder, no inode left."""
    before = contents(store.root)

    def refuse(**_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(InfrastructureError, match=os.strerror(code)) as caught:
        store.prepare()
    assert caught.value.exit_code == 3
    assert contents(store.root) == before


def test_an_almost_full_disk_is_found_out_before_training(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is there and what is wanted, and not one byte too early."""
    before = contents(store.root)
    free = NEEDED_BYTES - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(10**12, 10**12 - free, free))
    with pytest.raises(InfrastructureError, match=r"199 MiB free, 200 MiB wanted"):
        store.prepare()
    assert contents(store.root) == before
    free = NEEDED_BYTES
    store.prepare()


def test_prepare_leaves_no_trace(store: Store) -> None:
    """The probe is gone, and what was there is untouched."""
    before = contents(store.root)
    store.prepare()
    assert contents(store.root) == before


def test_a_full_disk_keeps_the_checkpoint_before(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint is replaced whole or not at all."""
    path = start_work(store, "next")
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", FailingWrites(1))
    with pytest.raises(InfrastructureError, match="No space left"), storage_errors(store.root):
        checkpoints.write(Checkpoint({"a/b": np.arange(9)}, {"steps": 9}), path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_full_disk_keeps_the_record_before(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rewriting a record either works or changes nothing."""
    path = store.write_record(attacked(50))
    before = contents(store.root)
    monkeypatch.setattr(os, "fsync", FailingWrites(1))
    with pytest.raises(InfrastructureError, match="No space left"):
        store.write_record(attacked(60))
    assert contents(store.root) == before
    assert path.name == f"{attacked(50).id}.json"


def test_records_are_read_back_in_order(store: Store) -> None:
    """By id; a record of the same cell replaces the one before."""
    made = [attacked(wins, seed=seed) for seed, wins in ((0, 10), (1, 20), (2, 30))]
    for record in [*reversed(made), made[0]]:
        store.write_record(record)
    assert store.records() == sorted(made, key=lambda r: r.id)


def test_a_bad_record_in_the_store_is_named(store: Store) -> None:
    """And what is good beside it stays."""
    store.write_record(attacked(50))
    bad = store.root / "records" / "0.json"
    bad.write_text("{", encoding="utf-8")
    with pytest.raises(BadRecord, match=re.escape(str(bad))):
        store.records()


class Killed(BaseException):
    """Stands in for kill -9: nothing is tidied up after it."""


def taken_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A victim 'v' whose successor's process is killed before it is filed: the staging folder."""
    store.file_victim(scribble(1, name="v"))
    real = Path.rename

    def killed(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise Killed
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(Killed):
            store.file_victim(scribble(2, name="v"))
    assert not (store.victims / "v").exists()
    (staging,) = (store.root / "artifacts").glob(".staging-*")
    return staging


def age(folder: Path, seconds: float) -> None:
    """Let a folder be last touched so long ago."""
    at = time.time() - seconds
    os.utime(folder, (at, at))


@pytest.mark.parametrize("seconds", [WRITE_WAIT_S + 1, STALE_S + 1])
def test_a_victim_that_a_killed_process_took_away_is_put_back(
    store: Store, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """By the next run, be it the next minute's or the next week's."""
    staging = taken_away(store, monkeypatch)
    age(staging, seconds)
    store.prepare()
    before = artifact.load(store.victims / "v").tensors()
    assert np.array_equal(before["layer0.weight"], scribble(1).tensors()["layer0.weight"])
    assert staging.exists() is (seconds < STALE_S)


def test_a_victim_is_not_put_back_under_a_process_that_files_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which takes no minute."""
    taken_away(store, monkeypatch)
    store.prepare()
    assert not (store.victims / "v").exists()


def test_a_victim_that_has_a_successor_is_not_put_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    staging = taken_away(store, monkeypatch)
    store.file_victim(scribble(3, name="v"))
    before = contents(store.victims)
    age(staging, STALE_S + 1)
    store.prepare()
    assert contents(store.victims) == before
    assert not staging.exists()
