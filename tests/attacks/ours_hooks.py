"""Hooks of 'ours' after a made-up rollout, and its equations by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from attacks.ours import Deviations, Ours
from attacks.pretrained import Pretrained
from attacks.victim_model import Imitation
from benchmark.learning.rollout import Rollout
from tests.attacks.conftest import (
    MATCHES,
    PONG,
    STEPS,
    made_up_rollout,
    pong_arena,
)

ROWS = STEPS * MATCHES
EVERYTHING = {"eta": 1.0, "saliency": "gradient"}
"""Over the tuned preset, which leaves both out."""
NORM_OF: dict[str, Callable[[list[float]], float]] = {
    "l1": lambda x: sum(map(abs, x)) / len(x),
    "l2": lambda x: math.sqrt(sum(v * v for v in x)),
    "linf": lambda x: max(map(abs, x)),
}


def hooks_of(*, white_box: bool = False, **settings: Any) -> Deviations:
    """The method's hooks for Pong, models untrained."""
    arena, config = pong_arena(white_box=white_box), Ours.configure(PONG, settings)
    made = Ours(config).hooks(arena, np.random.default_rng(0))
    assert isinstance(made, Deviations)
    return made


def shown(**settings: Any) -> tuple[Deviations, Rollout]:
    """Hooks after one rollout at the start of a training, and the rollout as it was."""
    hooks = hooks_of(**settings)
    hooks.on_rollout(made_up_rollout(np.random.default_rng(0)), 0.0)
    return hooks, made_up_rollout(np.random.default_rng(0))


class ByHand:
    """Equation 9's tail for one step at a time, from a rollout and the two networks alone."""

    def __init__(self, hooks: Deviations, rollout: Rollout, settings: dict[str, Any]):
        self.config = Ours.configure(PONG, settings)
        assert isinstance(hooks.surrogate, (Imitation, Pretrained))
        self.f, self.h = hooks.surrogate.model.network, hooks.transition.model.network
        self.rollout = rollout
        rows = rollout.other_obs.reshape(ROWS, 13).astype(np.float64)
        self.mean, self.std = rows.mean(axis=0), np.sqrt(rows.var(axis=0) + 1e-8)
        changes = [self.see(t + 1, n) - self.see(t, n) for t, n in self.usable()]
        self.spread = np.sqrt(np.var(changes, axis=0) + 1e-8)

    def see(self, t: int, n: int) -> np.ndarray:
        """The victim's view after t steps of match n, zeros after the last."""
        if t == STEPS:
            return np.zeros(13)
        obs = self.rollout.other_obs[t, n]
        return (obs - self.mean) / self.std if self.config.standardise else obs

    def usable(self) -> list[tuple[int, int]]:
        """The steps whose next view is of the same match, or all of them."""
        every = itertools.product(range(STEPS), range(MATCHES))
        if not self.config.mask_ends:
            return list(every)
        return [(t, n) for t, n in every if t < STEPS - 1 and not self.rollout.ends[t, n]]

    def predicted(self, t: int, n: int, mu: np.ndarray) -> np.ndarray:
        """H's next view."""
        config, s, a_v = self.config, self.see(t, n), self.rollout.other_action[t, n]
        mu = mu.clip(-1, 1)
        if config.transition_inputs == "released":
            x = np.concatenate([self.rollout.obs[t, n], mu])
        else:
            x = np.concatenate([s, mu, a_v])
        made = self.run(self.h, x)
        if config.transition_output == "tanh":
            made = np.tanh(made)
        own = slice(0, 4) if config.transition_columns == "own" else slice(0, 13)
        if config.transition_output == "change":
            made = s[own] + made * self.spread[own]
        following = self.see(t + 1, n).copy()
        following[own] = made
        return following

    def weight(self, t: int, n: int) -> float:
        """w_t of the gradient's saliency."""
        if self.config.saliency == "none":
            return 1.0
        s = torch.from_numpy(self.see(t, n)).float().requires_grad_(True)
        (g,) = torch.autograd.grad(self.f(s[None]).sum(), s)
        s = s.detach()
        g = g.abs() / g.abs().max()
        start, stop = (9, 13) if self.config.saliency_columns == "tail" else (4, 8)
        kept = [float(g[k] * s[k]) if start <= k < stop else 0.0 for k in range(13)]
        moved = self.run(self.f, np.array(kept)) - self.run(self.f, self.see(t, n))
        return 1.0 / (1.0 + max(abs(float(x)) for x in moved))

    def gain(self, t: int, n: int, mu: np.ndarray) -> float:
        """w |F(o') - a_v(t+1)| - eta |o' - o_v(t+1)|."""
        norm, predicted = NORM_OF[self.config.norm], self.predicted(t, n, mu)
        after = self.rollout.other_action[t + 1, n] if t < STEPS - 1 else np.zeros(2)
        action = norm((self.run(self.f, predicted) - after).tolist())
        observation = norm((predicted - self.see(t + 1, n)).tolist())
        weighed = self.config.action_weight * self.weight(t, n) * action
        return weighed - self.config.eta * observation

    @staticmethod
    def run(network: Any, x: np.ndarray) -> np.ndarray:
        """A network on one row."""
        with torch.no_grad():
            return network(torch.from_numpy(x).float()[None])[0].double().numpy()
