"""Running statistics that standardise observations and scale rewards."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class RunningMoments:
    """Mean and variance of all rows seen, merged batch by batch (Chan et al. 1979)."""

    EPS = 1e-8

    def __init__(self, shape: tuple[int, ...] = ()):
        self.mean = np.zeros(shape)
        self.var = np.ones(shape)
        self.count = 0.0

    @property
    def deviation(self) -> Array:
        """Standard deviation of each entry, above 0 also where nothing varies: float32."""
        return np.sqrt(self.var + self.EPS).astype(np.float32)

    def update(self, rows: NDArray[Any]) -> None:
        """Take in rows (K, *shape)."""
        size = float(len(rows))
        mean, var = rows.mean(axis=0, dtype=np.float64), rows.var(axis=0, dtype=np.float64)
        total = self.count + size
        shift = mean - self.mean
        spread = self.var * self.count + var * size + shift**2 * self.count * size / total
        self.mean = self.mean + shift * size / total
        self.var = spread / total
        self.count = total

    def state(self) -> dict[str, NDArray[Any]]:
        """For a checkpoint."""
        return {"mean": self.mean, "var": self.var, "count": np.array(self.count)}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Continue from `state()`."""
        self.mean, self.var = state["mean"].copy(), state["var"].copy()
        self.count = float(state["count"])


class RewardScale:
    """Divides rewards by the running standard deviation of their discounted return.

    As in stable-baselines' VecNormalize, which the paper's code uses: clip at 10, no centring.
    """

    CLIP = 10.0

    def __init__(self, matches: int, gamma: float):
        self._gamma = gamma
        self._returns = np.zeros(matches)
        self.moments = RunningMoments()

    @property
    def spread(self) -> float:
        """What rewards are divided by now."""
        return float(np.sqrt(self.moments.var + RunningMoments.EPS))

    def scale(self, rewards: Array, ends: NDArray[np.bool_]) -> Array:
        """Scaled rewards (T, N) of a rollout, given where episodes ended (T, N)."""
        returns = np.empty(rewards.shape)
        for t, (reward, end) in enumerate(zip(rewards, ends, strict=True)):
            self._returns = self._returns * self._gamma + reward
            returns[t] = self._returns
            self._returns = np.where(end, 0.0, self._returns)
        self.moments.update(returns.reshape(-1))
        scaled: NDArray[np.float64] = rewards / np.float64(self.spread)
        return np.clip(scaled, -self.CLIP, self.CLIP).astype(np.float32)

    def state(self) -> dict[str, NDArray[Any]]:
        """For a checkpoint."""
        return {"returns": self._returns.copy(), **self.moments.state()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Continue from `state()`."""
        self._returns = state["returns"].copy()
        self.moments.restore(state)
