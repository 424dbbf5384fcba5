"""Where the mean of a few more seeds should fall, if they are of the same method.

The t-based prediction interval (Hahn and Meeker, Statistical Intervals, 1991, section 4.8): n
seeds of mean m and standard deviation s, then the mean of k further ones lies within

    m +- t(n - 1, 1 - alpha / 2) * s * sqrt(1 / n + 1 / k)

with chance 1 - alpha, if the seeds' rates are normal. With few seeds it is wide: t is 12.7 for two
of them, 4.3 for three, 2.8 for five. Since s may be 0 by luck, or since rates stop at 0 and 1, it
is taken as no less than the deviation that N episodes of a fixed policy have by chance, with the
rate of Agresti and Coull (1998).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

LEVEL = 0.95
LEAST_SEEDS = 2


class Interval(NamedTuple):
    """Its ends, within [0, 1]."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies in it; its ends do."""
        return self.low <= value <= self.high


def interval(rates: Sequence[float], episodes: int, further: int, alpha: float) -> Interval:
    """Where the mean of `further` seeds should fall after seeds with these rates.

    episodes: behind each rate.

    Raises:
        ValueError: fewer than two rates, or nothing to predict.
    """
    n = len(rates)
    if n < LEAST_SEEDS or further < 1 or not 0 < alpha < 1:
        raise ValueError(f"{n} rates, {further} further seeds, alpha {alpha}: nothing is predicted")
    mean = float(np.mean(rates))
    spread = max(float(np.std(rates, ddof=1)), by_chance(mean, episodes))
    factor = float(student.ppf(1 - alpha / 2, n - 1))
    half = factor * spread * math.sqrt(1 / n + 1 / further)
    return Interval(max(0.0, mean - half), min(1.0, mean + half))


def by_chance(rate: float, episodes: int) -> float:
    """Standard deviation of a rate over N episodes, with two successes and failures added."""
    shrunk = (rate * episodes + 2) / (episodes + 4)
    return math.sqrt(shrunk * (1 - shrunk) / episodes)
