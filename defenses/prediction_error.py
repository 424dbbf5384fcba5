"""A model of the victim's own body, learned on regular play: an adversary makes it err.

The proprioceptive form of what Lin et al. (2017, "visual foresight") do with frames: predict the
next observation from this one and the action, and mistrust what does not come out as predicted.
The model knows the victim's body and action alone, so that an adversary is told by what it does to
that body, and not by its looks. Havens et al. (NeurIPS 2018) are told by the advantage instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from benchmark.errors import Misuse
from benchmark.evaluation.watching import Episode
from benchmark.games.game import GameCard, SeatCard
from benchmark.learning.regression import Regressor
from benchmark.policies.policy import Policy
from benchmark.settings import Settings, resolve
from defenses.detector import Array, Detector, Float, Scale

VIEW_CLIP = 10.0
"""Inputs are clipped here, in deviations of regular play."""
LEAST_ERROR = 1e-3
"""The smallest error that counts as one, in deviations of a column's change."""


class PredictionErrorConfig(BaseModel):
    """How the model is fitted and its error counted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = Field(default=1e-3, gt=0)
    minibatch: int = Field(default=256, ge=1)
    passes: int = Field(default=20, ge=1, description="over the steps of regular play")
    rows: int = Field(default=50_000, ge=1, description="steps of each pass, at most")
    held_out: float = Field(
        default=0.2, gt=0, lt=1, description="share of regular episodes that the usual error is of"
    )
    clip: float = Field(default=10.0, gt=0, description="of an error, in usual errors")


class Steps(NamedTuple):
    """inputs: (K, D + A) the body and the action; changes: (K, D) of the body by the next step."""

    inputs: Array
    changes: Array


class PredictionError(Detector):
    """Mean squared error of the victim's next proprioception, in units of the usual error."""

    name: ClassVar[str] = "prediction-error"
    citation: ClassVar[str] = "after Lin et al. 2017, Havens et al., NeurIPS 2018"

    config: PredictionErrorConfig

    @classmethod
    def configure(cls, game: GameCard, settings: Settings) -> PredictionErrorConfig:
        return resolve(PredictionErrorConfig, {}, settings, f"detector '{cls.name}'")

    def fit(
        self,
        regular: Sequence[Episode],
        victim: Policy,
        seat: SeatCard,
        rng: np.random.Generator,
    ) -> None:
        self._body = slice(*seat.own_view)
        long_enough = [episode for episode in regular if len(episode.obs) > 1]
        if len(long_enough) < 2:
            raise Misuse(
                f"detector '{self.name}' needs two regular episodes of two steps or more, got "
                f"{len(long_enough)}"
            )
        order = [long_enough[i] for i in rng.permutation(len(long_enough))]
        held = min(max(1, round(self.config.held_out * len(order))), len(order) - 1)
        self._learn(self._steps(order[held:]), rng)
        error = self._error(self._steps(order[:held])).astype(np.float64)
        self._usual = np.maximum(np.sqrt(np.square(error).mean(axis=0)), LEAST_ERROR)

    def _learn(self, steps: Steps, rng: np.random.Generator) -> None:
        """Fit the scales and the model."""
        config = self.config
        self._seen, self._change = Scale(steps.inputs, VIEW_CLIP), Scale(steps.changes)
        if not self._change.varies.any():
            raise Misuse(f"detector '{self.name}': the victim's body never moves in regular play")
        x = self._seen(steps.inputs)
        y = np.ascontiguousarray(self._change(steps.changes)[:, self._change.varies])
        self._model = Regressor(
            x.shape[1], y.shape[1], hidden=config.hidden, activation="relu", dead_zone=0.0,
            learning_rate=config.learning_rate, rng=rng,
        )  # fmt: skip
        for _ in range(config.passes):
            self._model.fit(x, y, rows=config.rows, minibatch=config.minibatch)

    def per_step(self, episode: Episode) -> Float:
        """The mean squared error of each change, about 1 in regular play: (T - 1,)."""
        if len(episode.obs) < 2:
            return np.ones(1)  # nothing has changed yet: neither likely nor unlikely
        error = self._error(self._steps([episode])) / self._usual
        clip = self.config.clip
        return np.asarray(np.square(np.clip(error, -clip, clip)).mean(axis=1), dtype=np.float64)

    def _error(self, steps: Steps) -> Array:
        """Prediction less truth, in deviations of the columns that vary: (K, d)."""
        truth = self._change(steps.changes)[:, self._change.varies]
        return np.asarray(self._model.infer(self._seen(steps.inputs)) - truth)

    def _steps(self, episodes: Sequence[Episode]) -> Steps:
        """All steps that have a next one."""
        bodies = [episode.obs[:, self._body] for episode in episodes]
        actions = np.concatenate([episode.actions[:-1] for episode in episodes])
        before = np.concatenate([body[:-1] for body in bodies])
        changes = np.concatenate([np.diff(body, axis=0) for body in bodies])
        return Steps(np.concatenate([before, actions], axis=1), changes)
