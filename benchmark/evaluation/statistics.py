"""Intervals and aggregates, as pure functions of counts. Formulas are from the sources named."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

BOOTSTRAP_DRAWS = 10_000
TINY = 1e-9
"""Less than any difference of two win rates, more than what rounding leaves of none."""
Float = NDArray[np.float64]


def wilson(wins: int, episodes: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (1927) of a win rate, within [0, 1]; (0, 1) where nothing is known.

    Raises:
        ValueError: impossible counts.
    """
    if not 0 <= wins <= episodes:
        raise ValueError(f"wins must lie in 0..episodes, got {wins} of {episodes}")
    if episodes == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p = wins / episodes
    shrink = 1.0 + z * z / episodes
    centre = (p + z * z / (2 * episodes)) / shrink
    half = z / shrink * math.sqrt(p * (1 - p) / episodes + z * z / (4 * episodes**2))
    low = 0.0 if wins == 0 else max(0.0, centre - half)
    high = 1.0 if wins == episodes else min(1.0, centre + half)
    return low, high


def rate_ratio(
    successes: int, trials: int, of_successes: int, of_trials: int, level: float = 0.95
) -> tuple[float, float, float]:
    """The ratio of two rates with its interval: Katz's, by logarithms (1978), each count raised by
    .5 (Walter 1975) so that it is finite at 0 and at all.

    Raises:
        ValueError: no trials on a side, or impossible counts.
    """
    for wins, episodes in ((successes, trials), (of_successes, of_trials)):
        if not 0 <= wins <= episodes or not episodes:
            raise ValueError(f"successes must lie in 0..trials, trials > 0, got {wins}/{episodes}")
    a, n, b, m = (count + 0.5 for count in (successes, trials, of_successes, of_trials))
    ratio = (a / n) / (b / m)
    half = NormalDist().inv_cdf(0.5 + level / 2) * math.sqrt(1 / a - 1 / n + 1 / b - 1 / m)
    return ratio, ratio * math.exp(-half), ratio * math.exp(half)


def iqm(values: Sequence[float] | NDArray[np.float64]) -> float:
    """Interquartile mean (Agarwal et al. 2021): the mean of the middle half.

    The quarter cut off at either end is int(n / 4) values, as in scipy's trim_mean.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if not len(ordered):
        raise ValueError("the interquartile mean of nothing is undefined")
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def bootstrap_mean(
    values: Sequence[float], *, seed: int, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap of a mean, of paired differences for one; the point for one value.

    Over few values it is too narrow, as the protocol says of all its intervals.

    Raises:
        ValueError: no values.
    """
    if not len(values):
        raise ValueError("an interval of no values is undefined")
    return percentiles(mean_draws([values], seed=seed), level)


def student_interval(values: Sequence[float], *, level: float = 0.95) -> tuple[float, float, float]:
    """The mean of values and Student's interval of it (1908), exact where they are normal.

    Of a few paired differences it is as wide as it must be, which a bootstrap's is not.

    Raises:
        ValueError: fewer than two values, which tell no spread.
    """
    mean, error = _mean_and_error(values)
    half = float(stdtrit(len(values) - 1, 0.5 + level / 2)) * error
    return mean, mean - half, mean + half


def excess_interval(
    values: Sequence[float], figure: float, error: float, *, level: float = 0.95
) -> tuple[float, float, float]:
    """By how much the mean of values exceeds a figure that has a standard error, with Welch's
    interval (1947), the figure's being known as of infinitely many values.

    Raises:
        ValueError: fewer than two values.
    """
    excess, both, freedom = _welch(values, figure, error)
    half = float(stdtrit(freedom, 0.5 + level / 2)) * both
    return excess, excess - half, excess + half


def excess_p(values: Sequence[float], figure: float, error: float) -> float:
    """The two-sided p of Welch's test that the mean of values is that figure.

    1 where the values are all alike, as in `student_p`.

    Raises:
        ValueError: fewer than two values.
    """
    excess, both, freedom = _welch(values, figure, error)
    if math.isinf(freedom):
        return 1.0
    return 2 * float(stdtr(freedom, -abs(excess) / both))


def _welch(values: Sequence[float], figure: float, error: float) -> tuple[float, float, float]:
    """Difference, its standard error and degrees of freedom."""
    mean, own = _mean_and_error(values)
    both = math.hypot(own, error)
    freedom = (len(values) - 1) * (both / own) ** 4 if own else math.inf
    return mean - figure, both, freedom


