"""A run on a cluster, without Ray: deaths, what is lost, what ends a run. Jobs follow a script."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import InfrastructureError
from benchmark.records.leases import held
from benchmark.records.store import Store
from benchmark.runs.cluster.carriers import ThroughRay
from benchmark.runs.cluster.needs import Demand, Needs, Room
from benchmark.runs.cluster.node import Order, Question, Report
from benchmark.runs.cluster.parcels import Files
from benchmark.runs.cluster.rim import Died
from benchmark.runs.executors import ray
from benchmark.runs.executors.executor import Failure
from benchmark.runs.executors.hand import Answer, Tools
from benchmark.runs.executors.ray import RayExecutor
from benchmark.runs.job import Job
from tests.runs.executors.test_agenda import job
from tests.runs.fakes import Diary

Script = Callable[[Job, int], Answer | None]


class Puppets:
    """Nodes that say what a script says of a job and how often it was tried; None: they die."""

    address = "10.0.0.1:6379"

    def __init__(self, script: Script, root: Path):
        self._script, self._root = script, root
        self._jobs: dict[int, Job] = {}
        self._numbers = itertools.count()
        self.given: list[str] = []
        self.most = 0
        self.stopped: list[Any] = []

    def rooms(self) -> list[Room]:
        return [Room(id="a", name="a", cpus=2, memory_mib=9000)]

    def ask(self, rooms: Sequence[Room], question: Question) -> list[Report]:
        return [Report() for _ in rooms]

    def put(self, files: Files) -> Files:
        return files

    def submit(self, order: Order, needs: Needs, parcels: Sequence[Any]) -> int:
        number = next(self._numbers)
        assert held(self._root, order.job.key)
        self._jobs[number] = order.job
        self.given.append(order.job.key)
        self.most = max(self.most, len(self._jobs))
        return number

    def wait(self, refs: Sequence[Any], timeout_s: float) -> list[Any]:
        return list(refs)[:1]

    def take(self, ref: Any) -> tuple[Answer, Files]:
        one = self._jobs.pop(ref)
        said = self._script(one, self.given.count(one.key))
        if said is None:
            raise Died("The node has died")
        home = f"artifacts/{one.key}"
        made = {f"{home}/job.json": b"{}", f"{home}/result.json": b"{}"}
        return said, made if said == ENDED else {}

    def heard(self) -> list[tuple[str, Files]]:
        return [(one.key, {}) for one in self._jobs.values()]

    def stop(self, refs: Sequence[Any]) -> None:
        self.stopped = list(refs)

    def close(self) -> None: ...


ENDED = Answer(word="ended")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses."""
    monkeypatch.setattr(ray, "PAUSE_S", 0.0)
    monkeypatch.setattr(ray, "LOOK_S", 0.01)


def work(script: Script, jobs: list[Job], root: Path) -> tuple[list[Failure], Diary, Puppets]:
    """The failures, what was told, and the nodes."""
    store, diary, nodes = Store(root), Diary(), Puppets(script, root)
    store.prepare()
    executor = RayExecutor(nodes, Tools(store=root), ThroughRay(store), Demand())
    failures = executor.run(jobs, diary)
    assert not list((root / "leases").iterdir())
    return failures, diary, nodes


def test_every_job_once_and_few_ahead(tmp_path: Path) -> None:
    """No more than the nodes have CPUs for, and one that waits for a node."""
    jobs = [job(number) for number in range(8)]
    failures, _, nodes = work(lambda one, tried: ENDED, jobs, tmp_path)
    assert not failures
    assert Counter(nodes.given) == Counter(one.key for one in jobs)
    assert nodes.most == 3


def test_a_job_whose_node_died_is_given_to_another_one(tmp_path: Path) -> None:
    """Once more, and no other job is."""
    jobs = [job(1), job(2), job(3)]
    failures, _, nodes = work(
        lambda one, tried: None if one.seed == 1 and tried == 1 else ENDED, jobs, tmp_path
    )
    assert not failures
    assert Counter(nodes.given) == {job(1).key: 2, job(2).key: 1, job(3).key: 1}


@pytest.mark.parametrize("said", [None, Answer(word="unfit", message="The node has no disk")])
def test_a_job_that_loses_every_node_is_lost(tmp_path: Path, said: Answer | None) -> None:
    """Infrastructure's failure; what needs it is blocked, the rest is done."""
    jobs = [job(1), job(2), job(3, (job(1),))]
    failures, _, nodes = work(lambda one, tried: said if one.seed == 1 else ENDED, jobs, tmp_path)
    assert [(one.job, one.kind) for one in failures] == [
        (job(1).key, "lost"), (jobs[2].key, "blocked"),
    ]  # fmt: skip
    assert failures[0].infrastructure
    assert "lost 3 times, the last time: The node has" in failures[0].message
    assert nodes.given.count(job(1).key) == ray.TRIES


def test_an_end_without_an_artifact_is_none(tmp_path: Path) -> None:
    """A node's word alone makes nothing done."""
    shown = Answer(word="ended", message="but nothing came")
    failures, _, _ = work(lambda one, tried: shown, [job(1)], tmp_path)
    assert "its artifact never came" in failures[0].message


def test_a_store_that_keeps_nothing_ends_the_run(tmp_path: Path) -> None:
    """Jobs at hand are stopped, and nothing stays held."""
    store, nodes = Store(tmp_path), Puppets(lambda one, tried: BROKEN, tmp_path)
    store.prepare()
    executor = RayExecutor(nodes, Tools(store=tmp_path), ThroughRay(store), Demand())
    with pytest.raises(InfrastructureError, match="disk is full"):
        executor.run([job(1), job(2)], Diary())
    assert len(nodes.stopped) == 2
    assert not list((tmp_path / "leases").iterdir())


BROKEN = Answer(word="broken", message="disk is full")
