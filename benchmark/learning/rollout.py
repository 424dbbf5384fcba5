"""Collecting experience in an arena, and the advantages that it supports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.arena.arena import Arena
from benchmark.arena.tally import Tally
from benchmark.learning.networks import ActorCritic, ObsFilter

Array = NDArray[np.float32]
_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass
class Rollout:
    """T steps of N matches. `rewards` is what PPO will learn from; hooks may add to it.

    obs: (T, N, obs_dim) as the network saw them (filtered); actions: (T, N, act_dim) unclipped.
    log_probs, values, rewards: (T, N); ends: (T, N) bool, the match ended with this step.
    last_value: (N,) value of the observation after the last step.
    other_obs: (T, N, D), other_action: (T, N, A): the other side, as passively seen.
    dense: (T, N) the game's own shaping reward.
    """

    obs: Array
    actions: Array
    log_probs: Array
    values: Array
    rewards: Array
    ends: NDArray[np.bool_]
    last_value: Array
    other_obs: Array
    other_action: Array
    dense: Array
    tally: Tally

    @property
    def steps(self) -> int:
        """Environment steps in it: T x N."""
        return int(self.rewards.size)


class Collector:
    """Plays the arena with the current network."""

    def __init__(
        self,
        arena: Arena,
        network: ActorCritic,
        obs_filter: ObsFilter,
        steps: int,
        rng: np.random.Generator,
    ):
        self._arena, self._network, self._filter, self._rng = arena, network, obs_filter, rng
        self._steps = steps
        self.obs: Array = np.empty(0, dtype=np.float32)

    def enter(self, arena: Arena) -> None:
        """Continue in an arena that has just been reset."""
        self._arena, self.obs = arena, arena.observation()

    def collect(self) -> Rollout:
        """Play T steps of every match, then evaluate what was seen in one pass."""
        steps, arena = self._steps, self._arena
        log_std = self._network.log_std.detach().numpy()
        std = np.exp(log_std)
        raw, seen, actions, noise, results, endings = [], [], [], [], [], []
        rewards, ends, other_obs, other_action, dense = [], [], [], [], []
        for _ in range(steps):
            z = self._filter.apply(self.obs)
            draw = self._rng.standard_normal((len(z), len(std)), dtype=np.float32)
            action = self._network.pi.infer(z) + std * draw
            raw.append(self.obs)
            self.obs, reward, terminated, truncated, info = arena.step(action)
            if truncated.any():
                raise NotImplementedError("the games end by their own rules, none is truncated")
            seen.append(z)
            actions.append(action)
            noise.append(draw)
            rewards.append(reward)
            ends.append(terminated)
            other_obs.append(info["other_obs"])
            other_action.append(info["other_action"])
            dense.append(info["dense"])
            results.append(info["result"][terminated])
            endings.append(info["ending"][terminated])
        observed = np.stack(seen)
        last = self._network.vf.infer(self._filter.apply(self.obs))[:, 0]
        values = self._network.vf.infer(observed.reshape(-1, observed.shape[-1]))
        squares = np.square(np.stack(noise)).sum(axis=-1)
        self._filter.update(np.concatenate(raw))  # from the next rollout on
        return Rollout(
            obs=observed,
            actions=np.stack(actions),
            log_probs=-0.5 * squares - (log_std.sum() + 0.5 * len(std) * _LOG_2PI),
            values=values.reshape(observed.shape[:2]),
            rewards=np.stack(rewards),
            ends=np.stack(ends),
            last_value=last,
            other_obs=np.stack(other_obs),
            other_action=np.stack(other_action),
            dense=np.stack(dense),
            tally=Tally.count(
                np.concatenate(results), np.concatenate(endings), arena.game.card.endings
            ),
        )


def gae(
    rewards: Array,
    values: Array,
    ends: NDArray[np.bool_],
    last_value: Array,
    gamma: float,
    lam: float,
) -> tuple[Array, Array]:
    """Generalised advantage estimates (Schulman et al. 2016, equation 16) and value targets.

    rewards, values, ends: (T, N); last_value: (N,). Returns advantages and returns, both (T, N).
    """
    advantages = np.empty_like(rewards)
    running = np.zeros_like(last_value)
    following = last_value
    for t in range(len(rewards) - 1, -1, -1):
        alive = 1.0 - ends[t].astype(np.float32)
        delta = rewards[t] + np.float32(gamma) * following * alive - values[t]
        running = delta + np.float32(gamma * lam) * alive * running
        advantages[t] = running
        following = values[t]
    return advantages, advantages + values
