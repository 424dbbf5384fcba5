"""Which curves a training can have had, and which reports are kept."""

from __future__ import annotations

import pytest

from benchmark.learning.progress import CurvePoint, impossible, is_news
from tests.factories import tally


@pytest.mark.parametrize(
    ("curve", "told"),
    [
        ([(10, 2), (20, 0)], None),
        ([(0, 0)], "must rise, got 0 after 0"),
        ([(10, 2), (10, 0)], "must rise, got 10 after 10"),
        ([(10, 2), (5, 0)], "must rise, got 5 after 10"),
        ([(10, 11)], "11 matches ended in 10 steps"),
        ([(30, 2)], "ends at 30 steps of 20"),
    ],
)
def test_a_curve_that_no_training_had_is_told(
    curve: list[tuple[int, int]], told: str | None
) -> None:
    """Steps, and matches that ended since the point before; of a training of 20 steps."""
    found = impossible([CurvePoint(steps, tally(0, ended)) for steps, ended in curve], 20)
    assert found == told if told is None else told in (found or "")


def test_a_report_of_nothing_is_dropped() -> None:
    """Before the first step, and twice in a row; what ended without a step is kept, to be told."""
    curve: list[CurvePoint] = []
    for steps, ended in ((0, 0), (10, 1), (10, 0), (20, 0), (20, 1)):
        point = CurvePoint(steps, tally(0, ended))
        curve += [point] if is_news(point, curve) else []
    assert [(p.steps, p.tally.episodes) for p in curve] == [(10, 1), (20, 0), (20, 1)]
