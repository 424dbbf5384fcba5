"""A study of defenses as a picture: robustness beside generality over the variants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import Misuse
from benchmark.leaderboard import scoring
from benchmark.leaderboard.defense_study import known
from benchmark.leaderboard.figure import style, write_figure
from benchmark.leaderboard.scoring import DefenseParts
from benchmark.leaderboard.study import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Part = Callable[[DefenseParts], float | None]
LINES: tuple[tuple[str, Part], ...] = (
    ("against the stored adversary", lambda part: part.stored),
    ("against held-out ones", lambda part: part.held_out),
    ("against a fresh one", lambda part: part.fresh),
    ("clean play kept (at most 1)", lambda part: part.clean),
)


def save_defense_figure(path: Path, title: str, rows: Sequence[Row]) -> None:
    """Draw a study of defenses into a .svg or .png file; see `figure.save_figure`."""
    done = [row for row in rows if row.records]
    if not done:
        raise Misuse("no record of this study yet, so there is nothing to draw")

    def draw(left: Axes, right: Axes) -> None:
        _draw_lines(left, done)
        _draw_plane(right, done)

    write_figure(path, title, draw)


def _draw_lines(axes: Axes, rows: Sequence[Row]) -> None:
    """Each part over the variants: the mean over seeds, with the seeds' range."""
    for index, (label, of) in enumerate(LINES):
        points = [(at, values) for at, row in enumerate(rows) if (values := _values(row, of))]
        at = [float(one) for one, _ in points]
        axes.plot(at, [sum(v) / len(v) for _, v in points], "o-", label=label, ms=3,
                  color=style(index)["color"])  # fmt: skip
        axes.fill_between(
            at, [min(v) for _, v in points], [max(v) for _, v in points],
            color=style(index)["color"], alpha=0.12, lw=0,
        )  # fmt: skip
    axes.set_xticks(range(len(rows)), [row.label for row in rows], rotation=20, ha="right")
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("share of matches held; of clean play kept")
    axes.legend(frameon=False, fontsize=8, title="mean and range of seeds")
    axes.grid(axis="y", alpha=0.25)


def _draw_plane(axes: Axes, rows: Sequence[Row]) -> None:
    """Every variant where robustness against fresh adversaries meets clean play."""
    for index, row in enumerate(rows):
        parts = [scoring.defense_parts(record) for record in row.records]
        pairs = [(p.clean, p.fresh) for p in parts if p.clean is not None and p.fresh is not None]
        if not pairs:
            continue
        clean, fresh = (list(side) for side in zip(*pairs, strict=True))
        colour = style(index)["color"]
        axes.plot(clean, fresh, ".", color=colour, alpha=0.4)
        middle = sum(clean) / len(clean), sum(fresh) / len(fresh)
        axes.plot(*middle, "o", color=colour)
        axes.annotate(row.label, middle, (5, 4), textcoords="offset points", fontsize=8)
    axes.set(xlabel="clean play kept", ylabel="matches held against a fresh adversary")
    axes.set_xlim(right=1.02)
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.25)


def _values(row: Row, of: Part) -> list[float]:
    return known([scoring.defense_parts(record) for record in row.records], of)
