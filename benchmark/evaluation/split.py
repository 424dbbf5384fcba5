"""How far apart the states lie that a victim visits against two kinds of opponent.

Wu et al. 2021 suspect that retraining against an adversary alone costs a victim its generality by a
"trajectory split": what it meets against the adversary is not what it meets otherwise. The measure
is the energy statistic's coefficient H = (2 E|X - Y| - E|X - X'| - E|Y - Y'|) / (2 E|X - Y|)
(Szekely and Rizzo 2013), 0 for equal distributions and 1 for point masses apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from benchmark.games.game import Array

MOMENTS = 8
"""States drawn of every match, so that long matches weigh like short ones."""
Float = NDArray[np.float64]


class Split(NamedTuple):
    """apart: H between the two; floor: H between random halves of the regular matches.

    Both are unbiased estimates: where nothing is apart they scatter about 0, to either side.
    """

    apart: float
    floor: float


def split(
    adversarial: Sequence[Array], regular: Sequence[Array], rng: np.random.Generator
) -> Split:
    """H of two lists of matches, each a (T, D) array of visited states, the k-th from one seed.

    States are taken in standard deviations of both kinds together.

    Raises:
        ValueError: fewer than four matches, or lists of different lengths.
    """
    if len(adversarial) != len(regular) or len(regular) < 4:
        raise ValueError(
            f"expected two equally long lists of at least 4 matches, got {len(adversarial)} and "
            f"{len(regular)}"
        )
    x, y = _moments(adversarial, rng), _moments(regular, rng)
    both = np.concatenate([x, y]).reshape(-1, x.shape[-1])
    spread = both.std(axis=0)
    telling = spread > 1e-6 * (1.0 + np.abs(both.mean(axis=0)))
    x, y = x[..., telling] / spread[telling], y[..., telling] / spread[telling]
    half = len(y) // 2
    order = rng.permutation(len(y))  # regular opponents take turns, which halves must not follow
    return Split(_coefficient(x, y), _coefficient(y[order[:half]], y[order[half : 2 * half]]))


def _moments(matches: Sequence[Array], rng: np.random.Generator) -> Float:
    """States (K, MOMENTS, D) at random times of each of K matches."""
    drawn = [match[rng.integers(len(match), size=MOMENTS)] for match in matches]
    return np.asarray(drawn, dtype=np.float64)


def _coefficient(x: Float, y: Float) -> float:
    between = _mean_distance(x, y)
    within = _mean_distance(x, x) + _mean_distance(y, y)
    return 1.0 - within / (2.0 * between) if between > 0 else 0.0


def _mean_distance(x: Float, y: Float) -> float:
    """Mean distance of states (K, M, D) of different matches.

    States of one match, or of two from one start, are alike for that reason alone, and left out.
    """
    count, moments, width = x.shape
    gaps = cdist(x.reshape(-1, width), y.reshape(-1, width))
    by_match = gaps.reshape(count, moments, count, moments).mean(axis=(1, 3))
    return float(by_match[~np.eye(count, dtype=bool)].mean())
