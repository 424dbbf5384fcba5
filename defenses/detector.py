"""What a detector is: it learns regular play, then says how unlike it an episode is.

A new one is a subclass in a file of its own, named in pyproject.toml.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from benchmark.evaluation.watching import Episode
from benchmark.games.game import GameCard, SeatCard
from benchmark.policies.policy import Policy
from benchmark.settings import Settings

Array = NDArray[np.float32]
Float = NDArray[np.float64]


class Detector(ABC):
    """Scores episodes as the victim lived them; it knows the victim and never an adversary."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised whenever the same config and seed may give another result."""
    citation: ClassVar[str]

    @classmethod
    @abstractmethod
    def configure(cls, game: GameCard, settings: Settings) -> Any:
        """The resolved config (a frozen pydantic model); raises Misuse."""

    def __init__(self, config: Any):
        self.config: BaseModel = config

    @abstractmethod
    def fit(
        self,
        regular: Sequence[Episode],
        victim: Policy,
        seat: SeatCard,
        rng: np.random.Generator,
    ) -> None:
        """Learn from what the victim, in `seat`, saw and did against regular opponents.

        None of these episodes is scored: the score is for seeds that were not learned from.

        Raises:
            Misuse: this victim or so few episodes are of no use to this detector.
        """

    @abstractmethod
    def per_step(self, episode: Episode) -> Float:
        """How unlike regular play each step is, higher being less like it: one number or more."""

    def score(self, episode: Episode) -> float:
        """The mean over an episode's steps, so that its length is not itself the score."""
        return float(self.per_step(episode).mean())

    def scores(self, episodes: Iterable[Episode]) -> list[float]:
        """Of several, one by one as they come: to the last bit what `score` gives of each."""
        return [self.score(episode) for episode in episodes]


class Scale:
    """Centre and spread of the columns of regular play, fixed once seen."""

    def __init__(self, rows: Array, clip: float | None = None):
        """rows: (K, D). A column that never varies keeps its own unit."""
        mean, spread = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
        self.varies: NDArray[np.bool_] = spread > 1e-6 * (1.0 + np.abs(mean))
        self.mean, self.spread = mean, np.where(self.varies, spread, 1.0)
        self._clip = np.inf if clip is None else clip

    def __call__(self, rows: Array) -> Array:
        """(K, D) in deviations from the centre, clipped."""
        z = (rows - self.mean) / self.spread
        return np.asarray(np.clip(z, -self._clip, self._clip), dtype=np.float32)
