"""What a learning curve says: how fast an attack won, as pure functions of its counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmark.learning.progress import CurvePoint

Float = NDArray[np.float64]
WINDOW = 200
"""Training matches that a win rate along the curve is counted over, at least."""


def area(curve: Sequence[CurvePoint], budget_steps: int) -> float:
    """AUC = (1 / B) integral of w(n) dn over the budget B, in [0, 1] (protocol).

    w is the win rate of the training matches that ended since the point before, held over those
    steps. Steps that were never played, of a training that failed, count as 0.

    Raises:
        ValueError: points that do not rise.
    """
    total, before, rate = 0.0, 0, 0.0
    for point in curve:
        if point.steps <= before:
            raise ValueError(f"a curve's steps must rise, got {point.steps} after {before}")
        if point.tally.episodes:
            rate = point.tally.win_rate
        total += rate * (min(point.steps, budget_steps) - min(before, budget_steps))
        before = point.steps
    return total / budget_steps


def steps_to(curve: Sequence[CurvePoint], rate: float) -> int | None:
    """Steps after which at least `rate` of the last 200 or more training matches were won.

    None where that never happened.
    """
    recent: deque[CurvePoint] = deque()
    wins = episodes = 0
    for point in curve:
        recent.append(point)
        wins, episodes = wins + point.tally.wins, episodes + point.tally.episodes
        while episodes - recent[0].tally.episodes >= WINDOW:
            old = recent.popleft().tally
            wins, episodes = wins - old.wins, episodes - old.episodes
        if episodes >= WINDOW and wins >= rate * episodes:
            return point.steps
    return None


def rate_between(
    curve: Sequence[CurvePoint], start: int, stop: int, *, without: str | None = None
) -> float | None:
    """Win rate of the training matches counted at start < steps <= stop; None without any.

    without: the ending of matches that are left out, by the curve's breakdown.
    """
    inside = [point.tally for point in curve if start < point.steps <= stop]
    if without is not None:
        inside = [tally.without(without) for tally in inside]
    episodes = sum(tally.episodes for tally in inside)
    return sum(tally.wins for tally in inside) / episodes if episodes else None


def binned(curve: Sequence[CurvePoint], budget_steps: int, bins: int) -> Float:
    """Win rates (bins,) over equal shares of the budget; NaN where no match ended."""
    edges = np.linspace(0, budget_steps, bins + 1)
    rates = [rate_between(curve, int(low), int(high)) for low, high in pairwise(edges)]
    return np.array([np.nan if rate is None else rate for rate in rates])
