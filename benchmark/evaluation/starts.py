"""Does an adversary's win rate depend on where its matches start? (Wu et al. 2021 claim less.)"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency

from benchmark.arena.tally import Tally
from benchmark.errors import Misuse
from benchmark.evaluation.matches import Played

Float = NDArray[np.float64]


class Bin(NamedTuple):
    """Matches whose starts are about as unusual: how far from the mean start, and the results."""

    low: float
    high: float
    tally: Tally


def unusualness(starts: NDArray[np.float32]) -> Float:
    """Root mean square distance (K,) of starts (K, D) from their mean, in standard deviations.

    Over the coordinates that vary at all; 1 in the mean.
    """
    spread = starts.std(axis=0, dtype=np.float64)
    varies = spread > 1e-6 * (1.0 + np.abs(starts).mean(axis=0, dtype=np.float64))
    z = (starts[:, varies] - starts[:, varies].mean(axis=0, dtype=np.float64)) / spread[varies]
    return np.asarray(np.sqrt(np.square(z).mean(axis=1)) if varies.any() else np.zeros(len(z)))


def by_start(played: Played, bins: int) -> list[Bin]:
    """The matches in `bins` groups of (almost) equal size, from the usual to the odd start.

    Raises:
        Misuse: fewer matches than bins.
    """
    if not 1 <= bins <= len(played.results):
        raise Misuse(f"--bins: from 1 to the {len(played.results)} matches, got {bins}")
    far = unusualness(played.starts)
    order = np.argsort(far, kind="stable")
    return [
        Bin(float(far[rows[0]]), float(far[rows[-1]]), played.tally(rows))
        for rows in np.array_split(order, bins)
    ]


def independence(bins: list[Bin]) -> float:
    """p of the chi-square test that a win does not depend on the bin; 1 where all or none win."""
    table = np.array([[b.tally.wins, b.tally.episodes - b.tally.wins] for b in bins])
    if len(bins) < 2 or not table.sum(axis=0).all():
        return 1.0
    return float(chi2_contingency(table).pvalue)
