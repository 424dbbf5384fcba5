"""The table of a study: what each variant reached, how fast, and by how much it differs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import stdev

import numpy as np

from benchmark.evaluation import curves
from benchmark.evaluation.statistics import bootstrap_mean, student_interval
from benchmark.leaderboard import scoring
from benchmark.leaderboard.beside import median_steps
from benchmark.leaderboard.table import Table, steps_text
from benchmark.records.record import Record

ADDED = "added_gradient"
"""The diagnostic of an attack's curve that says how large its part of the gradient is."""
AGREES = "signal_agreement"
"""The one that says whether won matches had more of what it pays for (attacks/agreement.py)."""
MARKS = (0.5, 0.8)
"""Win rates whose first time is told."""
NOTE = (
    "win rate: mean over seeds of the evaluation's (the final policy, its mean action). sd: its "
    "standard deviation over seeds, in points. AUC: 100 x the mean over the budget of the win "
    "rate while training. Differences are paired by seed, to '{reference}'. to 50 / 80 %: steps "
    "after which so many of at least the last 200 training matches were won, the upper median "
    "over all seeds ('never' where most did not get there). replay: under the game's other "
    "physics. added: norm of the gradient that the method adds to the loss over that of PPO's "
    "own, the mean over the training; '-' where it adds none. agrees: r between what the method "
    "pays for, its mean over a match, and winning it, over the matches that end in a rollout; the "
    "mean over the rollouts in which 20 ended, some won and some not; a signal that grows along a "
    "match is greater in long ones, whoever wins them. '-' where it pays for nothing, and of "
    "records from before 30 November 2026, which do not tell it. Intervals: percentile bootstrap "
    "over seeds, which covers .76 instead of .95 with 3 seeds (it is then their range) and .84 "
    "with 5; so of the difference of AUC Student's interval stands beside it, which takes "
    "differences for normal, and where the two do not agree it is the one to go by. The rows are "
    "many and their intervals each for itself. in: seeds that are done, of those asked for."
)


@dataclass(frozen=True)
class Row:
    """One variant's records, a seed each."""

    label: str
    records: Sequence[Record]

    @property
    def seeds(self) -> dict[int, Record]:
        """The records by training seed."""
        return {record.cell.seed: record for record in self.records}


def study_table(title: str, rows: Sequence[Row], reference: Row, asked: int) -> Table:
    """A study's table; `reference`, one of its rows, is what the others are compared with.

    asked: how many seeds the study has when it is complete.
    """
    table = Table(
        title,
        [
            "variant", "win rate (95 %)", "difference", "sd", "AUC (95 %)", "difference ",
            "Student's 95 %", "to 50 / 80 %", "replay", "added", "agrees", "in",
        ],
        words=1,
        note=NOTE.format(reference=reference.label),
    )  # fmt: skip
    for row in rows:
        table.rows.append(
            [
                row.label,
                _mean(row, scoring.win_rate),
                _difference(row, reference, scoring.win_rate),
                _spread(row),
                _mean(row, area),
                _difference(row, reference, area),
                _student(row, reference),
                _times(row),
                _replayed(row),
                added(row),
                _agrees(row),
                f"{len(row.records)} of {max(asked, len(row.records))}",
            ]
        )
        for flag in sorted({flag for record in row.records for flag in record.flags}):
            table.flags.append(f"{row.label}: {flag}")
    return table


def area(record: Record) -> float:
    """The area under an attack's training curve, in [0, 1]."""
    return curves.area(record.curves["attack"], record.cell.budget_steps)


def binned(record: Record, name: str, span_steps: int, bins: int) -> curves.Float:
    """A training's win rates (bins,) in percent over so many steps; NaN where none is known.

    One that diverged wins nothing from there on, as in its area.
    """
    rates = 100 * curves.binned(record.curves[name], span_steps, bins)
    if record.failure is not None:
        known = np.flatnonzero(~np.isnan(rates))
        rates[known[-1] + 1 if len(known) else 0 :] = 0.0
    return rates


def differences(row: Row, reference: Row, value: Callable[[Record], float]) -> list[float]:
    """value(row) - value(reference) for every seed that both have."""
    mine, theirs = row.seeds, reference.seeds
    return [value(mine[s]) - value(theirs[s]) for s in sorted(mine.keys() & theirs.keys())]


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % bootstrap interval of values over seeds, which holds the mean.

    Its ends are rounded and the mean is not: of a single seed they are the same but for that.
    """
    low, high = bootstrap_mean(values, seed=scoring.BOOTSTRAP_SEED)
    mean = sum(values) / len(values)
    return mean, min(low, mean), max(high, mean)


def _mean(row: Row, value: Callable[[Record], float]) -> str:
    return _points([value(record) for record in row.records], "")


def _difference(row: Row, reference: Row, value: Callable[[Record], float]) -> str:
    return "-" if row is reference else _points(differences(row, reference, value), "+")


def _student(row: Row, reference: Row) -> str:
    """Student's interval of the difference of AUC, in points; '-' of fewer than two pairs."""
    values = [] if row is reference else differences(row, reference, area)
    if len(values) < 2:
        return "-"
    _, low, high = student_interval(values)
    return f"{100 * low:+.1f} to {100 * high:+.1f}"


def _points(values: Sequence[float], sign: str) -> str:
    """Percentage points with their interval, '-' for none, no interval for a single one."""
    if not values:
        return "-"
    mean, low, high = (100 * value for value in interval(values))
    if len(values) == 1:
        return f"{mean:{sign}.1f}"
    return f"{mean:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"


def _spread(row: Row) -> str:
    rates = [100 * scoring.win_rate(record) for record in row.records]
    return f"{stdev(rates):.1f}" if len(rates) > 1 else "-"


def _times(row: Row) -> str:
    """Steps to each of the marks: '1.05 M / never'."""
    times = (steps_text(median_steps(row.records, mark)) for mark in MARKS)
    return " / ".join(times) if row.records else "-"


def added(row: Row) -> str:
    """How much of the gradient is the method's own, by the curves' diagnostic."""
    found = told(row, ADDED)
    return f"{sum(found) / len(found):.3g}" if found else "-"


def _agrees(row: Row) -> str:
    found = told(row, AGREES)
    return f"{sum(found) / len(found):+.2f}" if found else "-"


def told(row: Row, name: str) -> list[float]:
    """A diagnostic, wherever the training curves have it."""
    return [
        point.diagnostics[name]
        for record in row.records
        for point in record.curves.get("attack", [])
        if name in point.diagnostics
    ]


def _replayed(row: Row) -> str:
    tally = scoring.pooled(row.records, "replay")
    return f"{100 * tally.win_rate:.1f}" if tally.episodes else "-"
