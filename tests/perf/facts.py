"""What a speed test notes beside its times: ratios to a peer of the same run, and win rates.

Absolute times move by a quarter from minute to minute; ratios of pairs measured in turns do not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from benchmark.arena.tally import Tally
from benchmark.learning.progress import CurvePoint

Better = Literal["lower", "higher"]


def ratio(
    benchmark: Any,
    what: str,
    values: Iterable[float],
    *,
    better: Better = "lower",
    asked: float | None = None,
) -> None:
    """Note a ratio with each pair's value; asked: what it should be at most, or at least."""
    found = sorted(float(value) for value in values)
    noted = {"median": round(float(np.median(found)), 3), "better": better}
    values_text = {"values": [round(value, 3) for value in found]}
    limit = {} if asked is None else {"asked": asked}
    benchmark.extra_info.setdefault("ratios", {})[what] = {**noted, **values_text, **limit}


def won(benchmark: Any, who: str, curve: Iterable[CurvePoint] | Tally) -> None:
    """Note the win rate of a training's matches, so that speed bought with results is seen."""
    tally = curve if isinstance(curve, Tally) else Tally.sum(point.tally for point in curve)
    benchmark.extra_info.setdefault("win_rates", {})[who] = round(tally.win_rate, 4)


def speed(benchmark: Any, who: str, steps: int, seconds: Iterable[float]) -> None:
    """Note the median environment steps per second; no peer to compare with later."""
    median = float(np.median(list(seconds)))
    benchmark.extra_info.setdefault("steps_per_s", {})[who] = round(steps / median)
