"""The local executor: a failure is data, finished work stays, a broken store ends the run."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.arena.arena import Arena
from benchmark.arena.tally import Tally
from benchmark.display import Silent
from benchmark.errors import CheckFailed, InfrastructureError, Misuse
from benchmark.leaderboard.tables import tables
from benchmark.learning import checkpoint as checkpoints
from benchmark.learning.checkpoint import Checkpoint
from benchmark.learning.ppo import TrainingDiverged
from benchmark.learning.progress import CurvePoint, Progress
from benchmark.policies.artifact import CARD, BadArtifact
from benchmark.policies.policy import Policy, RandomPolicy, ZeroPolicy
from benchmark.records.files import read
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.runs.plan import Plan, make_plan
from benchmark.runs.run import execute, preview
from tests.factories import scribble, without_timings
from tests.runs.conftest import Shelf, named
from tests.runs.fakes import Act, FakeAttack, House, good, play, raising, training


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_everything_is_done_once_and_told(house: House) -> None:
    """Every job begins, ends and is kept."""
    plan = house.plan()
    failures, diary = house.run(plan)
    assert not failures
    assert all(house.store.has(job.key) for job in plan.jobs)
    assert diary.started() == [job.key for job in plan.jobs]
    assert [key for word, key in diary.lines if word == "finish"] == diary.started()
    assert ("step", training(plan, "first").key) in diary.lines
    assert FakeAttack.trained == {"first": 1, "second": 1}


def test_a_failure_blocks_those_that_need_it_and_no_others(house: House) -> None:
    """The other attack's cell is whole; the floors against the victim are played."""
    house.acts["first"] = raising(CheckFailed("it diverged"))
    plan = house.plan()
    failures, diary = house.run(plan)
    lost = {failure.job: failure for failure in failures}
    broken = training(plan, "first")
    assert lost[broken.key].kind == "CheckFailed"
    assert lost[broken.key].message == "it diverged"
    for job in plan.jobs:
        needs_it = broken.key in job.needs
        assert (job.key in lost) == (job == broken or needs_it), job.label
        assert house.store.has(job.key) != (job.key in lost)
        if needs_it:
            assert lost[job.key].kind == "blocked"
            assert broken.label in lost[job.key].message
            assert job.key not in diary.started()
    assert diary.failed == failures


def test_a_block_reaches_through_a_chain(house: House) -> None:
    """Hardening needs the adversary, the fresh attack the hardening, its matches that."""
    house.acts["first"] = raising(RuntimeError("boom"))
    plan = house.plan(attacks=("first",), defense_names=["retrain"], budget=70_000)
    failures, _ = house.run(plan)
    lost = {failure.job for failure in failures}
    (hardening,) = [job for job in plan.jobs if job.kind == "harden"]
    fresh = [job for job in plan.jobs if job.kind == "attack" and hardening.key in job.needs]
    assert {hardening.key, *(job.key for job in fresh)} <= lost
    done = {job.key for job in plan.jobs} - lost
    assert done
    assert all(not set(job.needs) & lost for job in plan.jobs if job.key in done)


@pytest.mark.parametrize(
    "error", [RuntimeError("index 7"), MemoryError("index 7"), SystemExit("index 7")]
)
def test_a_crash_of_a_method_is_data(house: House, error: BaseException) -> None:
    """A method is anybody's code: whatever it throws is told, and the rest goes on."""
    house.acts["first"] = raising(error)
    failures, _ = house.run()
    crash = failures[0]
    assert crash.kind == "crashed"
    assert crash.message == f"{type(error).__name__}: index 7"
    assert {failure.kind for failure in failures[1:]} == {"blocked"}
    assert FakeAttack.trained["second"] == 1


