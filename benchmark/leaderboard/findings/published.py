"""Figures that are in no record: what others published, and how the published players do here.

`results/published.toml` holds the first, each with its source; the table of docs/fidelity.md, as
`make fidelity` prints it, the second.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.errors import CheckFailed, Misuse, first_problem

FIDELITY = "fidelity.md"
"""The page of the docs that says how the published players do in either physics."""


def published(path: Path) -> dict[str, dict[str, Any]]:
    """Figures that others published, by table and name; raises Misuse where some are missing."""
    try:
        tables = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise Misuse(f"{path}: {error}") from error
    try:
        _Published.model_validate(tables)
    except ValidationError as error:
        raise Misuse(f"{path}: {first_problem(error)}; mend the table") from error
    return tables


class _Window(BaseModel):
    """Training matches between two counts of steps (M), over the published runs."""

    start: float = Field(alias="from")
    end: float = Field(alias="to")
    mean: float
    sd: float | None = None


class _Drawn(_Window):
    """One with a deviation, which is drawn as a band."""

    sd: float


class _Curve(BaseModel):
    """A published training's course."""

    runs: int
    without: str | None = None
    windows: Sequence[_Window] = ()


class _Attack(_Curve):
    """The published attack's, which a figure draws."""

    windows: Sequence[_Drawn] = Field(min_length=1)


class _Published(BaseModel):
    """What is drawn of it. Sentences name the rest, and are refused where it is missing."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, _Curve]

    attack: _Attack


def fidelity(page: Path) -> dict[str, str]:
    """What the regular blocker wins in either physics, as `make fidelity` measured it.

    change: in points, from the ranked to the original physics; error: its standard error.
    """
    players, count = ("zoo-blocker-v1", "zoo-runner-v1"), 1000
    for line in read_text(page).splitlines():
        cells = [cell.strip(" `") for cell in line.split("|")]
        if tuple(cells[2:5]) == (*players, str(count)):
            return _in_both(cells[5:7], count, page)
    raise CheckFailed(f"{page}: no row of {' against '.join(players)}, {count} matches")


def _in_both(cells: Sequence[str], count: int, page: Path) -> dict[str, str]:
    """Two cells that begin with the blocker's share of the wins, in percent."""
    try:
        ranked, original = (cell.partition(" / ")[0] for cell in cells)
        here, there = (float(text.split()[0]) for text in (ranked, original))
    except (ValueError, IndexError) as error:
        raise CheckFailed(
            f"{page}: expected 'percent (interval) / ..' in either physics, got {list(cells)}; "
            "`make fidelity` prints the row"
        ) from error
    error_of_both = sqrt((here * (100 - here) + there * (100 - there)) / count)
    return {"ranked": ranked, "original": original,
            "change": f"{there - here:+.1f}", "error": f"{error_of_both:.1f}"}  # fmt: skip


def read_text(path: Path) -> str:
    """A page or a table as text; raises Misuse where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Misuse(f"{path}: cannot be read ({error.strerror})") from error
