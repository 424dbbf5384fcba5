"""Real jobs at toy size: what a run's key promises about the methods' chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmark.learning.threads import use_threads
from benchmark.policies import artifact
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker
from benchmark.runs.plan import make_plan
from benchmark.runs.spec import resolve_run

SMALL = {"matches": 16, "rollout_steps": 32, "minibatch": 128, "epochs": 1}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Results are compared to the last bit, so the thread count is fixed."""
    use_threads(1)


def _adversary(store: Store, attack: str, **settings: Any) -> str:
    """The sha256 of the adversary that an attack trains on the first house victim."""
    victims = Victims()
    spec = resolve_run(
        victims=victims, game_name="pong-v1", victim_names=[], attack_names=[attack],
        defense_names=[], seeds=1, tier="smoke", budget=2048,
        settings={"attack": {**SMALL, **settings}}, command="test",
    )  # fmt: skip
    job: Job = make_plan(spec).jobs[0]
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
