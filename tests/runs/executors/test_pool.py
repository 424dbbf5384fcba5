"""The pool: words of its hands, deaths of them, and real processes that do what one would."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from benchmark.errors import InfrastructureError
from benchmark.learning.threads import use_threads
from benchmark.records.leases import lease
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.executors import pool
from benchmark.runs.executors.attempt import attempt
from benchmark.runs.executors.executor import Failure
from benchmark.runs.executors.hand import Answer, Tools, silent
from benchmark.runs.executors.local import LocalExecutor
from benchmark.runs.executors.pool import Pool
from benchmark.runs.executors.workers import split
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker
from benchmark.runs.plan import make_plan
from benchmark.runs.run import execute
from benchmark.runs.spec import RunSpec, resolve_run
from tests.runs.executors.test_agenda import Finished, job
from tests.runs.fakes import Diary

Script = Callable[[Job], list[Answer | None]]


class Puppet:
    """A hand without a process: says what its script says of a job; None: it dies."""

    def __init__(self, script: Script, store: Finished):
        self.job: Job | None = None
        self.replaced = 0
        self._script, self._store = script, store
        self._begin()

    def _begin(self) -> None:
        self.connection: Connection
        self.connection, self._mouth = multiprocessing.Pipe()

    def give(self, job: Job) -> None:
        self.job = job
        for said in self._script(job):
            if said is None:
                self._mouth.close()
                return
            if said.word == "ended" and said.failure is None:
                self._store.done.add(job.key)
            self._mouth.send_bytes(said.model_dump_json().encode())

    def hear(self) -> Answer | None:
        try:
            return Answer.model_validate_json(self.connection.recv_bytes())
        except EOFError:
            return None

    def replace(self) -> str:
        self.replaced += 1
        self._begin()
        return "signal 9"


BEGUN, ENDED = Answer(word="begun"), Answer(word="ended")


def work(script: Script, jobs: list[Job], hands: int = 2) -> tuple[list[Failure], Diary, int]:
    """The failures, what was told, and how many hands were replaced."""
    store, diary = Finished(), Diary()
    puppets = [Puppet(script, store) for _ in range(hands)]
    shift = pool._Shift(puppets, jobs, store, diary)  # type: ignore[arg-type]
    return shift.work(), diary, sum(one.replaced for one in puppets)


def test_needs_come_first_and_failures_block() -> None:
    """As with one process: the second fails, what needs it is blocked, the rest is done."""
    first, second = job(1), job(2)
    third = job(3, (first,))
    fourth = job(4, (second, third))

    def script(one: Job) -> list[Answer | None]:
        lost = Failure(job=one.key, label=one.label, kind="crashed", message="boom")
        return [BEGUN, Answer(word="ended", failure=lost) if one == second else ENDED]

    failures, diary, _ = work(script, [first, second, third, fourth])
    assert [(f.job, f.kind) for f in failures] == [(second.key, "crashed"), (fourth.key, "blocked")]
    assert set(diary.started()) == {first.key, second.key, third.key}


def test_a_warning_is_passed_on_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Hands are on one store, and each of them finds it slow."""
    slow = Answer(word="warned", message="slow store: writing took 5 s")
    failures, diary, _ = work(lambda one: [BEGUN, slow, slow, ENDED], [job(1), job(2), job(3)])
    assert failures == []
    assert len(diary.started()) == 3
    assert capsys.readouterr().err == "slow store: writing took 5 s\n"


def test_what_is_told_of_a_job_is_passed_on_with_every_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever was said of the store before."""
    slow = Answer(word="warned", message="slow store")

    def script(one: Job) -> list[Answer | None]:
        return [BEGUN, slow, Answer(word="told", message=f"{one.seed} begins anew"), ENDED]

    failures, _, _ = work(script, [job(1), job(2)])
    assert failures == []
    said = capsys.readouterr().err.splitlines()
    assert sorted(said) == ["1 begins anew", "2 begins anew", "slow store"]


def test_a_job_whose_process_died_is_given_to_the_next_one() -> None:
    """It goes on from its checkpoint; nothing is lost."""
    deaths = {1: 1}

    def script(one: Job) -> list[Answer | None]:
        if deaths.get(one.seed, 0):
            deaths[one.seed] -= 1
            return [BEGUN, None]
        return [BEGUN, ENDED]

    failures, _, replaced = work(script, [job(1), job(2), job(3)])
    assert not failures
    assert replaced == 1


def test_a_job_that_kills_its_process_every_time_is_lost_and_no_other() -> None:
    """Infrastructure's failure: the same command tries it again."""
    failures, _, replaced = work(
        lambda one: [BEGUN, None] if one.seed == 1 else [BEGUN, ENDED], [job(1), job(2), job(3)]
    )
    (failure,) = failures
    assert failure.job == job(1).key
    assert failure.kind == "lost"
    assert failure.infrastructure
    assert "signal 9" in failure.message
    assert replaced == pool.TRIES


