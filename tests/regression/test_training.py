"""The check of trainings: what is counted, compared, refused; small runs of the real machinery."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.display import Silent
from benchmark.errors import CheckFailed, Misuse
from benchmark.evaluation.protocol import EPISODES
from benchmark.policies import artifact
from benchmark.records.record import Record
from benchmark.records.store import Store
from benchmark.regression import training
from benchmark.regression.baseline import CellBaseline, TrainingBaseline
from benchmark.regression.falls import ALPHA
from benchmark.regression.platform import here
from benchmark.regression.training import MEASURES, Trained, measured, setup
from benchmark.runs.plan import Plan
from benchmark.runs.spec import HELD_OUT_SEED
from tests.factories import attacked, defended

ROLLOUT = 16_384
STORED = "retrain holds the stored adversary"
FRESH = "retrain holds a fresh adversary"


def records(seed: int) -> list[Record]:
    return [
        attacked(90, attack="baseline", seed=seed),
        attacked(70, attack="ours", seed=seed),
        defended(40, 50, 60, attack="baseline", defense="retrain", seed=seed),
    ]


def of(wins: dict[str, int], seeds: range) -> Trained:
    """Every seed of a cell wins nearly as often."""
    cells = {name: {seed: wins.get(name, 100) + seed % 3 for seed in seeds} for name in MEASURES}
    return Trained(cells, 200)


def baseline(**changes: Any) -> TrainingBaseline:
    cells = {
        name: CellBaseline(wins=wins, finds_at_80=7, finds_at_90=None, false_alarms=0.0)
        for name, wins in of({}, range(20)).cells.items()
    }
    return TrainingBaseline.model_validate(
        {
            "platform": here(), "setup": setup(), "episodes": 200, "seeds": 8, "cells": cells,
            **changes,
        }
    )  # fmt: skip


def test_wins_are_the_adversarys_but_where_a_victim_holds() -> None:
    found = measured([*records(3), *records(4)])
    assert found.episodes == 200
    assert found.cells["baseline"] == {3: 90, 4: 90}
    assert found.cells["ours"] == {3: 70, 4: 70}
    assert found.cells[STORED] == {3: 160, 4: 160}
    assert found.cells[FRESH] == {3: 140, 4: 140}


def test_unchanged_trainings_raise_no_alarm() -> None:
    found = training.compare(baseline(), of({}, range(100, 108)))
    assert [one.failed for one in found] == [False] * 4
    assert found[0].before == "50.5 % (sd 0.4), 20 seeds"


def test_the_cell_that_fell_is_named_with_how_far_and_how_sure() -> None:
    found = {
        one.name: one for one in training.compare(baseline(), of({STORED: 60}, range(100, 108)))
    }
    assert [name for name, one in found.items() if one.failed] == [STORED]
    assert found[STORED].change == "-19.9 points"
    assert found[STORED].facts["adjusted"] < ALPHA
    rose = training.compare(baseline(), of({"ours": 150}, range(100, 108)))
    assert not any(one.failed for one in rose)


def test_more_seeds_than_can_be_counted_are_refused() -> None:
    """Before they are trained; what is not refused can be counted."""
    training.check_new(baseline(), range(100, 140))
    with pytest.raises(Misuse, match="too many to compare exactly"):
        training.check_new(baseline(), range(100, 200))


def test_seeds_of_the_baseline_tell_nothing() -> None:
    with pytest.raises(Misuse, match="same seeds tell nothing"):
        training.compare(baseline(), of({}, range(15, 23)))


@pytest.mark.parametrize("changes", [{"setup": {"game": "chess"}}, {"episodes": 100}])
def test_another_set_up_is_not_compared(changes: dict[str, Any]) -> None:
    with pytest.raises(Misuse, match="writes a new one"):
        training.compare(baseline(**changes), of({}, range(100, 108)))


@pytest.mark.parametrize("seeds", [[], [-1], [HELD_OUT_SEED]])
def test_seeds_that_judge_are_not_trained_on(seeds: list[int]) -> None:
    with pytest.raises(Misuse, match="seeds must lie"):
        training.specs(seeds, "bench check")


def test_the_power_is_stored_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.regression.falls.DRAWS", 10)
    made = training.baseline_of(of({}, range(20)), seeds=8)
    assert all(cell.finds_at_80 is not None for cell in made.cells.values())
    text = training.power_text(baseline(), 8)
    assert "baseline 7 / never" in text
    assert "told for" not in text
    assert "told for 8 seeds, not 5" in training.power_text(baseline(), 5)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """One rollout a training, pairings of 10 episodes."""
    monkeypatch.setattr(training, "BUDGET", ROLLOUT)
    monkeypatch.setitem(EPISODES, "smoke", 10)


def shown(plan: Plan) -> Silent:
    return Silent()


@pytest.mark.usefixtures("tiny")
def test_a_real_run_fills_every_cell_once(tmp_path: Path) -> None:
    """Five trainings for a seed; the second time nothing is trained, and policies are kept once."""
    store = Store(tmp_path / "store")
    runs = training.specs([100], "bench check training")
    found = training.train(runs, store, shown)
    assert {len(wins) for wins in measured(found).cells.values()} == {1}
    jobs = [json.loads(path.read_text()) for path in store.root.glob("artifacts/*/job.json")]
    assert [job["kind"] for job in jobs].count("attack") == 4
    assert [job["kind"] for job in jobs].count("harden") == 1
    before = {path: path.stat().st_mtime_ns for path in store.root.glob("artifacts/*/*")}
    again = training.train(runs, store, shown)
    assert measured(again) == measured(found)
    assert before == {path: path.stat().st_mtime_ns for path in store.root.glob("artifacts/*/*")}
    assert training.keep_policies(found, store, tmp_path) == ["baseline", "ours", "retrain"]
    assert training.keep_policies(found, store, tmp_path) == []
    assert artifact.load(tmp_path / "policies" / "retrain").card.game == "pong-v1"


@pytest.mark.usefixtures("tiny")
def test_a_training_that_fails_is_no_low_win_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(training.PPO, "learning_rate", 1e12)
    runs = training.specs([100], "bench check training")
    with pytest.raises(CheckFailed, match="became"):
        training.train(runs[:1], Store(tmp_path / "store"), shown)
