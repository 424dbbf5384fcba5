"""Whether win rates fell, and how sure that is: pure functions of counts.

Seeds are what is compared, not episodes: a training's win rate moves more from seed to seed than
from one list of episodes to another. The permutation test is exact (Fisher 1935, Pitman 1937),
its levels are shared out over cells after Holm (1979).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb, sqrt
from typing import NamedTuple

import numpy as np
from scipy.stats import fisher_exact

from benchmark.arena.tally import Tally

ALPHA = 0.01
LEAST_EFFECT = 0.05
"""A fall of a win rate by less is no regression, however sure."""
DRAWS = 500
"""Repeats of the simulation that tells a test's power."""
_COUNTABLE = 2**62
Found = Callable[[int], float]


class Fall(NamedTuple):
    """A cell's mean win rate against its baseline's.

    fall: baseline less now, in [-1, 1]; p: of the one-sided test alone; adjusted: after Holm.
    """

    fall: float
    p: float
    adjusted: float

    @property
    def regressed(self) -> bool:
        """Whether it fell by enough and surely."""
        return self.adjusted <= ALPHA and self.fall >= LEAST_EFFECT


class Power(NamedTuple):
    """What a test finds. at_80, at_90: the smallest fall, in whole points of a hundred, that is
    found with that chance; None: not even a fall to 0 is. false_alarms: with no fall at all.
    """

    at_80: int | None
    at_90: int | None
    false_alarms: float


def is_countable(old: int, new: int) -> bool:
    """Whether the draws of so many new seeds among all can be counted exactly."""
    return comb(old + new, new) <= _COUNTABLE


def permutation_p(old: Sequence[int], new: Sequence[int]) -> float:
    """How likely `len(new)` of all these wins, drawn at random, add to no more than `new` do.

    Exact: subsets are counted by size and sum instead of being listed, so it is not random.

    Raises:
        ValueError: nothing to compare, or too many seeds for the counts to be exact.
    """
    pooled, size, total = [*old, *new], len(new), sum(new)
    if not old or not new or min(pooled) < 0:
        raise ValueError(f"{len(old)} against {len(new)} seeds: wins of both are needed")
    every = comb(len(pooled), size)
    if not is_countable(len(old), len(new)):
        raise ValueError(f"{len(old)} and {len(new)} seeds: too many to count exactly")
    # ways[k, s]: subsets of k seeds so far whose wins add to s.
    ways = np.zeros((size + 1, total + 1), dtype=np.int64)
    ways[0, 0] = 1
    for wins in pooled:
        if wins <= total:
            ways[1:, wins:] = ways[1:, wins:] + ways[:-1, : total + 1 - wins]
    return int(ways[size].sum()) / every


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order of `ps`."""
    adjusted, highest = [0.0] * len(ps), 0.0
    for rank, index in enumerate(np.argsort(ps, kind="stable").tolist()):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = highest
    return adjusted


def falls(old: Sequence[Sequence[int]], new: Sequence[Sequence[int]], episodes: int) -> list[Fall]:
    """Every cell's fall: wins of its seeds before and now, each seed of as many episodes."""
    ps = [permutation_p(before, now) for before, now in zip(old, new, strict=True)]
    sizes = [
        float(np.mean(before) - np.mean(now)) / episodes
        for before, now in zip(old, new, strict=True)
    ]
    return [Fall(*parts) for parts in zip(sizes, ps, holm(ps), strict=True)]


def power(
    old: Sequence[int], episodes: int, seeds: int, cells: int, rng: np.random.Generator
) -> Power:
    """What a comparison of `seeds` new seeds with a baseline of this spread finds.

    Simulated, both sides drawn anew from the baseline's own values, at the level that Holm asks of
    the one cell out of `cells` that fell.

    Raises:
        ValueError: fewer than two seeds, whose spread is unknown.
    """
    if len(old) < 2:
        raise ValueError("the spread of a single seed is unknown")

    def found(points: int) -> float:
        return _found(old, points * episodes // 100, episodes, seeds, cells, rng)

    return Power(_least(found, 0.8), _least(found, 0.9), found(0))


def _least(found: Found, wanted: float) -> int | None:
    """The smallest fall in points that is found often enough, by bisection."""
    low, high = 0, 100
    if found(high) < wanted:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) >= wanted else (middle, high)
    return high


def _found(
    old: Sequence[int], fall: int, episodes: int, seeds: int, cells: int, rng: np.random.Generator
) -> float:
    """The share of draws in which a fall by so many wins is found."""
    values = np.asarray(old, dtype=np.float64)
    # Values drawn from a sample spread less than what it was drawn from.
    wider = values.mean() + (values - values.mean()) * sqrt(len(old) / (len(old) - 1))
    hits = 0
    for _ in range(DRAWS):
        before = _counts(rng.choice(wider, len(old)), episodes)
        now = _counts(rng.choice(wider, seeds) - fall, episodes)
        least = LEAST_EFFECT * episodes
        if np.mean(before) - np.mean(now) >= least:
            hits += cells * permutation_p(before, now) <= ALPHA
    return hits / DRAWS


def _counts(wins: np.ndarray[tuple[int], np.dtype[np.float64]], episodes: int) -> list[int]:
    return [int(count) for count in np.clip(np.rint(wins), 0, episodes)]


def two_sided_p(old: Tally, new: Tally) -> float:
    """How likely wins or losses differ so much by chance: Fisher's exact test of either, doubled.

    The episodes are the same ones, so counts of two platforms lie closer than this test expects:
    it alarms less often than it says.
    """
    ps = []
    for word in ("wins", "losses"):
        of_word = [getattr(tally, word) for tally in (old, new)]
        others = [tally.episodes - n for tally, n in zip((old, new), of_word, strict=True)]
        ps.append(float(fisher_exact(np.array([of_word, others])).pvalue))
    return min(1.0, 2 * min(ps))
