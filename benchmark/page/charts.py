"""Charts as geometry: pure functions from numbers to paths and places, in pixels of a viewBox.

The templates draw them, so every text in them is escaped and every colour follows the theme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

COLOURS = 8
"""Colours of the style sheet; further lines repeat them dashed."""
ROOM = 21
"""Letters of a label beside a line; the whole of it is its tooltip."""
LETTER, NAMED = 7.0, 24.0
"""Widths: of a digit of a tick, of an axis's name with the gaps beside it."""
GAP = 15.0
"""Least distance of two labels at the lines' ends."""


@dataclass(frozen=True)
class Series:
    """A line with an optional band: x, y and low, high of equal length, x rising."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    dots: bool = False


@dataclass(frozen=True)
class Axis:
    """What an axis says and the range that it spans."""

    label: str
    low: float
    high: float
    digits: int = 0

    def at(self, value: float) -> float:
        """A value's place along the axis, 0 to 1."""
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Frame:
    """The size of a chart and the margins around its plot: left, top, right, bottom."""

    width: float = 572.0
    height: float = 290.0
    margin: tuple[float, float, float, float] = (46.0, 14.0, 176.0, 44.0)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The plot's left, top, right and bottom edge."""
        left, top, right, bottom = self.margin
        return left, top, self.width - right, self.height - bottom

    def x(self, share: float) -> float:
        """Pixels from the left of a share of the horizontal axis."""
        left, _, right, _ = self.box
        return round(left + share * (right - left), 1)

    def y(self, share: float) -> float:
        """Pixels from the top of a share of the vertical axis."""
        _, top, _, bottom = self.box
        return round(bottom - share * (bottom - top), 1)


WIDE = Frame()
SQUARE = Frame(420.0, 340.0, (52.0, 14.0, 24.0, 46.0))
SMALL = Frame(280.0, 130.0, (46.0, 10.0, 12.0, 24.0))


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: where, and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """A drawn series: SVG paths, and a label beside its end."""

    label: str
    colour: int
    dashed: bool
    path: str
    band: str = ""
    dots: Sequence[tuple[float, float]] = ()
    end: tuple[float, float] = (0.0, 0.0)
    label_y: float = 0.0

    @property
    def short(self) -> str:
        """The label as far as there is room; what stands in brackets at its end is kept."""
        head, bracket, tail = self.label.rpartition(" (")
        if len(self.label) <= ROOM or not bracket or len(tail) >= ROOM // 2:
            return self.label if len(self.label) <= ROOM else self.label[: ROOM - 1] + "\u2026"
        return f"{head[: ROOM - len(tail) - 3].rstrip()}\u2026 ({tail}"


@dataclass(frozen=True)
class Dot:
    """A point of a plane; the mean of several is named, to its left where it is on the right."""

    x: float
    y: float
    colour: int
    label: str = ""
    label_y: float = 0.0
    left: bool = False


@dataclass(frozen=True)
class Chart:
    """All that a template needs to draw it. summary: the same in words."""

    title: str
    summary: str
    frame: Frame
    x_label: str
    y_label: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    lines: Sequence[Line] = ()
    points: Sequence[Dot] = field(default=())


def roomy(frame: Frame, texts: Sequence[str]) -> Frame:
    """The frame, its left margin as wide as the ticks' texts and the axis's name need."""
    left, top, right, bottom = frame.margin
    needed = NAMED + LETTER * max(map(len, texts), default=0)
    return frame if needed <= left else replace(frame, margin=(needed, top, right, bottom))


