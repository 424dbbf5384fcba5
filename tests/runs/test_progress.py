"""A training's curve and checkpoint in the store, whatever the order in which a method tells."""

from __future__ import annotations

from pathlib import Path

from benchmark.learning.checkpoint import Checkpoint
from benchmark.learning.progress import CurvePoint
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.job import Job
from benchmark.runs.plan import make_plan
from benchmark.runs.progress import JobProgress
from benchmark.runs.spec import resolve_run
from tests.factories import tally


def training() -> Job:
    """Of the baseline, on the first house victim."""
    spec = resolve_run(
        victims=Victims(), game_name="pong-v1", victim_names=[], attack_names=["baseline"],
        defense_names=[], seeds=1, tier="smoke", budget=None, settings={}, command="test",
    )  # fmt: skip
    return make_plan(spec).jobs[0]


def test_a_training_that_saved_before_it_reported_goes_on(tmp_path: Path) -> None:
    """A method may: its checkpoint has an empty curve."""
    store, job = Store(tmp_path), training()
    store.prepare()
    JobProgress(store, job, lambda steps, tally: None).save(Checkpoint(facts={"steps": 0}))
    later = JobProgress(store, job, lambda steps, tally: None)
    found = later.resume()
    assert found is not None
    assert found.facts["steps"] == 0
    assert later.curve == []


def test_a_method_that_reports_before_it_plays_is_on_the_board(tmp_path: Path) -> None:
    """What it told then was nothing: its curve begins with what was played."""
    store, job = Store(tmp_path), training()
    store.prepare()
    progress = JobProgress(store, job, lambda steps, tally: None)
    for steps, ended in ((0, 0), (100, 3), (100, 0)):
        progress.report(CurvePoint(steps, tally(1 if ended else 0, ended)))
    assert [point.steps for point in progress.curve] == [100]
