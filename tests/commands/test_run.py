"""`bench run` as its users meet it: JSON, nothing done twice, a killed run goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.learning.checkpoint import Checkpoint
from benchmark.policies import artifact
from benchmark.records.files import read
from benchmark.records.record import Record
from benchmark.registry import Victims
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker
from benchmark.runs.progress import JobProgress
from tests.command_line import (
    ROLLOUT,
    TINY,
    Done,
    a_victim,
    bench,
    contents,
    flip_a_bit,
    refused,
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """The main job at the smallest budget, once for several tests."""
    store = tmp_path_factory.mktemp("tiny") / "store"
    return store, bench(*TINY, "--store", store)


def comparable(record: dict[str, Any]) -> dict[str, Any]:
    """A record without what differs between two runs of the same cell."""
    return {k: v for k, v in record.items() if k not in ("timings", "provenance", "command")}


def filed(store: Path) -> list[Record]:
    """The records of a store, each read and validated."""
    return [read(path) for path in sorted((store / "records").glob("*.json"))]


def test_a_run_prints_the_records_that_it_files(tiny: tuple[Path, Done]) -> None:
    """Only JSON on standard output; every file validates and says the same."""
    store, done = tiny
    assert done.code == 0, done.err
    printed = [Record.model_validate(payload) for payload in done.json]
    assert sorted(printed, key=lambda r: r.id) == filed(store)
    assert sorted(str(r.cell.defense and r.cell.defense.name) for r in printed) == [
        "None", "retrain",
    ]  # fmt: skip


def test_a_run_trains_plays_and_tells_where(tiny: tuple[Path, Done]) -> None:
    """Counts of the protocol's size, curves, steps within the budget, provenance."""
    for record in filed(tiny[0]):
        assert record.cell.budget_steps == ROLLOUT
        assert set(record.steps) == set(record.curves) == set(record.artifacts)
        assert all(0 < steps <= ROLLOUT for steps in record.steps.values())
        assert all(m.tally.episodes == record.cell.episodes == 200 for m in record.matches)
        assert all(p["packages"]["numpy"] == np.__version__ for p in record.provenance.values())
        assert record.isolation.kind == "process"
        assert record.level == 0
        assert record.command.startswith("bench run --attack ours")
        assert all(t["wall_s"] >= 0 for t in record.timings.values())


def test_the_second_run_trains_nothing_and_gives_the_same_records(
    tiny: tuple[Path, Done],
) -> None:
    """No job at all is done, no artifact is touched."""
    store, done = tiny
    before = contents(store / "artifacts")

    def forbidden(self: Worker, job: Job, watch: Any) -> None:
        raise AssertionError(f"{job.label} is finished already")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "run", forbidden)
        again = bench(*TINY, "--store", store)
    assert again.code == 0, again.err
    assert [comparable(r) for r in again.json] == [comparable(r) for r in done.json]
    assert contents(store / "artifacts") == before


def test_another_defense_trains_no_second_adversary(tiny: tuple[Path, Done]) -> None:
    """Only the hardening and the fresh attack on what it made."""
    store, _ = tiny
    ran: list[Job] = []
    real = Worker.run

    def spy(self: Worker, job: Job, watch: Any) -> None:
        ran.append(job)
        real(self, job, watch)

    command = [*TINY[:4], "mixed", *TINY[5:], "--store", str(store)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "run", spy)
        done = bench(*command)
    assert done.code == 0, done.err
    trained = [(job.kind, job.victim.source) for job in ran if job.kind != "play"]
    assert trained == [("harden", "victim"), ("attack", "job")]


def test_the_records_of_a_run_make_a_page(tiny: tuple[Path, Done], elsewhere: Path) -> None:
    """Which holds until a digit of a count is altered."""
    results = elsewhere / "results"
    shutil.copytree(tiny[0] / "records", results)
    assert bench("leaderboard").code == 0
    assert bench("leaderboard", "--check").code == 0
    path = next(iter(results.glob("*.json")))
    payload = json.loads(path.read_bytes())
    payload["matches"][0]["even"]["wins"] += 1
    path.write_text(json.dumps(payload), encoding="utf-8")
    refused(bench("leaderboard", "--check"), path.name, "matches.0.even", code=1)


def test_an_adversary_of_the_store_can_be_played(tiny: tuple[Path, Done], elsewhere: Path) -> None:
    """By its folder; a damaged copy is refused; on the other side of its seat it does not fit."""
    store, done = tiny
    sha256 = done.json[0]["artifacts"]["attack"]
    cards = [p for p in store.glob("artifacts/*/card.json") if sha256 in p.read_text("utf-8")]
    folder = cards[0].parent
    told = bench("play", "--adversary", folder, "--victim", a_victim(), "--episodes", 10, "--json")
    assert told.json["episodes"] == 10
    refused(bench("play", "--adversary", "zero", "--victim", folder), "seat 'left'", "'right'")
    copy = elsewhere / "copy"
    shutil.copytree(folder, copy)
    flip_a_bit(copy / artifact.WEIGHTS)
    refused(bench("play", "--adversary", copy, "--victim", "zero"), copy / artifact.WEIGHTS)


KILLED = ("run", "--attack", "ours", "--budget", str(4 * ROLLOUT), "--json")
IMPATIENT = """
from benchmark.learning import checkpoint
checkpoint.EVERY_S = 0.2
from benchmark.cli import main
main()
"""


def run_and_kill(store: Path) -> None:
    """Start a run in a process of its own and kill it with -9 once it has left a checkpoint."""
    process = subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, *KILLED, "--store", str(store)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 180
        while not list(store.glob("work/*/checkpoint.safetensors")):
            assert process.poll() is None, "it ended before it was killed"
            assert time.monotonic() < deadline, "no checkpoint came"
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("few_episodes")
def test_a_killed_run_goes_on_to_the_same_record(elsewhere: Path) -> None:
    """kill -9 in the middle of a training; the next run continues its checkpoint."""
    store, whole = elsewhere / "killed", elsewhere / "whole"
    run_and_kill(store)
    assert not list(store.glob("artifacts/*/result.json"))
    resumed: list[int] = []
    real = JobProgress.resume

    def spy(self: JobProgress) -> Checkpoint | None:
        found = real(self)
        resumed.extend([] if found is None else [int(found.facts["steps"])])
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobProgress, "resume", spy)
        after = bench(*KILLED, "--store", store)
    assert after.code == 0, after.err
    assert len(resumed) == 1
    assert 0 < resumed[0] < 4 * ROLLOUT
    uninterrupted = bench(*KILLED, "--store", whole)
    assert [comparable(r) for r in after.json] == [comparable(r) for r in uninterrupted.json]
    assert len(after.json) == 1
    assert not list(store.glob("work/*"))


def test_who_is_attacked_where_nobody_is_named() -> None:
    """The shipped victim that falls within tier smoke, not the first by name, nor an import."""
    cards = Victims().cards("pong-v1")
    assert min(cards) != "house-tanh"
    imported = {"a-stranger": cards["house-tanh"]}
    assert Victims().default({**imported, **cards}) == "house-tanh"
    rest = {name: card for name, card in cards.items() if name != "house-tanh"}
    assert Victims().default({**imported, **rest}) == min(rest)