def ticks(axis: Axis, count: int = 5) -> list[float]:
    """About `count` round values (1, 2 or 5 times a power of ten) within an axis."""
    rough = (axis.high - axis.low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((m * power for m in (1, 2, 5, 10)), key=lambda s: abs(s - rough))
    first, last = math.ceil(axis.low / step - 1e-9), math.floor(axis.high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def spread(wanted: Sequence[float], low: float, high: float, gap: float = GAP) -> list[float]:
    """Places as near to the wanted ones as `gap` between them allows, within low..high.

    Where there is no room for all, they overlap evenly.
    """
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    places = [0.0] * len(wanted)
    floor = low
    for i in order:  # down the page, each below the one before
        places[i] = max(floor, min(wanted[i], high))
        floor = places[i] + gap
    ceiling = high
    for i in reversed(order):  # and up again from the bottom
        places[i] = min(places[i], ceiling)
        ceiling = places[i] - gap
    return [round(place, 1) for place in places]


def line_chart(
    title: str, series: Sequence[Series], x: Axis, y: Axis, *, frame: Frame = WIDE, summary: str
) -> Chart:
    """Lines over a common horizontal axis, labelled at their ends."""
    few = 3 if frame is SMALL else 5
    texts = [number(value, y.digits) for value in ticks(y, few)]
    frame = roomy(frame, texts)
    drawn = [_line(one, index, x, y, frame) for index, one in enumerate(series) if one.x]
    _, top, _, bottom = frame.box
    places = spread([line.end[1] for line in drawn], top, bottom)
    lines = [
        Line(**{**vars(line), "label_y": place})
        for line, place in zip(drawn, places, strict=True)
    ]  # fmt: skip
    return Chart(
        title, summary, frame, x.label, y.label,
        [Tick(frame.x(x.at(v)), number(v, x.digits)) for v in ticks(x, few)],
        [Tick(frame.y(y.at(v)), text) for v, text in zip(ticks(y, few), texts, strict=True)],
        lines,
    )  # fmt: skip


def plane_chart(
    title: str, groups: Sequence[tuple[str, Sequence[tuple[float, float]]]], x: Axis, y: Axis, *,
    summary: str,
) -> Chart:  # fmt: skip
    """Groups of points in a plane: each point small, their mean large and named."""
    points = [
        Dot(SQUARE.x(x.at(across)), SQUARE.y(y.at(up)), index % COLOURS)
        for index, (_, pairs) in enumerate(groups)
        for across, up in pairs
    ]
    points += _named([(label, _mean(pairs)) for label, pairs in groups], x, y)
    return Chart(
        title, summary, SQUARE, x.label, y.label,
        [Tick(SQUARE.x(x.at(v)), number(v, x.digits)) for v in ticks(x)],
        [Tick(SQUARE.y(y.at(v)), number(v, y.digits)) for v in ticks(y)],
        points=points,
    )  # fmt: skip


def _mean(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The middle of points."""
    return sum(a for a, _ in pairs) / len(pairs), sum(b for _, b in pairs) / len(pairs)


def _named(groups: Sequence[tuple[str, tuple[float, float]]], x: Axis, y: Axis) -> list[Dot]:
    """Dots with labels that keep apart."""
    _, top, _, bottom = SQUARE.box
    heights = [SQUARE.y(y.at(up)) for _, (_, up) in groups]
    return [
        Dot(SQUARE.x(x.at(across)), height, index % COLOURS, label, place, x.at(across) > 0.5)
        for index, ((label, (across, _)), height, place) in enumerate(
            zip(groups, heights, spread(heights, top, bottom), strict=True)
        )
    ]


def number(value: float, digits: int) -> str:
    """A tick's text; no minus before a zero."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _line(one: Series, index: int, x: Axis, y: Axis, frame: Frame) -> Line:
    across = [frame.x(x.at(value)) for value in one.x]
    points = list(zip(across, (frame.y(y.at(v)) for v in one.y), strict=True))
    band = ""
    if len(one.low):
        upper = list(zip(across, (frame.y(y.at(v)) for v in one.high), strict=True))
        lower = list(zip(across, (frame.y(y.at(v)) for v in one.low), strict=True))
        band = path([*upper, *reversed(lower)]) + "Z"
    return Line(
        one.label, index % COLOURS, index >= COLOURS, path(points), band,
        points if one.dots or len(points) == 1 else (), points[-1],
    )  # fmt: skip


def path(points: Sequence[tuple[float, float]]) -> str:
    """SVG's path data through points."""
    return "M" + " ".join(f"{x:g} {y:g}" for x, y in points)
