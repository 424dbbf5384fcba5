"""Whether what an attack pays for goes along with winning: told in the curve, and paid to nobody.

An attack that shapes the reward supposes that the more of its signal, the more matches are won.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.games.game import WIN
from benchmark.learning.rollout import Rollout

LEAST_MATCHES = 20
"""That must have ended for a correlation over them to say anything."""


def agreement(signal: NDArray[np.float32], rollout: Rollout) -> dict[str, float]:
    """'signal_agreement': whether won matches had more of the signal (T, N), r from -1 to 1.

    Pearson's, over the matches that ended in the rollout: of the mean of the signal over a match's
    steps in it, and of having been won. Empty where too few ended, or all alike. It tells of no
    cause: a signal that grows along a match is greater in long ones, whoever wins them.
    """
    ends = rollout.ends.T.ravel()
    begins = np.roll(ends, 1)
    begins[:: len(signal)] = True  # a row of the rollout goes on with a match, or begins one
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(ends)) - 1
    mean = np.add.reduceat(signal.T.ravel(), first, dtype=np.float64) / (last - first + 1)
    whole = ends[last]
    won = rollout.result.T.ravel()[last[whole]] == WIN
    if len(won) < LEAST_MATCHES or not won.std() or not mean[whole].std():
        return {}
    return {"signal_agreement": float(np.corrcoef(mean[whole], won)[0, 1])}