def student_p(values: Sequence[float]) -> float:
    """The two-sided p of Student's test that the mean of values is 0.

    1 where the values are all alike: rates of few matches may agree by chance, and two that do are
    no evidence without end.

    Raises:
        ValueError: fewer than two values.
    """
    mean, error = _mean_and_error(values)
    if error == 0:
        return 1.0
    return 2 * float(stdtr(len(values) - 1, -abs(mean) / error))


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error, which is 0 where rounding alone sets the values apart."""
    if len(values) < 2:
        raise ValueError(f"a spread takes two values, got {len(values)}")
    mean = math.fsum(values) / len(values)
    if max(values) - min(values) < TINY:
        return mean, 0.0
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


def stratified_interval(
    strata: Sequence[Sequence[float]], *, seed: int, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap of the IQM over all values, seeds resampled within each victim.

    strata: for every victim, the win rates of its training seeds. With one seed in each there is
    nothing to resample and the interval is the point; tables mark it.
    """
    return percentiles(iqm_draws(strata, seed=seed), level)


def iqm_draws(strata: Sequence[Sequence[float]], *, seed: int) -> Float:
    """IQMs (BOOTSTRAP_DRAWS,) of all values, each stratum resampled for itself.

    Nothing is sorted but the values: what a draw keeps of each is told by how many drawn ones lie
    at or under it, less the quarter that is cut off at either end. Each stratum's are put in order
    first, so that of a single stratum this is the same for all values.
    """
    values = _flat([sorted(stratum) for stratum in strata])
    sizes = tuple(len(stratum) for stratum in strata)
    if len(sizes) == 1:
        kept = _kept_alone(sizes, seed)
    else:
        order = np.argsort(values, kind="stable")
        values, kept = values[order], _kept(_counts(sizes, seed)[order]).astype(np.float64)
    return _settled(values @ kept / (len(values) - 2 * (len(values) // 4)))


def mean_draws(strata: Sequence[Sequence[float]], *, seed: int) -> Float:
    """Means (BOOTSTRAP_DRAWS,) of all values, each stratum resampled for itself.

    Of equally many values the same are drawn under one seed, so the difference of two such arrays
    is the bootstrap of the mean of paired differences.
    """
    values = _flat(strata)
    drawn = _counts(tuple(len(stratum) for stratum in strata), seed)
    return _settled(values @ drawn / len(values))


def _settled(draws: Float) -> Float:
    """Without the last bits, in which processors differ: 83.75 was 83.7 on one, 83.8 on another."""
    return np.round(draws, 12) + 0.0  # no minus before a nought


def percentiles(draws: Float, level: float = 0.95) -> tuple[float, float]:
    """The interval that holds the middle `level` of bootstrap draws."""
    tail = (1 - level) / 2
    ordered = np.sort(draws)  # several times as fast as np.quantile, which selects
    return _quantile(ordered, tail), _quantile(ordered, 1 - tail)


def _quantile(ordered: Float, share: float) -> float:
    """np.quantile of what is in order, to the last bit: between two neighbours, from the nearer."""
    place = share * (len(ordered) - 1)
    below = int(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    part = place - below
    return high - (high - low) * (1 - part) if part >= 0.5 else low + (high - low) * part


def _flat(strata: Sequence[Sequence[float]]) -> Float:
    return np.concatenate([np.asarray(stratum, dtype=np.float64) for stratum in strata])


def _kept(at_most: NDArray[np.int16]) -> NDArray[np.int16]:
    """How often the middle half of each draw has every value; at_most: the draws', in order.

    Both (values, BOOTSTRAP_DRAWS). The argument's memory is used.
    """
    size = len(at_most)
    cut = size // 4
    for k in range(1, size):  # several times as fast as cumsum along this axis
        at_most[k] += at_most[k - 1]
    kept = np.clip(at_most, cut, size - cut)
    kept[1:] -= kept[:-1].copy()
    kept[0] -= cut
    return kept


@functools.lru_cache(maxsize=32)
def _kept_alone(sizes: tuple[int, ...], seed: int) -> Float:
    """`_kept` of a single stratum whose values are in order: most rows of a table have one."""
    kept = _kept(_counts(sizes, seed).copy()).astype(np.float64)
    kept.flags.writeable = False
    return kept


@functools.lru_cache(maxsize=32)
def _counts(sizes: tuple[int, ...], seed: int) -> NDArray[np.int16]:
    """How often every value is drawn (sum of sizes, BOOTSTRAP_DRAWS), with replacement.

    Each stratum from its own. Kept from call to call: most rows of a table are of one shape.
    """
    rng = np.random.default_rng(seed)
    counts = []
    for size in sizes:
        drawn = rng.integers(size, size=(BOOTSTRAP_DRAWS, size))
        counts += [(drawn == place).sum(axis=1, dtype=np.int16) for place in range(size)]
    whole = np.stack(counts)
    whole.flags.writeable = False
    return whole
