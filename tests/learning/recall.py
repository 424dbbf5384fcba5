"""A game that cannot be won without a memory, and a small network that has one."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.games.game import Array, GameCard, Outcome, SeatCard, Step
from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import PolicyCard, expected_shapes
from tests.factories import Clockwork


class Recall(Clockwork):
    """The left player sees a sign in the first step and must move to that side in the last one.

    obs: the sign, 0 after the first step; 1 in the last step, 0 before. A match has 4 to 6 steps
    and ends one step further on in the next one, so that ends fall anywhere in a sequence.
    """

    @classmethod
    def describe(cls, options: Any = None) -> GameCard:
        seats = [
            SeatCard(
                name=name, obs_dim=2, act_dim=1, act_bound=1.0, own_view=(0, 1),
                other_view=(1, 2), other_at_start=(0.0,),
            )
            for name in ("left", "right")
        ]  # fmt: skip
        card = super().describe(options)
        return card.model_copy(update={"id": "recall-v1", "seats": tuple(seats)})

    @property
    def _sign(self) -> Array:
        return np.where(self.episode_seed >> np.uint64(20) & np.uint64(1), 1.0, -1.0)

    @property
    def _last(self) -> np.ndarray:
        return self.episode_step == 3 + (self.episode_seed % np.uint64(3)).astype(np.int64)

    def step(self, actions: tuple[Array, Array]) -> Step:
        right = np.sign(actions[0][:, 0]) == self._sign
        outcome = np.where(right, Outcome.SEAT_0, Outcome.SEAT_1).astype(np.int8)
        outcome[~self._last] = Outcome.RUNNING
        final = self._obs(self.matches)
        finished = np.flatnonzero(outcome)
        self.episode_step += 1
        self.episode_seed[finished] = self._seeds.next(finished)
        self.episode_step[finished] = 0
        obs, ending = self._obs(self.matches), np.zeros(self.matches, dtype=np.int8)
        dense = np.zeros((self.matches, 2), dtype=np.float32)
        return Step((obs, obs), outcome, ending, dense, finished, (final[finished],) * 2)

    def _obs(self, rows: int) -> Array:
        sign = np.where(self.episode_step == 0, self._sign, 0.0)
        return np.stack([sign, self._last], axis=1).astype(np.float32)


def lstm(seed: int = 0, **card: Any) -> LSTMPolicy:
    """A small recurrent network with random weights, of Recall unless `card` says otherwise."""
    rng = np.random.default_rng(seed)
    described = PolicyCard.model_validate(
        {
            "name": "scribble", "kind": "lstm", "game": "recall-v1", "seat": "any", "obs_dim": 2,
            "act_dim": 1, "hidden": (8, 6), "origin": "test", **card,
        }
    )  # fmt: skip
    tensors = {
        name: rng.normal(0.0, 0.5, shape).astype(np.float32)
        for name, shape in expected_shapes(described).items()
    }
    if described.filter_clip is not None:
        tensors["filter.std"] = np.abs(tensors["filter.std"]) + np.float32(0.1)
    return LSTMPolicy(described, tensors)
