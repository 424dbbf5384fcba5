"""A study's training curves in numbers, to be held against published ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import stdev

from benchmark.evaluation.curves import rate_between
from benchmark.leaderboard.study import Row
from benchmark.leaderboard.table import Table, steps

WINDOWS = 8
"""Equal parts of the budget."""
WINNERS = {"attack": "the adversary", "hardening": "the victim"}
"""By the name of a training's curve: who learns, and so whose wins are counted."""


def curve_table(title: str, rows: Sequence[Row], training: str, budget_steps: int) -> Table:
    """Win rates of the training matches in each window, mean over seeds with their deviation.

    training: "attack" or "hardening", the learner's own curve. Variants without one are left out.
    """
    edges = [budget_steps * k // WINDOWS for k in range(WINDOWS + 1)]
    table = Table(
        f"{title}: training curves",
        ["variant", *(f"to {steps(edge)}" for edge in edges[1:]), "in"],
        words=1,
        note=f"win rate of {WINNERS[training]} in the training matches that ended in each eighth "
        "of the budget, both sides acting as in training: mean over seeds, in percent, and its "
        "standard deviation.",
    )
    for row in rows:
        curves = [c for record in row.records if (c := record.curves.get(training))]
        if curves:
            rates = [
                [rate for c in curves if (rate := rate_between(c, low, high)) is not None]
                for low, high in pairwise(edges)
            ]
            table.rows.append([row.label, *map(_text, rates), str(len(curves))])
    return table


def _text(rates: Sequence[float]) -> str:
    """Mean and deviation in percent: '12.3 +- 4.5'; '-' where no match ended."""
    if not rates:
        return "-"
    mean = f"{100 * sum(rates) / len(rates):.1f}"
    return f"{mean} +- {100 * stdev(rates):.1f}" if len(rates) > 1 else mean
