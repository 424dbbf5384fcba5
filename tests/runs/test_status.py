"""Status: what an onlooker is told of runs that go on, that ended, and that died."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from benchmark.arena.arena import Arena
from benchmark.arena.tally import Tally
from benchmark.commands.status import status as command
from benchmark.errors import Misuse
from benchmark.learning.ppo import TrainingDiverged
from benchmark.learning.progress import CurvePoint, Progress
from benchmark.policies.policy import Policy, RandomPolicy
from benchmark.records.note import Note
from benchmark.runs.journal import FOLDER, journals
from benchmark.runs.status import RunStatus, status
from tests.runs.fakes import House, play, raising


def test_a_store_without_runs(house: House) -> None:
    """Nothing to tell, and nothing is made."""
    assert status(house.store) == []
    assert not house.store.root.exists()


def test_a_run_that_has_ended(house: House) -> None:
    """Everything done, all records there, nobody at it."""
    house.execute(seeds=2)
    (run,) = status(house.store)
    plan = house.plan(seeds=2)
    assert run.jobs == {"done": len(plan.jobs), "running": 0, "failed": 0, "waiting": 0}
    assert (run.records, run.records_planned) == (len(plan.cells), len(plan.cells))
    assert run.steps == run.budget_steps == plan.steps
    assert not run.led
    assert run.command == "bench run"


def test_the_same_run_again_is_one_run_and_another_is_another(house: House) -> None:
    """By what is planned, not by when."""
    house.execute()
    house.execute()
    assert len(journals(house.store)) == 1
    house.execute(seeds=2)
    assert len(journals(house.store)) == 2


def test_a_run_that_goes_on(house: House) -> None:
    """Seen from within a training: who leads, who is at what, how far it is."""
    seen: list[RunStatus] = []

    def looked_at(arena: Arena, progress: Progress) -> Policy:
        play(arena, 10)
        progress.report(CurvePoint(steps=4, tally=Tally(wins=1, losses=2)))
        seen.extend(status(house.store))
        progress.report(CurvePoint(steps=10, tally=Tally(wins=1)))
        return RandomPolicy(2, 1.0)

    house.acts["first"] = looked_at
    house.execute(victim_names=["alpha"], seeds=1)
    (run,) = seen
    assert run.led
    assert run.pid == os.getpid()
    (job,) = run.at_work
    assert job.label.startswith("train first")
    assert job.note is not None
    assert (job.note.steps, job.note.tally.episodes, job.note.pid) == (4, 3, os.getpid())
    assert run.jobs["running"] == 1
    assert run.steps == 4
    assert run.jobs["waiting"] > 0


def test_a_run_that_failed(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """What failed for good and why; what needs it waits."""
    house.acts["first"] = raising(TrainingDiverged("the loss became nan"))
    house.execute(victim_names=["alpha"], seeds=1)
    (run,) = status(house.store)
    (failed,) = run.failed
    assert failed.why == "the loss became nan"
    assert run.jobs["failed"] == 1
    assert run.jobs["waiting"] > 0
    command(store=house.store.root)
    assert "ended: run it again to try what failed" in capsys.readouterr().out


def test_a_run_that_was_stopped_is_led_by_nobody(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its checkpoint and its last word are still there."""
    house.acts["first"] = raising(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        house.execute()
    (run,) = status(house.store)
    assert not run.led
    assert not run.at_work
    assert run.jobs["waiting"] > 0
    command(store=house.store.root)
    assert "stopped: run it again" in capsys.readouterr().out


def test_journals_and_notes_that_cannot_be_read_are_passed_over(house: House) -> None:
    """They are for people; no run depends on them."""
    house.execute()
    (house.store.root / FOLDER / "old.json").write_text('{"id": 3}')
    assert len(status(house.store)) == 1
    house.store.note("job", Note(steps=3))
    path = house.store.root / "work" / "job" / "progress.json"
    assert house.store.noted("job") == Note(steps=3)
    path.write_text(path.read_text()[:-5])
    assert house.store.noted("job") is None


@pytest.mark.parametrize(
    ("before", "now", "fresh"), [((2, 1), (5, 3), (3, 2)), ((5, 3), (2, 1), (2, 1))]
)
def test_matches_since_an_earlier_note(
    before: tuple[int, int], now: tuple[int, int], fresh: tuple[int, int]
) -> None:
    """All of them, where the training began anew in between."""
    then = Note(steps=before[0], tally=Tally(wins=before[0], losses=before[1]))
    after = Note(steps=now[0], tally=Tally(wins=now[0], losses=now[1]))
    assert after.since(then) == Tally(wins=fresh[0], losses=fresh[1])


def test_the_command(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A table for people, JSON for programs, one line where there is no store."""
    with pytest.raises(Misuse, match="no such folder"):
        command(store=house.store.root)
    house.execute()
    command(store=house.store.root, as_json=True)
    (run,) = json.loads(capsys.readouterr().out)
    assert run["jobs"]["done"] == len(house.plan().jobs)
    command(store=house.store.root)
    shown = capsys.readouterr().out
    assert f"jobs {run['jobs']['done']} done;" in shown
    assert "ended" in shown


def test_a_plan_that_cannot_be_read_is_named(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else a store full of work would be told to have none."""
    house.execute()
    (plan,) = (house.store.root / FOLDER).glob("*.json")
    plan.write_text("{")
    command(store=house.store.root)
    assert f"{plan.name}: cannot be read" in "".join(capsys.readouterr().out.split("\n"))


def test_as_json_it_is_named_on_standard_error(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output stays JSON."""
    house.execute()
    (plan,) = (house.store.root / FOLDER).glob("*.json")
    plan.write_text("{")
    with pytest.warns(UserWarning, match=f"{plan.name}: cannot be read"):
        command(store=house.store.root, as_json=True)
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("noted", ["{}", "[]", '{"failure": 3}', "3"])
def test_a_note_of_a_failure_that_is_none_is_passed_over(house: House, noted: str) -> None:
    house.execute()
    job = next((house.store.root / "artifacts").iterdir())
    folder = house.store.root / "work" / job.name
    folder.mkdir(parents=True)
    shutil.rmtree(job)
    (folder / "failure.json").write_text(noted)
    (found,) = status(house.store)
    assert (found.failed, found.jobs["waiting"]) == ([], 1)
