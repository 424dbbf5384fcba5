"""Collecting experience in an arena, and the advantages that it supports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.arena.arena import Arena
from benchmark.arena.tally import Tally
from benchmark.learning.networks import Network, ObsFilter

Array = NDArray[np.float32]
HALF_LOG_2PI = 0.5 * float(np.log(2.0 * np.pi))

SHOWN = ("other_obs", "other_action", "dense", "member", "result", "ending")
"""What of an arena's info a rollout keeps."""


@dataclass
class Rollout:
    """T steps of N matches. PPO learns from `rewards`, and from what hooks `pay` on top.

    obs: (T, N, obs_dim) as the network saw them (filtered); actions: (T, N, act_dim) unclipped;
    means: (T, N, act_dim) what the network would have played without its noise.
    log_probs, values, rewards: (T, N); ends: (T, N) bool, the match ended with this step.
    last_obs: (N, obs_dim) the observation after the last step, filtered; last_value: (N,) its
    value.
    other_obs: (T, N, D), other_action: (T, N, A): the other side, as passively seen.
    dense: (T, N) the game's own shaping reward.
    member: (T, N) int, which member of the arena's mixture sat opposite.
    result: (T, N) int8 WIN, TIE, LOSS or VOID of `games.game`, where the match ended.
    bonus: (T, N) what is paid on top of the rewards, or None.
    memory: (T / L, N, M) of a recurrent network before every L-th step, L its `sequence`, or None.
    """

    obs: Array
    actions: Array
    means: Array
    log_probs: Array
    values: Array
    rewards: Array
    ends: NDArray[np.bool_]
    last_obs: Array
    last_value: Array
    other_obs: Array
    other_action: Array
    dense: Array
    member: NDArray[np.intp]
    result: NDArray[np.int8]
    tally: Tally
    bonus: Array | None = None
    memory: Array | None = None

    def pay(self, bonus: Array) -> None:
        """Pay a method's own reward (T, N) on top of the game's, in units of an outcome of 1.

        Kept apart, so that it does not move the scale that an outcome is learned at.
        """
        self.bonus = bonus if self.bonus is None else self.bonus + bonus

    @property
    def steps(self) -> int:
        """Environment steps in it: T x N."""
        return int(self.rewards.size)


class Collector:
    """Plays the arena with the current network."""

    def __init__(
        self,
        arena: Arena,
        network: Network,
        obs_filter: ObsFilter,
        steps: int,
        rng: np.random.Generator,
    ):
        self._arena, self._network, self._filter, self._rng = arena, network, obs_filter, rng
        self._steps = steps
        self.obs: Array = np.empty(0, dtype=np.float32)
        self._memory: Array | None = None

    def enter(self, arena: Arena) -> None:
        """Continue in an arena that has just been reset."""
        self._arena, self.obs = arena, arena.observation()
        self._memory = self._network.initial_memory(arena.num_envs)

    def state(self) -> dict[str, Array]:
        """What the network remembers of the matches in flight, for a checkpoint."""
        return {} if self._memory is None else {"memory": self._memory}

    def restore(self, state: dict[str, Array], obs: Array) -> None:
        """Continue from `state()` and what the arena shows there."""
        self.obs, self._memory = obs, state.get("memory")

    def collect(self) -> Rollout:
        """Play T steps of every match, then evaluate what was seen in one pass."""
        arena, network = self._arena, self._network
        log_std = network.log_std.detach().numpy()
        std = np.exp(log_std)
        play = network.player()
        history, memories = [], []
        for step in range(self._steps):
            if self._memory is not None and step % network.sequence == 0:
                memories.append(self._memory.copy())
            raw, z = self.obs, self._filter.apply(self.obs)
            noise = self._rng.standard_normal((len(z), len(std)), dtype=np.float32)
            mean, self._memory = play(z, self._memory)
            action = mean + std * noise
            self.obs, reward, ended, _, info = arena.step(action)
            if self._memory is not None:
                self._memory[ended] = 0.0
            shown_now = (info[key] for key in SHOWN)
            history.append((raw, z, noise, mean, action, reward, ended, *shown_now))
        raw, z, noise, means, actions, rewards, ends, *shown = (
            np.stack(column) for column in zip(*history, strict=True)
        )
        other_obs, other_action, dense, member, result, ending = shown
        values = network.vf.infer(z.reshape(-1, z.shape[-1])).reshape(ends.shape)
        last_obs = self._filter.apply(self.obs)
        last_value = network.vf.infer(last_obs)[:, 0]
        self._filter.update(raw.reshape(-1, raw.shape[-1]))  # used from the next rollout on
        return Rollout(
            obs=z,
            actions=actions,
            means=means,
            log_probs=-0.5 * np.square(noise).sum(axis=-1)
            - log_std.sum()
            - len(std) * HALF_LOG_2PI,
            values=values,
            rewards=rewards,
            ends=ends,
            last_obs=last_obs,
            last_value=last_value,
            other_obs=other_obs,
            other_action=other_action,
            dense=dense,
            member=member,
            result=result,
            tally=Tally.count(result[ends], ending[ends], arena.game.card.endings),
            memory=np.stack(memories) if memories else None,
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