def test_a_keyboard_interrupt_is_nobodys_failure(house: House) -> None:
    """It ends the run; what was finished stays, and the next run goes on behind it."""
    house.acts["second"] = raising(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        house.run()
    house.acts["second"] = good
    failures, _ = house.run()
    assert not failures
    assert FakeAttack.trained == {"first": 1, "second": 2}


def test_finished_jobs_are_not_run_again(house: House) -> None:
    """Neither by the same run nor by one that holds them among others."""
    house.run(house.plan(attacks=("first",)))
    before = contents(house.store.root)
    failures, diary = house.run(house.plan(attacks=("first",)))
    assert not failures
    assert not diary.started()
    assert contents(house.store.root) == before
    plan = house.plan()
    _, diary = house.run(plan)
    assert training(plan, "second").key in diary.started()
    assert FakeAttack.trained == {"first": 1, "second": 1}


def test_a_job_that_failed_is_tried_again(house: House) -> None:
    """A failure leaves nothing that looks finished."""
    house.acts["first"] = raising(RuntimeError("boom"))
    house.run()
    house.acts["first"] = good
    failures, _ = house.run()
    assert not failures
    assert FakeAttack.trained == {"first": 2, "second": 1}


def test_only_what_is_missing_is_made_again(house: House) -> None:
    """One artifact's folder deleted, as a message of the store advises."""
    plan = house.plan()
    house.run(plan)
    lost = next(job for job in plan.jobs if job.kind == "play")
    for path in house.store.folder(lost.key).iterdir():
        path.unlink()
    house.store.folder(lost.key).rmdir()
    _, diary = house.run(plan)
    assert diary.started() == [lost.key]


def test_an_infrastructure_error_ends_the_run(house: House) -> None:
    """Nothing after it is tried, nothing before it is lost."""
    house.acts["second"] = raising(InfrastructureError("the disk is gone"))
    plan = house.plan()
    order = [job.key for job in plan.jobs]
    at = order.index(training(plan, "second").key)
    with pytest.raises(InfrastructureError, match="the disk is gone"):
        house.run(plan)
    assert [house.store.has(key) for key in order] == [i < at for i in range(len(order))]
    assert 0 < at < len(order) - 1


def test_a_disk_that_fills_up_ends_the_run_with_one_line(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never a loss of the attack; finished jobs stay and the next run does the rest."""
    plan = house.plan(attacks=("first",))
    house.run(Plan(plan.jobs[:2], []))
    before = contents(house.store.root)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InfrastructureError, match="No space left"):
            house.run(plan)
    assert contents(house.store.root) == before
    failures, diary = house.run(plan)
    assert not failures
    assert diary.started() == [job.key for job in plan.jobs[2:]]


def test_a_policy_that_does_not_fit_is_not_kept(house: House) -> None:
    """A method that hands back something for another seat or size."""
    house.acts["first"] = lambda arena, progress: scribble(seat="right")
    house.acts["second"] = lambda arena, progress: ZeroPolicy(3)
    plan = house.plan()
    failures, _ = house.run(plan)
    told = {failure.job: failure for failure in failures}
    assert "seat 'right'" in told[training(plan, "first").key].message
    assert "3 actions" in told[training(plan, "second").key].message
    assert not house.store.has(training(plan, "first").key)


def test_a_damaged_artifact_fails_its_readers_and_is_left_alone(house: House) -> None:
    """With its path; matches that do not read it are played."""
    plan = house.plan()
    first, second = training(plan, "first"), training(plan, "second")
    house.run(Plan([first, second], []))
    card = house.store.folder(first.key) / CARD
    card.write_text("{", encoding="utf-8")
    failures, _ = house.run(plan)
    assert {failure.kind for failure in failures} == {"BadArtifact"}
    assert all(str(card) in failure.message for failure in failures)
    assert {f.job for f in failures} == {j.key for j in plan.jobs if first.key in j.needs}
    assert card.read_text(encoding="utf-8") == "{"


def test_a_checkpoint_is_handed_to_the_next_try(house: House) -> None:
    """With the curve so far; afterwards nothing of it remains."""
    seen: list[Any] = []

    def interrupted(arena: Arena, progress: Progress) -> Policy:
        seen.append(progress.resume())
        good(arena, progress)
        progress.save(Checkpoint({"net/w": np.arange(3)}, {"steps": 10}))
        raise KeyboardInterrupt

    def finishing(arena: Arena, progress: Progress) -> Policy:
        seen.append(progress.resume())
        play(arena, 20)
        progress.report(CurvePoint(steps=20, tally=Tally()))
        return RandomPolicy(2, 1.0)

    plan = house.plan(attacks=("first",))
    job = training(plan, "first")
    house.acts["first"] = interrupted
    with pytest.raises(KeyboardInterrupt):
        house.run(plan)
    assert checkpoints.read(house.store.checkpoint(job.key)) is not None
    house.acts["first"] = finishing
    house.run(plan)
    assert seen[0] is None
    assert seen[1].facts["steps"] == 10
    assert seen[1].get("net")["w"].tolist() == [0, 1, 2]
    result = house.store.result(job.key)
    assert [point["steps"] for point in result["curve"]] == [10, 20]
    assert os.listdir(house.store.root / "work") == []


def resuming(arena: Arena, progress: Progress) -> Policy:
    """A training that would go on from a checkpoint, and keeps one of its own."""
    progress.resume()
    progress.save(Checkpoint(facts={"steps": 1}))
    return good(arena, progress)


def test_a_damaged_checkpoint_is_started_over(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """A training that cannot go on begins anew, and says so; of one that has none nothing is."""
    house.acts |= {"first": resuming, "second": resuming}
    path = house.store.checkpoint(training(house.plan(), "first").key)
    path.write_bytes(b"not a checkpoint")
    failures, _ = house.run()
    assert not failures
    assert capsys.readouterr().err == (
        f"{path}: expected a whole checkpoint, it is damaged; the training begins anew\n"
    )


def test_a_checkpoint_that_cannot_be_read_ends_the_run_and_is_kept(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that stumbles once does not cost the hours of a training."""
    house.acts["first"] = resuming
    path = house.store.checkpoint(training(house.plan(), "first").key)
    checkpoints.write(Checkpoint(facts={"curve": "[]", "steps": 5}), path)
    before, real = path.read_bytes(), Path.read_bytes

    def stumbling(self: Path) -> bytes:
        if self == path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(self)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", stumbling)
        with pytest.raises(InfrastructureError, match="Input/output error") as caught:
            house.run()
    assert (caught.value.exit_code, str(caught.value).count("\n")) == (3, 0)
    assert path.read_bytes() == before


def test_only_whole_cells_become_records(house: House) -> None:
    """The failed attack has none; the other's is on disk and reads back."""
    house.acts["first"] = raising(RuntimeError("boom"))
    outcome = house.execute()
    assert [record.cell.attack.name for record in outcome.records] == ["second"]
    assert len(outcome.failures) >= 1
    files = list((house.store.root / "records").glob("*.json"))
    assert [read(path) for path in files] == outcome.records


def test_a_damaged_artifact_costs_only_the_records_that_read_it(house: House) -> None:
    """The other attack's record is filed all the same."""
    plan = house.plan()
    house.run(plan)
    (house.store.folder(training(plan, "first").key) / CARD).write_text("{", encoding="utf-8")
    with contextlib.suppress(BadArtifact):
        house.execute()
    files = (house.store.root / "records").glob("*.json")
    assert [read(path).cell.attack.name for path in files] == ["second"]


def test_two_stores_get_the_same_records(tmp_path: Path, house: House) -> None:
    """Apart from timings, machine and command."""
    first = house.execute()
    house.store = Store(tmp_path / "another")
    second = house.execute()
    assert [without_timings(r) for r in first.records] == [
        without_timings(r) for r in second.records
    ]
    assert len(first.records) == 2


def test_steps_above_the_budget_are_flagged(house: House) -> None:
    """Counted in the arena: the method, which reports nothing, took more than it was given."""

    def plays(steps: int) -> Act:
        def act(arena: Arena, progress: Progress) -> Policy:
            arena.reset()
            for _ in range(steps):
                arena.step(np.zeros((2, 2), dtype=np.float32))
            return RandomPolicy(2, 1.0)

        return act

    house.acts |= {"first": plays(6), "second": plays(5)}
    first, second = house.execute().records
    assert (first.steps["attack"], second.steps["attack"]) == (12, 10)
    assert "budget overrun" in first.flags
    assert "budget overrun" not in second.flags


def test_a_misfit_victim_is_refused_before_anything_is_trained(house: House) -> None:
    """The one under attack; no attack was called, the store holds no file."""
    house.shelf.policies["lefty"] = named("lefty", 5, seat="left")
    with pytest.raises(Misuse, match=r"'lefty'.*seat 'left'.*'right'"):
        house.execute(victim_names=["alpha", "lefty"])
    assert not FakeAttack.trained
    assert contents(house.store.root) == {}


def test_a_damaged_victim_is_refused_before_anything_is_trained(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is only met for transfer."""

    def load(self: Shelf, name: str) -> Any:
        if name == "beta":
            raise BadArtifact("shelf/beta: sha256 is 1, the card says 2")
        return self.policies[name]

    monkeypatch.setattr(Shelf, "load", load)
    with pytest.raises(BadArtifact, match="shelf/beta"):
        house.execute()
    assert not FakeAttack.trained


def test_a_victim_that_changes_after_planning_is_noticed(house: House) -> None:
    """No record tells the wrong hash."""
    spec = house.spec()
    plan = make_plan(spec)
    house.shelf.policies["alpha"] = named("alpha", 99)
    with pytest.raises(CheckFailed, match="'alpha' changed"):
        execute(spec.command, plan, house.store, house.shelf, Silent)
    assert not FakeAttack.trained


def test_an_unusable_store_is_told_before_anything_is_trained(house: House) -> None:
    """A file where the store should be."""
    house.store.root.write_text("in the way", encoding="utf-8")
    with pytest.raises(InfrastructureError, match="store"):
        house.execute()
    assert not FakeAttack.trained


def test_the_preview_counts_what_is_missing(house: House) -> None:
    """And expects no time for what is done."""
    spec = house.spec()
    before = preview(spec, house.store)
    house.execute()
    after = preview(spec, house.store)
    assert before.done == 0
    assert before.seconds > 0
    assert after.done == len(after.plan.jobs) == len(before.plan.jobs)
    assert after.seconds == 0


def diverging(arena: Arena, progress: Progress) -> Policy:
    """A training that reports a point, keeps a checkpoint, and then diverges."""
    good(arena, progress)
    progress.save(Checkpoint({"w": np.ones(1)}, {"steps": 10}))
    raise TrainingDiverged("the loss became nan at step 20")


def test_a_training_that_diverged_is_on_record(house: House) -> None:
    """As a failed job, a record that says so, and its last finite checkpoint."""
    house.acts["first"] = diverging
    outcome = house.execute(victim_names=["alpha"], seeds=1)
    assert [f.kind for f in outcome.failures if f.kind != "blocked"] == ["TrainingDiverged"]
    (failed,) = [r for r in outcome.records if r.failure]
    assert failed.cell.attack.name == "first"
    assert failed.failure == "the loss became nan at step 20"
    assert failed.flags == ["seed 0 failed in training and counts as never winning"]
    assert [p.steps for p in failed.curves["attack"]] == [10]
    assert read(house.store.root / "records" / f"{failed.id}.json") == failed
    job = training(house.plan(victim_names=["alpha"], seeds=1), "first")
    kept = checkpoints.read(house.store.checkpoint(job.key))
    assert kept is not None
    assert kept.arrays["w"] == 1


def test_a_training_of_void_matches_is_on_record_too(house: House) -> None:
    """It used its budget and left nothing that could be judged: no seed may silently vanish."""

    def void(arena: Arena, progress: Progress) -> Policy:
        play(arena)
        tally = Tally(wins=1, voids=9, breakdown={"win:point": 1, "void:diverged": 9})
        progress.report(CurvePoint(steps=10, tally=tally))
        return RandomPolicy(2, 1.0)

    house.acts["first"] = void
    outcome = house.execute(victim_names=["alpha"], seeds=1)
    (failed,) = [r for r in outcome.records if r.failure]
    assert "9 of 10 matches are void" in str(failed.failure)


def test_a_curve_of_matches_never_played_costs_the_cell_and_no_other(house: House) -> None:
    """A method may report in its own words; the record holds what its arena counted, or nothing."""

    def boasting(arena: Arena, progress: Progress) -> Policy:
        play(arena)
        tally = Tally(wins=99, breakdown={"win:point": 99})
        progress.report(CurvePoint(steps=10, tally=tally))
        return RandomPolicy(2, 1.0)

    house.acts["first"] = boasting
    outcome = house.execute(victim_names=["alpha"], seeds=1)
    (failed,) = [r for r in outcome.records if r.failure]
    assert "99 matches ended in 10 steps" in str(failed.failure)
    assert failed.curves == {"attack": []}
    assert [r.cell.attack.name for r in outcome.records if not r.failure] == ["second"]


def test_a_diverged_seed_is_shown_and_wins_nothing(house: House) -> None:
    house.acts["first"] = diverging
    records = house.execute(victim_names=["alpha"], seeds=1).records
    (table,) = [t for t in tables(records) if t.title.startswith("Attacks")]
    (row,) = [r for r in table.rows if r[0] == "first"]
    assert row[2].startswith("0.0")
    assert any("failed in training" in flag for flag in table.flags)


def test_a_training_that_recovers_replaces_its_failure(house: House) -> None:
    house.acts["first"] = diverging
    house.execute(victim_names=["alpha"], seeds=1)
    house.acts["first"] = good
    assert not any(r.failure for r in house.execute(victim_names=["alpha"], seeds=1).records)


def test_a_failed_record_has_nothing_to_boast_of(house: House) -> None:
    house.acts["first"] = diverging
    outcome = house.execute(victim_names=["alpha"], seeds=1)
    failed, played = sorted(outcome.records, key=lambda r: r.failure is None)
    with pytest.raises(ValueError, match="failed has no matches"):
        Record.model_validate({**failed.model_dump(), "matches": played.model_dump()["matches"]})
