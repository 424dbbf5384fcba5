"""What a training tells the outside while it runs, and how it survives being killed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Protocol

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from benchmark.arena.tally import Tally
from benchmark.learning import checkpoint as checkpoints
from benchmark.learning.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class CurvePoint:
    """Training matches that ended since the point before, and the method's diagnostics."""

    steps: int
    tally: Tally
    diagnostics: dict[str, float] = Field(default_factory=dict)


STAGE = "stage"
"""The diagnostic that says which of several trainings a point of the curve is of."""
CURVE_POINTS = 200
"""About how many windows of a curve a record keeps."""
CURVE = TypeAdapter(list[CurvePoint])
"""Reads and writes a curve as JSON's lists and objects."""


def impossible(curve: Iterable[CurvePoint], steps: int) -> str | None:
    """Why a training of `steps` environment steps cannot have had this curve; None: it can."""
    before = 0
    for point in curve:
        if point.steps <= before:
            return f"its steps must rise, got {point.steps} after {before}"
        if point.tally.episodes > point.steps - before:
            return f"{point.tally.episodes} matches ended in {point.steps - before} steps"
        before = point.steps
    return f"ends at {before} steps of {steps}" if before > steps else None


def is_news(point: CurvePoint, curve: Sequence[CurvePoint]) -> bool:
    """Whether anything was played since the curve's last point; a report of nothing is dropped."""
    before = curve[-1].steps if curve else 0
    return point.steps != before or point.tally.episodes > 0


def condensed(curve: list[CurvePoint]) -> list[CurvePoint]:
    """The curve in about CURVE_POINTS windows: counts add up, diagnostics are their means.

    No window reaches from one stage of a training into the next.
    """
    width = -(-len(curve) // CURVE_POINTS) or 1
    stages = groupby(curve, key=lambda point: point.diagnostics.get(STAGE))
    windows = [
        points[i : i + width]
        for points in (list(stage) for _, stage in stages)
        for i in range(0, len(points), width)
    ]
    return [
        CurvePoint(
            steps=window[-1].steps,
            tally=Tally.sum(point.tally for point in window),
            diagnostics=_means([point.diagnostics for point in window]),
        )
        for window in windows
    ]


def _means(diagnostics: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each diagnostic over the points that have it."""
    names = dict.fromkeys(name for point in diagnostics for name in point)
    found = {name: [point[name] for point in diagnostics if name in point] for name in names}
    return {name: round(sum(values) / len(values), 6) for name, values in found.items()}


class Progress(Protocol):
    """Handed to every training: where to report and where to keep a checkpoint."""

    def report(self, point: CurvePoint) -> None:
        """Show a point of the learning curve; kept for the record."""

    def resume(self) -> Checkpoint | None:
        """The checkpoint to continue from, if an earlier run left one."""

    def due(self) -> bool:
        """Whether it is time for a checkpoint."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Store a checkpoint atomically, in place of the one before."""


class Kept:
    """Checkpoints in one file, whenever one is to be had: half of a `Progress`."""

    def __init__(self, path: Path):
        self._path = path

    def resume(self) -> Checkpoint | None:
        """The last one, where it is whole; raises OSError where it cannot be read."""
        return checkpoints.read(self._path)

    def due(self) -> bool:
        """Always."""
        return True

    def save(self, checkpoint: Checkpoint) -> None:
        """In place of the one before."""
        checkpoints.write(checkpoint, self._path)


class CurveLog(Protocol):
    """Another place that a curve's points go to while a training runs; it moves no result."""

    def restart(self, curve: Iterable[CurvePoint] = ()) -> None:
        """Begin anew, with the points so far."""

    def add(self, point: CurvePoint) -> None:
        """Log a point."""

    def close(self) -> None:
        """Write what is left."""


class NoLog:
    """The curve goes nowhere else."""

    def restart(self, curve: Iterable[CurvePoint] = ()) -> None:
        """Nothing."""

    def add(self, point: CurvePoint) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Quiet:
    """Reports into a list and keeps no checkpoint: for tests and one-off trainings."""

    def __init__(self) -> None:
        self.curve: list[CurvePoint] = []

    def report(self, point: CurvePoint) -> None:
        """Keep the point."""
        self.curve.append(point)

    def resume(self) -> Checkpoint | None:
        """There is none."""
        return None

    def due(self) -> bool:
        """Never."""
        return False

    def save(self, checkpoint: Checkpoint) -> None:
        """Dropped."""
