"""Artifacts on their way, without Ray: buckets, parcels, a job in a store of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.errors import InfrastructureError
from benchmark.learning import checkpoint
from benchmark.learning.checkpoint import Checkpoint
from benchmark.records.leases import Taken, lease
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.cluster import node
from benchmark.runs.cluster.bucket import Bucket
from benchmark.runs.cluster.carriers import Shared, ThroughRay, ThroughUrl
from benchmark.runs.cluster.node import Order
from benchmark.runs.cluster.parcels import Files, pack, unpack
from benchmark.runs.cluster.software import here
from benchmark.runs.executors.hand import Answer, Tools
from benchmark.runs.executors.local import LocalExecutor
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker
from benchmark.runs.plan import make_plan
from benchmark.runs.progress import JobProgress
from tests.runs.executors.test_agenda import job
from tests.runs.executors.test_pool import spec
from tests.runs.fakes import Diary

pytest.importorskip("fsspec")


def plan(store: Store) -> list[Job]:
    """A small training and what plays it."""
    return make_plan(spec(store, 1, 10_000)).jobs


def test_parcels_keep_names_and_bytes(tmp_path: Path) -> None:
    """What is half written does not travel."""
    home = tmp_path / "a" / "artifacts" / "k"
    home.mkdir(parents=True)
    (home / "result.json").write_bytes(b"{}")
    (home / ".x.tmp").write_bytes(b"half")
    files = pack(tmp_path / "a", "artifacts/k")
    assert files == {"artifacts/k/result.json": b"{}"}
    unpack(tmp_path / "b", files)
    assert pack(tmp_path / "b", "artifacts/k") == files
    assert pack(tmp_path / "b", "artifacts/none") == {}


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", ""])
def test_a_name_that_leads_out_of_the_store(tmp_path: Path, name: str) -> None:
    """Is refused, and nothing is written."""
    with pytest.raises(InfrastructureError, match="which no store has"):
        unpack(tmp_path / "store", {name: b"x"})
    assert not list(tmp_path.rglob("x"))


@pytest.mark.parametrize("scheme", ["memory://bucket-of-a-test", "file://{}/bucket"])
def test_a_bucket(tmp_path: Path, scheme: str) -> None:
    """Finished means that result.json is there, whole."""
    bucket = Bucket(scheme.format(tmp_path))
    assert not bucket.has("k")
    assert bucket.pull("artifacts/k") == {}
    bucket.push({"artifacts/k/result.json": b'{"ha'})
    assert not bucket.has("k")
    files = {"artifacts/k/result.json": b"{}", "artifacts/k/job.json": b"[]"}
    bucket.push(files)
    assert bucket.has("k")
    assert bucket.pull("artifacts/k") == files
    bucket.remove("artifacts/k")
    assert not bucket.has("k")


def test_a_bucket_that_cannot_be_written() -> None:
    """One line, whatever the file system calls it."""
    with pytest.raises(InfrastructureError, match=r"store URL file:///proc/nothing: \w+"):
        Bucket("file:///proc/nothing").push({"artifacts/k/job.json": b""})


def test_claims(tmp_path: Path) -> None:
    """A shared store's are the nodes'; otherwise the driver's own, which another run sees."""
    with Shared().claim(job(1)), lease(tmp_path, job(1).key):
        pass
    carrier = ThroughRay(Store(tmp_path))
    with carrier.claim(job(1)), pytest.raises(Taken), lease(tmp_path, job(1).key):
        pass


def test_who_claims_a_job_forgets_how_it_failed_before(tmp_path: Path) -> None:
    """Or those who wait would be told that, where its run is killed."""
    store = Store(tmp_path)
    store.file_failure(job(1).key, {"failure": "out of luck"})
    with ThroughRay(store).claim(job(1)):
        assert store.failure(job(1).key) is None


@pytest.mark.parametrize("by_url", [False, True])
def test_jobs_in_stores_of_their_own(tmp_path: Path, by_url: bool) -> None:
    """A plan job by job as nodes do it: the driver's store ends as one process leaves it."""
    store, alone = Store(tmp_path / "driver"), Store(tmp_path / "alone")
    for one in (store, alone):
        one.prepare()
    url = f"file://{tmp_path}/bucket" if by_url else ""
    carrier = ThroughUrl(store, url) if by_url else ThroughRay(store)
    jobs, told = plan(store), list[str]()

    def tell(key: str, files: Files) -> None:
        told.extend([key] if not files else [])
        carrier.keep(next(one for one in jobs if one.key == key), files)

    for one in jobs:
        order = Order(
            job=one, tools=Tools(store=store.root), software=here(), cpus=1, scratch=True, url=url
        )
        parcels = [pack(store.root, folder) for folder in carrier.folders(one)]
        said, files = node.do(order.model_dump_json(), tell, *parcels)
        assert Answer.model_validate_json(said) == Answer(word="ended"), said
        carrier.keep(one, files)
    assert told == [one.key for one in jobs]
    LocalExecutor(Worker(alone, Victims(alone.victims))).run(jobs, Diary())
    moves = {"timings", "provenance", "isolation"}
    for one in jobs:
        made, wanted = store.result(one.key), alone.result(one.key)
        assert {k: v for k, v in made.items() if k not in moves} == {
            k: v for k, v in wanted.items() if k not in moves
        }
        weights = store.folder(one.key) / "policy.safetensors"
        twin = alone.folder(one.key) / "policy.safetensors"
        assert weights.exists() == twin.exists()
        assert not twin.exists() or weights.read_bytes() == twin.read_bytes()
    assert not list((store.root / "work").iterdir())


