"""How well the scores of episodes tell adversarial ones from regular ones, as counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

DETECTED_PERCENT = 95
"""The share of adversarial episodes at which false alarms are counted."""


class Detection(BaseModel):
    """A detector's scores of regular and of adversarial episodes, compared.

    Matched: both from the same episode seeds, which the detector was not fitted on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    adversarial: PositiveInt = Field(description="episodes against the adversary")
    regular: PositiveInt = Field(description="episodes against regular opponents")
    twice_u: NonNegativeInt = Field(
        description="over all pairs of an adversarial and a regular episode: 2 where the "
        "adversarial one has the higher score, 1 where both are equal"
    )
    false_alarms: NonNegativeInt = Field(
        description="regular episodes with at least the score that 95 % of adversarial ones have"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.twice_u > 2 * self.adversarial * self.regular:
            raise ValueError(f"twice_u is at most 2 for each pair, got {self.twice_u}")
        if self.false_alarms > self.regular:
            raise ValueError(f"{self.false_alarms} false alarms in {self.regular} episodes")
        return self

    @classmethod
    def count(cls, *, regular: Sequence[float], adversarial: Sequence[float]) -> Self:
        """From the scores of the episodes, higher being more adversarial.

        Raises:
            ValueError: none of one kind, or a score that is NaN or infinite.
        """
        low, high = np.asarray(regular, np.float64), np.asarray(adversarial, np.float64)
        if not len(low) or not len(high):
            raise ValueError(f"{len(high)} adversarial and {len(low)} regular episodes: need both")
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise ValueError("scores must be finite")
        alarms = int((low >= threshold(high)).sum())
        return cls(
            adversarial=len(high), regular=len(low), twice_u=twice_u(high, low), false_alarms=alarms
        )

    @property
    def auroc(self) -> float:
        """The chance that an adversarial episode scores above a regular one, ties for half."""
        return self.twice_u / (2 * self.adversarial * self.regular)

    @property
    def false_alarm_rate(self) -> float:
        """Share of regular episodes that alarm where 95 % of adversarial ones do."""
        return self.false_alarms / self.regular

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Of the AUROC: the values that are no further from it than their own deviation allows.

        Newcombe (Statistics in Medicine 2006, method 5): the variance of Hanley and McNeil
        (Radiology 1982), inverted as Wilson's interval is, so that it has a width at 0 and 1 too.
        It takes the two kinds as independent; matched starts make it too wide, if anything.
        """
        z = NormalDist().inv_cdf(0.5 + level / 2)
        low = _least(self.auroc, z, self.adversarial, self.regular)
        high = 1.0 - _least(1.0 - self.auroc, z, self.adversarial, self.regular)
        return low, high


def twice_u(high: NDArray[np.float64], low: NDArray[np.float64]) -> int:
    """Twice Mann and Whitney's U: 2 for every pair with high > low, 1 for every tie."""
    ordered = np.sort(low)
    below, not_above = (np.searchsorted(ordered, high, side) for side in ("left", "right"))
    return int(below.sum() + not_above.sum())


def threshold(adversarial: NDArray[np.float64]) -> float:
    """The highest score that at least 95 % of the adversarial episodes reach."""
    needed = -(-len(adversarial) * DETECTED_PERCENT // 100)
    return float(np.sort(adversarial)[len(adversarial) - needed])


def _least(found: float, z: float, adversarial: int, regular: int) -> float:
    """The lowest true AUROC that `found` is within z deviations of, by bisection."""
    low, high = 0.0, found
    for _ in range(60):
        middle = (low + high) / 2
        if found - middle > z * _deviation(middle, adversarial, regular):
            low = middle
        else:
            high = middle
    return high


def _deviation(a: float, adversarial: int, regular: int) -> float:
    """Standard deviation of an AUROC whose true value is `a`."""
    mean_others = (adversarial + regular) / 2 - 1
    spread = 1 + mean_others * ((1 - a) / (2 - a) + a / (1 + a))
    return math.sqrt(a * (1 - a) * spread / (adversarial * regular))