def test_a_store_that_keeps_nothing_ends_the_run() -> None:
    """With its own line."""
    with pytest.raises(InfrastructureError, match="disk is full"):
        work(lambda one: [BEGUN, Answer(word="broken", message="disk is full")], [job(1), job(2)])


SETTINGS = {"matches": 64, "rollout_steps": 64, "minibatch": 1024, "epochs": 1}


def spec(store: Store, seeds: int, budget: int) -> RunSpec:
    """A small run of the real baseline on a house victim."""
    made = resolve_run(
        victims=Victims(store.victims), game_name="pong-v1", victim_names=["house-relu"],
        attack_names=["baseline"], defense_names=[], seeds=seeds, tier="smoke", budget=budget,
        settings={"attack": dict(SETTINGS)}, command="bench run",
    )  # fmt: skip
    return made.model_copy(update={"episodes": 4})


def told(record: Record) -> object:
    """All of a record that may not depend on who made it."""
    left = {"timings", "provenance", "isolation"}
    return json.loads(record.model_dump_json(exclude=left))


def run_pool(store: Store, seeds: int, budget: int) -> list[Record]:
    """The run's records, done by two processes."""
    tools = Tools(store=store.root)
    mine = tuple(sorted(os.sched_getaffinity(0)))
    cores = split(mine, 2) if len(mine) > 1 else [mine, mine]
    asked = spec(store, seeds, budget)
    found = execute(
        asked.command, make_plan(asked), store, Victims(store.victims), Diary,
        executor=Pool(tools, cores),
    )  # fmt: skip
    assert not found.failures
    return found.records


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """As `bench run` has it, and as its workers do."""
    use_threads(1)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """What one process makes of the run."""
    store = Store(tmp_path_factory.mktemp("alone"))
    asked = spec(store, 2, BUDGET)
    return execute(asked.command, make_plan(asked), store, Victims(), Diary).records


BUDGET = 120_000


def test_processes_give_the_records_of_one_though_they_are_killed(
    tmp_path: Path, alone: list[Record]
) -> None:
    """A worker is killed in mid-training: every job is done, and to the same numbers."""
    store, killed = Store(tmp_path), threading.Event()

    def kill() -> None:
        while not killed.is_set():
            for path in (tmp_path / "work").glob("*/progress.json"):
                note = store.noted(path.parent.name)
                if note is not None and note.pid != os.getpid():
                    os.kill(note.pid, signal.SIGKILL)
                    killed.set()
                    return
            time.sleep(0.01)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    records = run_pool(store, 2, BUDGET)
    assert killed.is_set()
    assert [told(record) for record in records] == [told(record) for record in alone]
    assert not list((tmp_path / "work").iterdir())
    assert not list((tmp_path / "leases").iterdir())
    assert not list(tmp_path.rglob("*.tmp"))


def test_two_runs_on_one_store_share_the_work(tmp_path: Path) -> None:
    """What one is at, the other one waits for: each job is done once, and both have all records."""
    store, asked = Store(tmp_path), spec(Store(tmp_path), 2, BUDGET)
    diaries = [Diary(), Diary()]
    outcomes: list[list[Record]] = []

    def run(diary: Diary) -> None:
        found = execute(asked.command, make_plan(asked), store, Victims(), lambda: diary)
        assert not found.failures
        outcomes.append(found.records)

    threads = [threading.Thread(target=run, args=(diary,)) for diary in diaries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    started = [key for diary in diaries for key in diary.started()]
    assert sorted(started) == sorted(job.key for job in make_plan(asked).jobs)
    assert len(outcomes) == 2
    assert [told(record) for record in outcomes[0]] == [told(record) for record in outcomes[1]]


def test_a_job_that_another_run_has_just_ended_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended between the agenda's look and the lease; begun jobs are what was done."""
    store = Store(tmp_path)
    (one, *_) = make_plan(spec(store, 1, 10_000)).jobs
    store.prepare()
    begun: list[str] = []
    monkeypatch.setattr(Store, "has", lambda _, key: key == one.key)
    worker = Worker(store, Victims())
    assert attempt(worker, one, silent, lambda: begun.append(one.key)) is None
    assert begun == []


def test_a_run_waits_for_what_another_one_holds(tmp_path: Path) -> None:
    """And goes on once it is let go."""
    store, asked = Store(tmp_path), spec(Store(tmp_path), 1, 10_000)
    jobs = [one for one in make_plan(asked).jobs if one.kind == "play" and not one.needs][:1]
    store.prepare()
    diary = Diary()
    worker = Worker(store, Victims())
    with lease(tmp_path, jobs[0].key):
        thread = threading.Thread(target=LocalExecutor(worker).run, args=(jobs, diary))
        thread.start()
        time.sleep(0.5)
        assert diary.lines == [("elsewhere", jobs[0].key)]
    thread.join(30)
    assert [word for word, _ in diary.lines] == ["elsewhere", "start", "finish"]
