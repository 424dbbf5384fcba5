"""A policy that does not see some of its observation (the masked victim of Gleave et al. 2020)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.games.game import SeatCard
from benchmark.policies.policy import Array, Policy, Wrapped


class Blind(Wrapped):
    """Another policy for which columns [start, stop) always read `values` (stop - start,)."""

    def __init__(self, policy: Policy, columns: tuple[int, int], values: tuple[float, ...]):
        """Raises ValueError where there are not as many values as columns."""
        start, stop = columns
        if len(values) != stop - start:
            raise ValueError(f"expected {stop - start} values for the columns, got {len(values)}")
        super().__init__(policy)
        self._columns, self._values = slice(start, stop), np.array(values, dtype=np.float32)

    @classmethod
    def of(cls, policy: Policy, seat: SeatCard) -> Blind:
        """A seat's policy that sees the other side as at a match's start, always."""
        return cls(policy, seat.other_view, seat.other_at_start)

    def act(
        self, obs: Array, state: Array | None = None, draws: NDArray[np.float64] | None = None
    ) -> tuple[Array, Array | None]:
        masked = obs.copy()  # the game's own array, which others read too
        masked[:, self._columns] = self._values
        return self._policy.act(masked, state, draws)
