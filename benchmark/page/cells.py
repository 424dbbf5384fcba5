"""What the text of a table's cell says as numbers: to sort by, to draw its interval, to shade.

The board's tables hold text, so that every reader sees the same digits; the page reads these and
computes none of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, prod

NUMBER = r"[-+]?\d+(?:\.\d+)?"
_INTERVAL = re.compile(rf"(?:<= )?({NUMBER}) \(({NUMBER})(?:-| to )({NUMBER})\)")
_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "s": 1.0, "min": 60.0, "h": 3600.0}
_QUANTITY = re.compile(rf"(?:<= )?({NUMBER})(?: (k|M|G|s|min|h))?(?: \(.*\))?")
_LAST = re.compile(rf".* ({NUMBER})(?: %)?")
WHISKER = (72.0, 10.0)
"""Width and height of a whisker, in pixels."""
EDGE = 3.0  # so that a dot at the end is not cut
LEVELS = 10
"""Shades of a heat map above none."""


def sort_value(text: str) -> float | None:
    """What a cell of numbers is sorted by: the value before its interval; None for '-' and words.

    'never' is infinite, '5 x 8 M' the product, '1.3 min' in seconds; of words and a number, as in
    'slow ball 86 %', it is the number.
    """
    if text.startswith("never"):
        return inf
    if " x " in text:
        factors = [sort_value(part.split("-")[0]) for part in text.split(" x ")]
        return None if None in factors else prod(f for f in factors if f is not None)
    if found := _QUANTITY.fullmatch(text):
        return float(found[1]) * _UNITS[found[2] or ""]
    last = _LAST.fullmatch(text)
    return float(last[1]) if last else None


def interval(text: str) -> tuple[float, float, float] | None:
    """Value, low and high of '96.8 (94.6-98.5)'; None where there is no interval."""
    found = _INTERVAL.fullmatch(text)
    return (float(found[1]), float(found[2]), float(found[3])) if found else None


@dataclass(frozen=True)
class Whisker:
    """An interval as a line and its value as a dot, in pixels."""

    low: float
    value: float
    high: float


def domain(texts: Sequence[str]) -> tuple[float, float]:
    """The range that a column's whiskers share: shares, percents, or what the intervals span.

    Shares have two decimals or more, percents one or none: .9 % is not a share of .9.
    """
    known = [(text, found) for text in texts if (found := interval(text))]
    if not known:
        return 0.0, 100.0
    low = min(min(found) for _, found in known)
    high = max(max(found) for _, found in known)
    if low >= 0 and high <= 1 and all(_decimals(text) >= 2 for text, _ in known):
        return 0.0, 1.0
    if low >= 0 and high <= 100:
        return 0.0, 100.0
    return min(low, 0.0), max(high, 0.0)


def whisker(text: str, span: tuple[float, float]) -> Whisker | None:
    """A cell's interval within its column's range; None where it has none."""
    found = interval(text)
    if found is None:
        return None
    low, high = span
    room = WHISKER[0] - 2 * EDGE
    value, left, right = (round(EDGE + room * (v - low) / (high - low), 1) for v in found)
    return Whisker(left, value, right)


def heat(text: str) -> int | None:
    """The shade of a win rate in percent, 0 to LEVELS; None where nothing was played."""
    value = sort_value(text)
    return None if value is None else min(LEVELS, max(0, int(value * LEVELS / 100 + 0.5)))


def _decimals(text: str) -> int:
    """The most decimals of a number in a text."""
    return max((len(part) for part in re.findall(r"\.(\d+)", text)), default=0)
