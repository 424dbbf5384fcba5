"""Made-up episodes in which a body walks at random, in the shapes of any game's seat."""

from __future__ import annotations

import numpy as np

from benchmark.evaluation.watching import Episode
from benchmark.games.game import SeatCard


def wander(
    seat: SeatCard, rng: np.random.Generator, *, jolt: float = 0.0, steps: int = 40
) -> Episode:
    """Everything in sight decays by .8 a step and is pushed at random; the first columns of the
    body follow the actions too. With `jolt` the body is pushed that much harder.
    """
    start, stop = seat.own_view
    size = 1.0 / np.sqrt(seat.obs_dim)  # so that a random network is not saturated
    push = rng.normal(0.0, size, (steps, seat.obs_dim))
    push[:, start:stop] *= 1.0 + jolt
    actions = rng.uniform(-seat.act_bound, seat.act_bound, (steps, seat.act_dim))
    led = min(seat.act_dim, stop - start)
    push[1:, start : start + led] += size * actions[:-1, :led]
    obs = np.zeros((steps, seat.obs_dim))
    obs[0] = push[0]
    for t in range(1, steps):
        obs[t] = 0.8 * obs[t - 1] + push[t]
    return Episode(obs.astype(np.float32), actions.astype(np.float32))


def wanderings(
    seat: SeatCard, count: int, seed: int, *, jolt: float = 0.0, steps: int = 40
) -> list[Episode]:
    """Several of them."""
    rng = np.random.default_rng(seed)
    return [wander(seat, rng, jolt=jolt, steps=steps) for _ in range(count)]
