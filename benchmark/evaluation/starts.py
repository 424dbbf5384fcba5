"""Does an adversary's win rate depend on where its matches start? (Wu et al. 2021 claim less.)

A start has hundreds of coordinates and no one of them is named, so the question is put as a
prediction: from the starts and results of some matches, how well are the results of others told?
The held-out prediction orders the matches, bins of that order show the win rates, and its AUROC
says how much of a dependence there is (.5: none), against shuffled results.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.arena.tally import Tally
from benchmark.errors import Misuse
from benchmark.evaluation.detection import twice_u
from benchmark.evaluation.matches import Played
from benchmark.games.game import WIN

Float = NDArray[np.float64]
FOLDS = 5
SHUFFLES = 500
SEED = 20210811


class Dependence(NamedTuple):
    """How far wins can be told from starts.

    bins: matches from the start that promised least to the one that promised most; auroc: of the
    held-out prediction; p: share of shuffled results that are told as well.
    """

    bins: list[Tally]
    auroc: float
    p: float


def check_bins(matches: int, bins: int) -> None:
    """Raise Misuse unless so many matches can be told apart by their starts in so many groups."""
    if matches < FOLDS or not 1 <= bins <= matches:
        raise Misuse(
            f"--bins: from 1 to as many as there are matches ({FOLDS} or more), got {bins} for "
            f"{matches}"
        )


def by_start(played: Played, bins: int) -> Dependence:
    """The matches in `bins` groups of (almost) equal size by how their starts promise a win.

    Raises:
        Misuse: fewer matches than folds or bins.
    """
    count = len(played.results)
    check_bins(count, bins)
    won = (played.results == WIN).astype(np.float64)
    rng = np.random.default_rng(SEED)
    predict = HeldOutPredictor(standardised_starts(played.starts), rng)
    promise = predict(won[:, None])[:, 0]
    shuffled = np.stack([rng.permutation(won) for _ in range(SHUFFLES)], axis=1)
    chance = [auroc(p, w) for p, w in zip(predict(shuffled).T, shuffled.T, strict=True)]
    found = auroc(promise, won)
    order = np.argsort(promise, kind="stable")
    return Dependence(
        bins=[played.tally(rows) for rows in np.array_split(order, bins)],
        auroc=found,
        p=(1 + sum(value >= found for value in chance)) / (1 + SHUFFLES),
    )


def standardised_starts(starts: NDArray[np.float32]) -> Float:
    """Starts (K, D) in standard deviations, without the coordinates that never vary: (K, d)."""
    spread = starts.std(axis=0, dtype=np.float64)
    mean = starts.mean(axis=0, dtype=np.float64)
    varies = spread > 1e-6 * (1.0 + np.abs(mean))
    return np.asarray((starts[:, varies] - mean[varies]) / spread[varies])


class HeldOutPredictor:
    """Ridge regression of results on starts, every match told by a fit on the other folds.

    The weight of the ridge is the number of coordinates: about a match's own entry in the kernel.
    Calling it with results (K, R) gives predictions (K, R): the fits are matrices of the starts
    alone, so shuffled results cost a product each.
    """

    def __init__(self, z: Float, rng: np.random.Generator):
        count = len(z)
        z = np.concatenate([z, np.ones((count, 1))], axis=1)
        kernel = z @ z.T
        self._folds: list[tuple[NDArray[np.intp], NDArray[np.intp], Float]] = []
        for held in np.array_split(rng.permutation(count), FOLDS):
            used = np.setdiff1d(np.arange(count), held)
            ridge = kernel[np.ix_(used, used)] + z.shape[1] * np.eye(len(used))
            maps = np.linalg.solve(ridge, kernel[np.ix_(used, held)]).T
            self._folds.append((held, used, maps))

    def __call__(self, results: Float) -> Float:
        told = np.empty_like(results)
        for held, used, maps in self._folds:
            centre = results[used].mean(axis=0)
            told[held] = maps @ (results[used] - centre)
        return told


def auroc(promise: Float, won: Float) -> float:
    """Share of pairs of a won and another match that `promise` (K,) orders rightly; .5 for none."""
    wins, others = promise[won > 0], promise[won <= 0]
    pairs = len(wins) * len(others)
    return twice_u(wins, others) / (2 * pairs) if pairs else 0.5
