"""F of Wu et al. 2021 as published: fitted once on pairs passively seen, then frozen.

Rate, batch, epochs and early stopping are the released code's (paper.md section 3.3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from attacks.victim_model import JUDGED, Seen, SurrogateConfig, VictimView, surrogate_network
from benchmark.games.game import SeatCard
from benchmark.learning.checkpoint import Arrays
from benchmark.learning.regression import explained

Array = NDArray[np.float32]
RATE, MINIBATCH = 1e-3, 256
PATIENCE = 10
"""Epochs without a better validation error after which the fit ends."""
VALIDATION = 0.33


class Pretrained:
    """Watches for `pairs_wanted` pairs, fits F on all of them, and freezes it and its view.

    Departs from the released code, which takes the pairs from a whole training of the baseline
    beforehand, cross-validates ten folds and keeps one of them: they are the attack's own first
    steps, inside its budget, and one split is held out.
    """

    def __init__(
        self, config: SurrogateConfig, victim: SeatCard, view: VictimView,
        rng: np.random.Generator, *, pairs_wanted: int, epochs: int,
    ):  # fmt: skip
        self.model = surrogate_network(config, victim, rng, rate=RATE)
        self._view, self._rng = view, rng
        self._wanted, self._epochs = pairs_wanted, epochs
        self._obs: list[Array] = []
        self._actions: list[Array] = []
        self.ready = False

    def __call__(self, s: Tensor) -> Tensor:
        return self.model(s)

    def fit(self, seen: Seen) -> float | None:
        """Its explained variance on steps that it has not seen, once it is fitted."""
        if self.ready:
            s, action = seen.steps.view[JUDGED], seen.steps.victim_action[JUDGED]
            return explained(self.model.infer(s.numpy()), action.numpy())
        self._obs.append(seen.raw)
        self._actions.append(seen.steps.victim_action.numpy())
        if sum(map(len, self._obs)) >= self._wanted:
            self._fit_all()
        return None

    def _fit_all(self) -> None:
        """Fit on two thirds until the last third says stop, keep the best, drop the pairs."""
        s = self._view.of(np.concatenate(self._obs))
        action = np.concatenate(self._actions)
        order = self._rng.permutation(len(s))
        held, used = np.split(order, [int(VALIDATION * len(s))])
        best, best_error, since = self.model.state(), np.inf, 0
        for _ in range(self._epochs):
            self.model.fit(s[used], action[used], rows=len(used), minibatch=MINIBATCH)
            error = float(np.square(self.model.infer(s[held]) - action[held]).mean())
            since += 1
            if error < best_error:
                best, best_error, since = self.model.state(), error, 0
            if since >= PATIENCE:
                break
        self.model.restore(best)
        self._obs, self._actions = [], []
        self._freeze()

    def _freeze(self) -> None:
        """From now on nothing of F moves, the scale of what it reads included."""
        self.ready = True
        self._view.freeze()

    def state(self) -> Arrays:
        """For a checkpoint: the pairs too, while they are being collected."""
        kept: Arrays = {"ready": np.array(self.ready)}
        if self._obs:
            kept["obs"] = np.concatenate(self._obs)
            kept["actions"] = np.concatenate(self._actions)
        return {**self.model.state(), **kept}

    def restore(self, arrays: Arrays) -> None:
        """Continue from `state()`."""
        self.model.restore(arrays)
        self._obs = [arrays["obs"]] if "obs" in arrays else []
        self._actions = [arrays["actions"]] if "actions" in arrays else []
        if bool(arrays["ready"]):
            self._freeze()
