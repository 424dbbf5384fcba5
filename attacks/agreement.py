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
ROUNDING = 1e-9
"""Share of a mean by which others may differ from it and are still the same."""


def agreement(signal: NDArray[np.float32], rollout: Rollout) -> dict[str, float]:
    """Whether won matches had more of the signal (T, N): correlations, from -1 to 1.

    'signal_agreement': Pearson's, over the matches that ended in the rollout, of the mean of the
    signal over a match's steps in it, and of having been won. 'signal_agreement_early': the same of
    the first half of those steps, before the end is settled. What a match does once it is all but
    won is the outcome's doing and not its cause: a victim that falls acts alike wherever its
    adversary is. Empty where too few ended, or all alike.
    """
    ends = rollout.ends.T.ravel()
    begins = np.roll(ends, 1)
    begins[:: len(signal)] = True  # a row of the rollout goes on with a match, or begins one
    first = np.flatnonzero(begins)
    beyond = np.append(first[1:], len(ends))
    whole = ends[beyond - 1]
    first, beyond = first[whole], beyond[whole]
    won = rollout.result.T.ravel()[beyond - 1] == WIN
    if len(won) < LEAST_MATCHES or not won.std():
        return {}
    total = np.append(0.0, signal.T.ravel().cumsum(dtype=np.float64))
    half = (first + beyond + 1) // 2
    means = {
        "signal_agreement": (total[beyond] - total[first]) / (beyond - first),
        "signal_agreement_early": (total[half] - total[first]) / (half - first),
    }
    return {
        name: float(np.corrcoef(mean, won)[0, 1])
        for name, mean in means.items()
        if mean.std() > ROUNDING * np.abs(mean).max()
    }
