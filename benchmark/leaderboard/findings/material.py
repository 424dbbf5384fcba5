"""What the page of findings is rendered from, and what rendering makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, NamedTuple

from benchmark.evaluation.protocol import is_whole
from benchmark.evaluation.statistics import student_interval, student_p
from benchmark.games.game import Tier
from benchmark.leaderboard import scoring
from benchmark.leaderboard.study import Row
from benchmark.leaderboard.table import Table
from benchmark.records.record import Record

PLAIN = "baseline"
"""The attack that is plain PPO, tuned."""
ABOVE, BELOW, OPEN, SINGLE, NONE = "above", "below", "open", "one seed", "not run"
"""What paired differences say: their interval lies above 0, below it, or holds it; or they are too
few to say anything."""

SURE = 0.05
"""The chance of an error in any of a table's comparisons, where it is adjusted for."""


class Place(NamedTuple):
    """Where a study was made."""

    game: str
    victim: str


@dataclass(frozen=True)
class Material:
    """Records and published figures.

    records: the latest ones, one vote a cell, under the games' usual options. original_rule: those
    of Pong with its original rule about slow balls. masked: those with the victim played blind,
    with a vote of their own. links: record id to where its file is. attacks, mixtures: by place the
    rows of those studies; varied: those of the studies of `ours`, by their names. published:
    figures that are in no record, by name.
    """

    records: Sequence[Record]
    original_rule: Sequence[Record]
    masked: Sequence[Record]
    links: Mapping[str, str]
    attacks: Mapping[Place, Sequence[Row]]
    varied: Mapping[str, Mapping[Place, Sequence[Row]]]
    mixtures: Mapping[Place, Sequence[Row]]
    published: Mapping[str, Mapping[str, Any]]


def whole_attacks(records: Iterable[Record], game: str, tier: Tier) -> list[list[Record]]:
    """Black-box attacks on undefended victims, a row each, seed by seed.

    With the tier's whole budget: a row of another has the same label.
    """
    return scoring.rows(
        r for r in records
        if (r.cell.game, r.cell.tier, r.cell.track) == (game, tier, "black-box")
        and r.cell.defense is None
        and is_whole(game, tier, r.cell.budget_steps)
    )  # fmt: skip


@dataclass
class Findings:
    """facts: texts by name, for the page's sentences. claims: by name, what the page may say."""

    tables: dict[str, Table] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)

    def add(self, other: Findings) -> None:
        """Take over all of another's."""
        self.tables |= other.tables
        self.facts |= other.facts
        self.claims |= other.claims


def verdict(values: Sequence[float]) -> str:
    """Whether paired differences lie above 0, below it, or are open, by Student's interval.

    Open too where they are all alike: without a spread there is no interval to go by.
    """
    if len(values) < 2:
        return SINGLE if values else NONE
    _, low, high = student_interval(values)
    if low == high:
        return OPEN
    return ABOVE if low > 0 else BELOW if high < 0 else OPEN


def side(values: Sequence[float]) -> str:
    """On which side of nought all of these are, each for itself; no interval is asked."""
    if not values:
        return NONE
    if all(value < 0 for value in values):
        return "all below"
    return "all above" if all(value > 0 for value in values) else "on both sides"


def chance(values: Sequence[float], comparisons: int = 1) -> str:
    """Student's p of paired differences, times the number of comparisons (Bonferroni), at most 1.

    '-' where one seed or none tells nothing.
    """
    return "-" if len(values) < 2 else chance_text(student_p(values), comparisons)


def chance_text(p: float, comparisons: int = 1) -> str:
    """A p times the number of comparisons, at most 1: '.014', '<.001'."""
    p = min(1.0, comparisons * p)
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def settled(values: Sequence[float], comparisons: int) -> str:
    """Whether paired differences are settled among so many comparisons (Bonferroni, 5 %)."""
    if len(values) < 2:
        return verdict(values)
    return "settled" if comparisons * student_p(values) < SURE else OPEN


def spread(values: Sequence[float], digits: int = 1) -> str:
    """The mean and the range of the values, '50.0 (40.0 to 60.0)'; of one, that it is one."""
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.{digits}f} (1 seed)"
    return f"{fmean(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def difference(values: Sequence[float], digits: int = 1) -> str:
    """The mean of paired differences with Student's 95 % interval, '+1.0 (-2.0 to +4.0)'."""
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:+.{digits}f} (1 seed)"
    return interval_text(*student_interval(values), digits=digits)


def interval_text(value: float, low: float, high: float, *, digits: int = 1) -> str:
    """A signed value with its interval, '+1.0 (-2.0 to +4.0)'."""
    return f"{value:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def points(values: Sequence[float]) -> list[float]:
    """Rates in [0, 1] as percentage points."""
    return [100 * value for value in values]
