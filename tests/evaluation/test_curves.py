"""Learning curves: areas, times and bins against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.evaluation.curves import area, binned, rate_between, steps_to
from benchmark.learning.progress import CurvePoint
from tests.factories import tally

POINTS = st.lists(
    st.tuples(st.integers(1, 500), st.integers(0, 300), st.integers(0, 300)), min_size=1
)


def curve(*points: tuple[int, int, int]) -> list[CurvePoint]:
    """Points of (steps, wins, matches)."""
    return [CurvePoint(steps=s, tally=tally(wins, n)) for s, wins, n in points]


def random_curve(points: list[tuple[int, int, int]]) -> list[CurvePoint]:
    """A curve from (more steps, wins, losses)."""
    steps = np.cumsum([more for more, _, _ in points])
    return curve(*((int(s), w, w + n) for s, (_, w, n) in zip(steps, points, strict=True)))


def test_area_of_a_staircase() -> None:
    assert area(curve((25, 0, 10), (50, 5, 10), (100, 10, 10)), 100) == pytest.approx(0.625)


def test_a_point_without_matches_holds_the_rate_before() -> None:
    assert area(curve((50, 10, 10), (100, 0, 0)), 100) == 1.0


def test_what_a_failed_training_never_played_counts_as_lost() -> None:
    assert area(curve((50, 10, 10)), 100) == 0.5


def test_steps_past_the_budget_count_nothing() -> None:
    assert area(curve((100, 0, 10), (200, 10, 10)), 100) == 0.0


def test_a_curve_that_does_not_rise_is_refused() -> None:
    with pytest.raises(ValueError, match="must rise, got 10 after 10"):
        area(curve((10, 1, 2), (10, 1, 2)), 20)


@given(POINTS)
def test_area_is_a_mean_of_rates(points: list[tuple[int, int, int]]) -> None:
    """Recomputed step by step."""
    made, rate, rates = random_curve(points), 0.0, []
    for point, (more, *_) in zip(made, points, strict=True):
        rate = point.tally.win_rate if point.tally.episodes else rate
        rates += [rate] * more
    assert area(made, made[-1].steps) == pytest.approx(float(np.mean(rates)))


def test_steps_to_counts_over_the_last_matches() -> None:
    """150 of the last 200 at 30; at 20 only 50 of 200."""
    made = curve((10, 0, 100), (20, 50, 100), (30, 100, 100))
    assert steps_to(made, 0.5) == 30
    assert steps_to(made, 0.75) == 30
    assert steps_to(made, 0.76) is None


def test_a_few_lucky_matches_are_no_half() -> None:
    assert steps_to(curve((10, 50, 50), (20, 0, 150)), 0.5) is None


def test_bins_are_equal_shares_and_nan_without_matches() -> None:
    made = curve((25, 1, 4), (50, 3, 4), (100, 0, 0))
    np.testing.assert_array_equal(binned(made, 100, 2), [0.5, np.nan])
    assert rate_between(made, 25, 50) == 0.75
    assert rate_between(made, 50, 100) is None
