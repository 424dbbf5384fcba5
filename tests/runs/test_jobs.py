"""Real jobs at toy size: what a run's key promises about the methods' chance."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from benchmark.arena.tally import Tally
from benchmark.errors import InfrastructureError
from benchmark.learning import checkpoint as checkpoints
from benchmark.learning.checkpoint import Checkpoint, Pace
from benchmark.learning.threads import use_threads
from benchmark.policies import artifact
from benchmark.records.note import Note
from benchmark.records.store import Store
from benchmark.registry import Victims, attacks
from benchmark.runs import progress
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker
from benchmark.runs.plan import make_plan
from benchmark.runs.spec import RunSpec, resolve_run
from benchmark.runs.staging import seed_base_of
from tests.learning.test_checkpoint import Clock

SMALL = {"matches": 16, "rollout_steps": 32, "minibatch": 128, "epochs": 1}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Results are compared to the last bit, so the thread count is fixed."""
    use_threads(1)


def _spec(victims: Victims, attack: str, settings: dict[str, Any]) -> RunSpec:
    """A tiny training of an attack on the first house victim."""
    return resolve_run(
        victims=victims, game_name="pong-v1", victim_names=[], attack_names=[attack],
        defense_names=[], seeds=1, tier="smoke", budget=2048,
        settings={"attack": {**SMALL, **settings}}, command="test",
    )  # fmt: skip


def _adversary(store: Store, attack: str, **settings: Any) -> str:
    """The sha256 of the adversary that an attack trains on the first house victim."""
    victims = Victims()
    job: Job = make_plan(_spec(victims, attack, settings)).jobs[0]
    store.prepare()
    Worker(store, victims).run(job, lambda steps, tally: None)
    return artifact.load_card(store.folder(job.key)).sha256


@pytest.mark.parametrize("mode", ["reward", "loss"])
def test_ours_at_weight_zero_is_the_baseline_in_a_run_too(tmp_path: Path, mode: str) -> None:
    """Methods of one seed start alike, so they can be compared seed by seed."""
    store = Store(tmp_path)
    plain = _adversary(store, "baseline")
    assert _adversary(store, "ours", weight=0, mode=mode) == plain
    assert _adversary(store, "ours", weight=0.5, mode=mode) != plain


def test_a_slow_store_is_told_once_and_moves_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two trainings; each checkpoint takes five seconds of a clock that only it moves."""
    plain = Store(tmp_path / "plain")
    expected = _adversary(plain, "baseline")
    clock, lines, kept = Clock(), list[str](), list[float]()
    real = checkpoints.write

    def write(made: Checkpoint, path: Path) -> None:
        real(made, path)
        clock.now += 5.0
        kept.append(clock.now)

    monkeypatch.setattr(checkpoints, "write", write)
    monkeypatch.setattr(progress, "Pace", lambda every_s: Pace(every_s, clock))
    store, victims = Store(tmp_path / "slow"), Victims()
    spec = resolve_run(
        victims=victims, game_name="pong-v1", victim_names=[], attack_names=["baseline"],
        defense_names=[], seeds=2, tier="smoke", budget=2048, settings={"attack": SMALL},
        command="test",
    )  # fmt: skip
    store.prepare()
    worker = Worker(store, victims)
    worker.warn = lines.append

    def watch(steps: int, tally: Tally) -> None:
        clock.now += 12.0

    trainings = [job for job in make_plan(spec).jobs if job.kind == "attack"]
    for job in trainings:
        worker.run(job, watch)
    (line,) = lines
    assert "writing a checkpoint took 5.0 s" in line
    assert str(store.root) in line
    assert "they are 45 s apart" in line
    assert len(kept) == 2  # one a training: three rollouts after it are less than 45 s
    assert artifact.load_card(store.folder(trainings[0].key)).sha256 == expected


def test_a_place_that_cannot_be_made_is_the_disks_fault(tmp_path: Path) -> None:
    """One line and exit code 3: not what a method that crashed looks like."""
    (tmp_path / "work").write_text("no folder")
    store = Store(tmp_path)
    with pytest.raises(InfrastructureError, match=re.escape(str(tmp_path))):
        store.note("job", Note(steps=1, tally=Tally()))
    with pytest.raises(InfrastructureError, match=re.escape(str(tmp_path))):
        store.file_failure("job", {})


def test_seeds_that_a_strangers_method_names_are_hashed(tmp_path: Path) -> None:
    """Another job's are hashed otherwise; this project's own methods name them as they are."""
    victims = Victims()
    spec = resolve_run(
        victims=victims, game_name="pong-v1", victim_names=[], attack_names=["baseline"],
        defense_names=[], seeds=2, tier="smoke", budget=None, settings={}, command="bench run",
    )  # fmt: skip
    own = [job for job in make_plan(spec).jobs if job.kind == "attack"]
    assert [seed_base_of(job) for job in own] == [None, None]
    (tmp_path / "strange.py").write_text("from attacks.baseline import Baseline as Strange\n")
    with attacks.including("strange", "strange:Strange", tmp_path):
        strange = [
            job.model_copy(update={"method": job.method.model_copy(update={"name": "strange"})})
            for job in own
            if job.method is not None
        ]
        bases = [seed_base_of(Job.model_validate(dict(job))) for job in strange]
    assert None not in bases
    assert len(set(bases)) == 2
