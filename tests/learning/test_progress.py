"""Which curves a training can have had, and which reports are kept, and how they are filed."""

from __future__ import annotations

import pytest

from benchmark.arena.tally import Tally
from benchmark.learning.progress import CurvePoint, condensed, impossible, is_news
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


def test_a_condensed_curve_keeps_counts_means_and_stages() -> None:
    """No window reaches from one stage of a training into the next."""
    curve = [
        CurvePoint(
            steps=k + 1,
            tally=Tally(wins=1, breakdown={"win:point": 1}),
            diagnostics={"stage": float(k >= 301), "share": float(k % 2)},
        )
        for k in range(601)
    ]
    short = condensed(curve)
    assert sum(point.tally.wins for point in short) == 601
    assert short[-1].steps == 601
    assert {point.diagnostics["stage"] for point in short} == {0.0, 1.0}
    assert len(short) == 151  # windows of 4, one cut short at the border
    assert all(0 <= point.diagnostics["share"] <= 1 for point in short)
    assert sum(p.diagnostics["share"] for p in short) / len(short) == pytest.approx(0.5, abs=0.01)
    assert condensed(curve[:150]) == curve[:150]
