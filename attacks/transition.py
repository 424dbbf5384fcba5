"""H of Wu et al. 2021: what the victim will see next, from what is passively seen.

Where text and released code differ, either is an option (`OursConfig`).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from attacks.ours_config import OursConfig
from attacks.victim_model import JUDGED, Steps
from benchmark.games.game import SeatCard
from benchmark.learning.checkpoint import Arrays, prefixed, unprefixed
from benchmark.learning.normalise import RunningMoments
from benchmark.learning.regression import Regressor, explained


class Transition:
    """H: the victim's next view, given the last one and what was done.

    Inputs "text": the victim's view, the adversary's and the victim's action. "released": the
    adversary's observation and action alone. Output "change": the next view as the last one plus a
    change in running deviations per dimension, without which the adversary's few coordinates are
    hardly learned; "next": the next view itself; "tanh": the same, bounded to [-1, 1] as released.
    Columns "own": only those of the victim's body are predicted, the others taken from what really
    came (released for Pong).
    """

    def __init__(
        self, config: OursConfig, me: SeatCard, victim: SeatCard, rng: np.random.Generator
    ):
        self._config = config
        own = slice(*victim.own_view)
        self._columns = own if config.transition_columns == "own" else slice(0, victim.obs_dim)
        outputs = len(range(victim.obs_dim)[self._columns])
        seen = me.obs_dim if config.transition_inputs == "released" else victim.obs_dim
        also = 0 if config.transition_inputs == "released" else victim.act_dim
        # Departs from the released code, which embeds observation and action apart (32 and 4).
        self.model = Regressor(
            seen + me.act_dim + also, outputs, hidden=config.transition_hidden, activation="relu",
            dead_zone=config.eps_s, learning_rate=config.model_rate, rng=rng,
            squash=config.transition_output == "tanh",
        )  # fmt: skip
        self.changes = RunningMoments((outputs,))

    def __call__(self, steps: Steps, action: Tensor) -> Tensor:
        """The views (B, D) predicted to follow had the adversary played `action` (B, A)."""
        made = self.model(self._inputs(steps, action))
        if self._config.transition_output == "change":
            made = steps.view[:, self._columns] + made * torch.from_numpy(self.changes.deviation)
        if self._config.transition_columns == "all":
            return made
        start, stop = self._columns.start, self._columns.stop
        rest = steps.next_view
        return torch.cat([rest[:, :start], made, rest[:, stop:]], dim=1)

    def fit(self, steps: Steps) -> float:
        """Its explained variance on steps that it has not seen; then learn from them."""
        usable = steps.valid[:, 0] > 0
        inputs = self._inputs(steps, steps.action)[usable].numpy()
        target = steps.next_view[:, self._columns][usable].numpy()
        if self._config.transition_output == "change":
            target = target - steps.view[:, self._columns][usable].numpy()
            self.changes.update(target)
            target /= self.changes.deviation
        judged = explained(self.model.infer(inputs[JUDGED]), target[JUDGED])
        rows, minibatch = self._config.model_rows, self._config.model_minibatch
        for _ in range(self._config.transition_passes):
            self.model.fit(inputs, target, rows=rows, minibatch=minibatch)
        return judged

    def _inputs(self, steps: Steps, action: Tensor) -> Tensor:
        if self._config.transition_inputs == "released":
            return torch.cat([steps.own, action], dim=1)
        return torch.cat([steps.view, action, steps.victim_action], dim=1)

    def state(self) -> Arrays:
        """For a checkpoint."""
        return {**self.model.state(), **prefixed("changes.", self.changes.state())}

    def restore(self, arrays: Arrays) -> None:
        """Continue from `state()`."""
        self.model.restore(arrays)
        self.changes.restore(unprefixed("changes.", arrays))
