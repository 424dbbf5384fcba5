"""Curves in numbers: every cell is what the training matches of its window say."""

from __future__ import annotations

import pytest

from benchmark.leaderboard.curve_table import curve_table
from benchmark.leaderboard.study import Row
from benchmark.learning.progress import CurvePoint
from benchmark.records.record import Record
from tests.factories import attacked, defended, tally


def curved(record: Record, name: str, *wins: int) -> Record:
    """Wins of ten matches, every 500 of 8000 steps."""
    points = [CurvePoint(steps=500 * (k + 1), tally=tally(w, 10)) for k, w in enumerate(wins)]
    return record.model_copy(update={"curves": {name: points}})


def test_a_window_is_the_mean_over_seeds_of_its_matches() -> None:
    """Two points a window; 30 and 50 percent differ by 14.1 points of deviation."""
    one = curved(attacked(50), "attack", 1, 5, *[10] * 14)
    other = curved(attacked(50, seed=1), "attack", 5, 5, *[10] * 14)
    table = curve_table("Study", [Row("ours", [one, other]), Row("none", [])], "attack", 8000)
    assert table.columns[:3] == ["variant", "to 1 k", "to 2 k"]
    (row,) = table.rows
    assert row[:3] == ["ours", "40.0 +- 14.1", "100.0 +- 0.0"]
    assert row[-1] == "2"


def test_what_was_not_played_is_a_dash() -> None:
    """A training that stopped half way; of one seed there is no deviation."""
    (row,) = curve_table(
        "Study", [Row("ours", [curved(attacked(50), "attack", *[3] * 8)])], "attack", 8000
    ).rows
    assert row[1:9] == ["30.0"] * 4 + ["-"] * 4


@pytest.mark.parametrize("training", ["attack", "hardening"])
def test_each_kind_of_training_has_its_own_curve(training: str) -> None:
    record = curved(defended(1, 1, 1), "hardening", *[7] * 16)
    rows = curve_table("Study", [Row("mixed", [record])], training, 8000).rows
    assert [row[1] for row in rows] == (["70.0"] if training == "hardening" else [])
