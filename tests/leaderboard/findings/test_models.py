"""What F and H learned, from hand-made curves."""

from __future__ import annotations

import pytest

from benchmark.leaderboard.findings import models
from benchmark.leaderboard.study import Row
from benchmark.learning.progress import CurvePoint
from benchmark.records.record import Record
from tests.factories import tally
from tests.leaderboard.findings.conftest import PLACE, given, trained


def knowing(seed: int, **diagnostics: float) -> Record:
    """A record whose curve ends in these diagnostics, after others."""
    before = CurvePoint(steps=500, tally=tally(1, 2), diagnostics=dict.fromkeys(diagnostics, 9.0))
    last = CurvePoint(steps=1000, tally=tally(1, 2), diagnostics=diagnostics)
    return trained(100, seed, 40).model_copy(update={"curves": {"attack": [before, last]}})


@pytest.mark.parametrize(
    ("h", "claim"),
    [
        ((0.6, 0.7), "better than the mean"),
        ((-0.1, 0.0), "no better than the mean"),
        ((-0.1, 0.1), "on both sides of the mean"),
    ],
)
def test_h_is_held_against_the_mean(h: tuple[float, float], claim: str) -> None:
    """By the end of each training."""
    cells = [knowing(k, surrogate_r2=0.5, transition_r2=h[k], mean_weight=0.8) for k in (0, 1)]
    made = models.models(given([Row("ours", cells)]), PLACE)
    assert made.claims["models/pong-v1/ours/H"] == claim
    assert made.facts["models/pong-v1/ours/F"] == "0.50 (0.50 to 0.50)"
    assert made.tables["models/pong-v1"].rows[0][:3] == ["ours", "2", "0.50 (0.50 to 0.50)"]


def test_attacks_without_such_models_have_no_row() -> None:
    made = models.models(given([Row("baseline", [trained(100, 0, 40)])]), PLACE)
    assert made.claims["models/pong-v1/baseline/H"] == "not run"
    assert made.tables["models/pong-v1"].rows == []
