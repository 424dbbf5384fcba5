"""Geometry of charts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.page.charts import (
    ROOM,
    WIDE,
    Axis,
    Line,
    Series,
    line_chart,
    plane_chart,
    spread,
    ticks,
)

X, Y = Axis("steps", 0, 4), Axis("wins", 0, 100)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 100, [0, 20, 40, 60, 80, 100]), (0, 8, [0, 2, 4, 6, 8]), (-9, 1, [-8, -6, -4, -2, 0])],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(Axis("", low, high)) == pytest.approx(expected)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_stay_within(low: float, size: float) -> None:
    axis = Axis("", low, low + size)
    found = ticks(axis)
    slack = 1e-6 * (abs(low) + size)
    assert all(axis.low - slack <= value <= axis.high + slack for value in found)
    assert 2 <= len(found) <= 12


@given(st.lists(st.floats(-50, 400), max_size=30))
def test_labels_keep_apart_and_inside(wanted: list[float]) -> None:
    places = sorted(spread(wanted, 10, 250))
    gap = min(15.0, 240 / max(len(wanted) - 1, 1))
    assert all(9.9 <= place <= 250.1 for place in places)
    assert all(b - a >= gap - 0.3 for a, b in pairwise(places))


def test_labels_with_room_stay_where_they_are() -> None:
    assert spread([30, 200, 100], 0, 250) == [30, 200, 100]


def test_a_line_spans_its_axes_and_a_higher_value_is_higher_up() -> None:
    chart = line_chart("t", [Series("a", [0, 4], [0, 100], [0, 90], [5, 100])], X, Y, summary="s")
    left, top, right, bottom = chart.frame.box
    (line,) = chart.lines
    assert line.path == f"M{left:g} {bottom:g} {right:g} {top:g}"
    assert line.end == (right, top)
    assert line.band.startswith("M")
    assert line.band.endswith("Z")


def test_more_lines_than_colours_are_dashed() -> None:
    many = [Series(str(i), [0, 1], [i, i]) for i in range(9)]
    chart = line_chart("t", many, X, Y, summary="s")
    assert [line.dashed for line in chart.lines] == [False] * 8 + [True]
    assert chart.lines[8].colour == 0


def test_a_line_of_one_point_is_a_dot() -> None:
    chart = line_chart("t", [Series("a", [2], [50])], X, Y, summary="s")
    assert len(chart.lines[0].dots) == 1


def test_a_plane_names_the_mean_of_each_group() -> None:
    chart = plane_chart(
        "t", [("p = 1", [(0, 0), (2, 100)])], Axis("", 0, 4), Axis("", 0, 100), summary="s"
    )
    named = [dot for dot in chart.points if dot.label]
    small = [dot for dot in chart.points if not dot.label]
    assert len(small) == 2
    assert (named[0].x, named[0].y) == (
        (small[0].x + small[1].x) / 2, (small[0].y + small[1].y) / 2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("label", "short"),
    [
        ("ours (5)", "ours (5)"),
        ("ours eta=0.2 mode=loss saliency=gradient (8)", "ours eta=0.2 mod\u2026 (8)"),
        ("a" * 40, "a" * 20 + "\u2026"),
        ("x (" + "y" * 40 + ")", "x (" + "y" * 17 + "\u2026"),
    ],
)
def test_a_long_label_keeps_its_number_of_seeds(label: str, short: str) -> None:
    assert Line(label, 0, False, "").short == short
    assert len(short) <= ROOM + 1


def test_a_long_tick_has_room() -> None:
    """'-1.7080' would lose its minus at the page's edge, and read as positive."""
    series = [Series("log std", [0.0, 1.0], [-1.7080, -0.5035])]
    made = line_chart(
        "t", series, Axis("steps", 0, 1), Axis("log std", -1.708, -0.5035, 4), summary=""
    )
    widest = max(len(tick.text) for tick in made.y_ticks)
    assert widest == 7
    assert made.frame.margin[0] >= 8 + 7 * widest + 12
    assert made.lines[0].path.startswith(f"M{made.frame.box[0]:g} ")
    plain = line_chart("t", series, Axis("steps", 0, 1), Axis("won", -2, 0), summary="")
    assert plain.frame.margin == WIDE.margin
