"""--tensorboard: a log beside each training, and not a byte of the results moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.arena.arena import Arena
from benchmark.arena.tally import Tally
from benchmark.display import Silent
from benchmark.learning.checkpoint import Checkpoint
from benchmark.learning.progress import CurvePoint, Progress
from benchmark.policies.policy import Policy, RandomPolicy
from benchmark.records.store import Store
from benchmark.runs.logs import FOLDER, beside, folder_of
from benchmark.runs.plan import make_plan
from benchmark.runs.progress import JobProgress, Logs
from benchmark.runs.run import Outcome, execute
from tests.factories import without_timings
from tests.learning.test_tensorboard import later, shown
from tests.runs.fakes import House, training


def steady(arena: Arena, progress: Progress) -> Policy:
    """A training of three points."""
    for k in (1, 2, 3):
        progress.report(CurvePoint(steps=10 * k, tally=Tally(wins=k)))
    arena.steps = 30
    return RandomPolicy(2, 1.0)


def run(house: House, logs: Logs | None) -> Outcome:
    """The whole of `bench run` without its terminal."""
    spec = house.spec()
    return execute(spec.command, make_plan(spec), house.store, house.shelf, Silent, logs=logs)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of the artifacts but the times."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {name: text for name, text in found.items() if not name.endswith("result.json")}


def test_every_training_has_a_log_and_no_result_moves(house: House, tmp_path: Path) -> None:
    """Keys, artifacts and records are those of a run without."""
    house.acts = {"first": steady, "second": steady}
    plain = run(house, None)
    assert len(plain.records) == 2
    before = contents(house.store.root / "artifacts")
    house.store = Store(tmp_path / "other")
    logged = run(house, beside(house.store.root))
    assert [without_timings(r) for r in logged.records] == [
        without_timings(r) for r in plain.records
    ]
    assert contents(house.store.root / "artifacts") == before
    jobs = [job for job in house.plan().jobs if job.kind == "attack"]
    for job in jobs:
        folder = house.store.root / FOLDER / folder_of(job)
        assert shown(folder)["matches/episodes"] == [(10, 1), (20, 2), (30, 3)]
    assert len(jobs) == len(list((house.store.root / FOLDER).rglob("events.*"))) == 2


def test_a_training_killed_and_resumed_has_every_point_once(house: House) -> None:
    """Points after the last checkpoint are played again, and logged once."""

    def killed(arena: Arena, progress: Progress) -> Policy:
        begun = progress.resume()
        for k in (1, 2, 3) if begun is None else (2, 3, 4):
            progress.report(CurvePoint(steps=10 * k, tally=Tally(wins=k)))
            if k == 1:
                progress.save(Checkpoint())
        if begun is None:
            raise KeyboardInterrupt
        arena.steps = 40
        return RandomPolicy(2, 1.0)

    house.acts = {"first": killed, "second": steady}
    logs = beside(house.store.root)
    with pytest.raises(KeyboardInterrupt):
        run(house, logs)
    job = training(house.plan(), "first")
    folder = house.store.root / FOLDER / folder_of(job)
    assert [steps for steps, _ in shown(folder)["matches/episodes"]] == [10, 20, 30]
    later(folder)
    outcome = run(house, logs)
    assert not outcome.failures
    assert shown(folder)["matches/episodes"] == [(10, 1), (20, 2), (30, 3), (40, 4)]


def test_a_container_tried_again_begins_its_log_anew(house: House) -> None:
    """What the first try told is void."""
    job = training(house.plan(), "first")
    house.store.prepare()
    log = beside(house.store.root)(job)
    progress = JobProgress(house.store, job, lambda *_: None, log)
    for k in (1, 2):
        progress.report(CurvePoint(steps=10 * k, tally=Tally(wins=1)))
    progress.restart()
    later(house.store.root / FOLDER / folder_of(job))
    progress.report(CurvePoint(steps=10, tally=Tally(wins=1)))
    log.close()
    assert len(shown(house.store.root / FOLDER / folder_of(job))["matches/win_rate"]) == 1


def test_folders_of_two_configurations_differ(house: House) -> None:
    """The key tells them apart where the names do not."""
    job = training(house.plan(), "first")
    other = job.model_copy(update={"budget_steps": job.budget_steps + 1})
    assert folder_of(job) != folder_of(other)
    assert folder_of(job).parts[0] == "pong-v1"
    assert folder_of(job).name.startswith("first-alpha-seed0-")
