"""Numbers read from the text of the board's cells."""

from __future__ import annotations

from math import inf

import pytest

from benchmark.leaderboard.table import rate_text
from benchmark.page.cells import WHISKER, domain, heat, interval, sort_value, whisker
from tests.factories import tally


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("96.8 (94.6-98.5)", 96.8), ("<= 45.0 (31.0-58.0)", 45.0), ("98.0 (1 seed)", 98.0),
        ("-", None), ("never", inf), ("never (2 of 3)", inf), ("1.08 (2 of 3)", 1.08),
        ("slow ball 86 %", 86.0), ("may1 96.6", 96.6), ("+68.8", 68.8), ("-11.8", -11.8),
        ("5 x 8 M", 4e7), ("5 x 1 G", 5e9), ("2 x 3-8 x 2 M", 1.2e7), ("1.84 M", 1.84e6),
        ("300 k", 3e5), ("33.2 s", 33.2), ("1.3 min", 78.0), ("2.0 h", 7200.0), ("8", 8.0),
        ("-0.000", 0.0), ("a name", None), ("x x y", None), ("<script>", None), ("", None),
    ],
)  # fmt: skip
def test_sort_value(text: str, value: float | None) -> None:
    assert sort_value(text) == value


def test_units_are_compared_and_not_digits() -> None:
    ordered = ["33.2 s", "1.3 min", "20 min", "1.1 h"]
    assert sorted(ordered, key=lambda text: sort_value(text) or 0) == ordered


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("96.8 (94.6-98.5)", (96.8, 94.6, 98.5)), ("<= 0.5 (0.1-2.8)", (0.5, 0.1, 2.8)),
        ("+3.2 (-1.0 to +5.5)", (3.2, -1.0, 5.5)), ("98.0 (1 seed)", None), ("-", None),
        ("never (2 of 3)", None),
    ],
)  # fmt: skip
def test_interval(text: str, found: tuple[float, float, float] | None) -> None:
    assert interval(text) == found


def test_what_the_board_writes_is_read() -> None:
    assert interval(rate_text(tally(50, 200))) == (25.0, 19.5, 31.4)


@pytest.mark.parametrize(
    ("texts", "span"),
    [
        (["96.8 (94.6-98.5)", "-"], (0, 100)),
        (["0.5 (0.1-0.9)"], (0, 100)),  # a percent below one is no share
        (["0.96 (0.93-0.97)"], (0, 1)),
        (["+3.2 (-1.0 to +5.5)"], (-1.0, 5.5)),
        (["-"], (0, 100)),
    ],
)
def test_domain(texts: list[str], span: tuple[float, float]) -> None:
    assert domain(texts) == span


def test_whiskers_are_in_order_and_within_their_picture() -> None:
    drawn = whisker("50.0 (0.0-100.0)", (0, 100))
    assert drawn is not None
    assert 0 < drawn.low < drawn.value < drawn.high < WHISKER[0]
    assert drawn.value == WHISKER[0] / 2
    assert whisker("50.0 (1 seed)", (0, 100)) is None


def test_heat_rises_with_the_rate() -> None:
    assert [heat(text) for text in ("0 (0-2)", "53 (49-57)", "97 (96-97)", "-")] == [0, 5, 10, None]
