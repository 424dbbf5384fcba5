"""Entries, and the sweeps among them."""

from __future__ import annotations

import re

import pytest

from benchmark.learning.progress import CurvePoint
from benchmark.page.bands import attack_curves, band, sweep_charts, sweeps
from benchmark.page.entries import entries
from tests.factories import attacked, tally
from tests.page.conftest import some_records, swept


def test_an_entry_is_a_row_over_seeds_and_its_file_a_hash() -> None:
    made = entries(some_records())
    assert [len(entry.records) for entry in made] == [3, 3, 3, 3, 2, 2, 2, 1]
    assert len({entry.key for entry in made}) == len(made)
    assert all(re.fullmatch("[0-9a-f]{16}", entry.key) for entry in made)


def test_a_game_under_its_usual_options_comes_first() -> None:
    found = entries([attacked(10, game_options={"slow_ball": "tie"}), attacked(10)])
    assert [one.place for one in found] == [
        ("pong-v1", "smoke"),
        ("pong-v1 slow_ball=tie", "smoke"),
    ]


def test_another_seed_keeps_the_address_and_another_setting_does_not() -> None:
    (one,) = entries([attacked(50, seed=1)])
    (more,) = entries([attacked(50, seed=0), attacked(50, seed=1)])
    (other,) = entries([attacked(50, seed=1, tier="lite")])
    assert one.key == more.key != other.key


def test_a_sweep_is_found_by_the_one_setting_that_differs() -> None:
    made = entries(some_records())
    (sweep,) = sweeps(made)
    assert [value for value, _ in sweep] == [0.0, 0.5, 1.0]
    over, plane = sweep_charts(sweep)
    assert "mixed over p, against ours on house" in over.title
    assert [dot.label for dot in plane.points if dot.label] == ["p = 0", "p = 0.5", "p = 1"]
    # 80, 60 and 40 of 200 won against the stored adversary: .6, .7 and .8 held
    assert "held against stored: 0.60 at 0, 0.70 at 0.5, 0.80 at 1" in over.summary


def test_two_values_or_a_second_difference_make_no_sweep() -> None:
    assert not sweeps(entries([swept(0.0), swept(1.0)]))
    assert not sweeps(entries([swept(0.0), swept(0.5), swept(1.0, rate=0.7)]))
    assert sweeps(entries([swept(0.0), swept(0.5), swept(1.0)]))


def test_curves_go_best_first_and_say_how_many_are_left_out() -> None:
    made = entries(attacked(10 * i, attack=f"a{i:02d}") for i in range(10))
    chart, left_out = attack_curves("house", made)
    assert chart is not None
    assert chart.lines[0].label == "a09 (1)"
    assert (len(chart.lines), left_out) == (8, 2)


def test_a_training_that_diverged_wins_nothing_from_there_on() -> None:
    curve = [CurvePoint(steps=500, tally=tally(5, 10))]
    kept = attacked(50).model_copy(update={"curves": {"attack": curve}})
    failed = kept.model_copy(update={"failure": "NaN"})
    ends = [line.y[-1] for record in (kept, failed) if (line := band("x", [record], "attack"))]
    assert ends == [pytest.approx(50), 0]