def test_an_artifact_that_is_none_is_not_filed(tmp_path: Path) -> None:
    """A store says has() only of what is whole."""
    store = Store(tmp_path)
    store.prepare()
    with pytest.raises(InfrastructureError, match=r"came without result\.json"):
        store.adopt("k", {"job.json": b"{}"})
    store.adopt("k", {"job.json": b"{}", "result.json": b"{}"})
    assert store.has("k")


def test_a_checkpoint_goes_back_with_the_job(tmp_path: Path) -> None:
    """What an earlier node sent of its progress is what the next one begins with."""
    carrier = ThroughRay(Store(tmp_path))
    one = job(1)
    files = {
        f"work/{one.key}/checkpoint.safetensors": b"so far",
        f"work/{one.key}/progress.json": b"{}",
    }
    carrier.keep(one, files)
    assert carrier.progress(one) == {f"work/{one.key}/checkpoint.safetensors": b"so far"}


class Dies(BaseException):
    """A node's death, as far as its job can tell."""


def test_the_next_node_goes_on_from_what_the_last_one_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a checkpoint in mid-training, to the weights of a training that nobody stopped."""
    monkeypatch.setattr(checkpoint, "EVERY_S", 0.0)
    store = Store(tmp_path / "driver")
    store.prepare()
    carrier = ThroughRay(store)
    jobs = make_plan(spec(store, 1, 40_000)).jobs
    one = next(one for one in jobs if one.budget_steps)
    order = Order(
        job=one, tools=Tools(store=store.root), software=here(), cpus=1, scratch=True
    ).model_dump_json()

    def dying(key: str, files: Files) -> None:
        carrier.keep(one, files)
        if f"work/{key}/checkpoint.safetensors" in files:
            raise Dies

    with pytest.raises(Dies):
        node.do(order, dying)
    began_at: list[int] = []
    resume = JobProgress.resume

    def resumed(self: JobProgress) -> Checkpoint | None:
        found = resume(self)
        began_at.append(self.curve[-1].steps if found else 0)
        return found

    monkeypatch.setattr(JobProgress, "resume", resumed)
    _, interrupted = node.do(order, lambda key, files: None, carrier.progress(one))
    _, whole = node.do(order, lambda key, files: None)
    assert 0 < began_at[0] < one.budget_steps
    assert began_at[1] == 0
    name = f"artifacts/{one.key}/policy.safetensors"
    assert interrupted[name] == whole[name]


def test_a_scratch_store_is_gone_afterwards_and_so_are_those_of_the_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But not one whose process lives."""
    monkeypatch.setattr(node.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(node, "STALE_S", -1.0)
    dead = tmp_path / f"{node.PREFIX}dead"
    dead.mkdir()
    with node.scratch() as living, node.scratch() as other:
        assert living.is_dir()
        assert other != living
        assert not dead.exists()
    assert not list(tmp_path.glob(f"{node.PREFIX}*"))


def test_a_folder_that_cannot_be_looked_into_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another user, say: it stays, and what the dead left beside it goes all the same."""
    monkeypatch.setattr(node.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(node, "STALE_S", -1.0)
    foreign = [tmp_path / f"{node.PREFIX}{letter}" for letter in "az"]
    for folder in foreign:  # no lock at all: an error that root meets too
        (folder / "leases" / f"{node.SCRATCH}.lock").mkdir(parents=True)
    dead = tmp_path / f"{node.PREFIX}m"
    dead.mkdir()
    with node.scratch() as living:
        assert living.is_dir()
        assert not dead.exists()
    assert sorted(tmp_path.iterdir()) == foreign


def test_a_job_with_too_few_cores_keeps_none_from_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs on all of them, so the next one that asks for fewer is pinned."""
    pinned: list[set[int]] = []
    monkeypatch.setattr(node.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(node, "cores", lambda: [0, 1, 2])
    monkeypatch.setattr(
        node.os, "sched_setaffinity", lambda _, mine: pinned.append(set(mine)), raising=False
    )
    with node.own_cores(2):
        (first,) = pinned
        with node.own_cores(2):
            assert pinned == [first]
            with node.own_cores(1):
                assert pinned == [first, {0, 1, 2} - first]
    assert pinned[2:] == [{0, 1, 2}, {0, 1, 2}]
    with node.own_cores(3):
        assert pinned[-1] == {0, 1, 2}
