"""Who sits opposite: a mixture of frozen policies, one of them drawn for every episode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import Misuse
from benchmark.games.game import Array, Game, GameCard
from benchmark.policies.policy import ANY, Policy
from benchmark.seeding import (
    STREAM_ACTION_LEFT,
    STREAM_ACTION_RIGHT,
    STREAM_OPPONENT,
    uniforms,
)


class Mixture:
    """Policies with the share of episodes that each one plays."""

    def __init__(self, members: Sequence[tuple[Policy, float]]):
        """Raises Misuse for an empty mixture, or shares that are negative or all zero."""
        shares = np.array([share for _, share in members], dtype=np.float64)
        if not len(shares) or not np.isfinite(shares).all() or (shares < 0).any():
            raise Misuse(f"a mixture needs members with shares >= 0, got {shares.tolist()}")
        if shares.sum() <= 0:
            raise Misuse("a mixture needs at least one share above 0")
        kept = shares > 0
        self.policies = [p for (p, _), keep in zip(members, kept, strict=True) if keep]
        self.shares = shares[kept] / shares.sum()

    @classmethod
    def of(cls, policy: Policy) -> Mixture:
        """The mixture of a single policy."""
        return cls([(policy, 1.0)])

    def pick(self, episode_seeds: NDArray[np.uint64]) -> NDArray[np.intp]:
        """The member that plays each episode: (N,) indices, by the episodes' seeds alone."""
        if len(self.policies) == 1:
            return np.zeros(len(episode_seeds), dtype=np.intp)
        draws = uniforms(episode_seeds, STREAM_OPPONENT, np.uint64(0), 1)[:, 0]
        index = np.searchsorted(np.cumsum(self.shares), draws, side="right")
        return np.minimum(index, len(self.policies) - 1)


def check_fits(policy: Policy, game: GameCard, seat: str) -> None:
    """Raise Misuse unless a policy is made for this game and seat."""
    card = policy.card
    if card.game not in (ANY, game.id):
        raise Misuse(
            f"policy '{card.name}' plays {card.game}, this run plays {game.id}; "
            f"name the game with --game {card.game}"
        )
    if card.seat not in (ANY, seat):
        raise Misuse(
            f"policy '{card.name}' is made for seat '{card.seat}', it was asked to play '{seat}'"
        )
    spec = game.seats[game.seat_index(seat)]
    if card.act_dim != spec.act_dim or card.obs_dim not in (0, spec.obs_dim):
        raise Misuse(
            f"policy '{card.name}' has {card.obs_dim} observations and {card.act_dim} actions, "
            f"seat '{seat}' of {game.id} has {spec.obs_dim} and {spec.act_dim}"
        )


class Players:
    """A mixture at play in one seat of a batch of matches."""

    def __init__(self, mixture: Mixture, game: Game, seat: str):
        for policy in mixture.policies:
            check_fits(policy, game.card, seat)
        self.mixture = mixture
        self._game = game
        index = game.card.seat_index(seat)
        self._act_dim = game.card.seats[index].act_dim
        self._bound = game.card.seats[index].act_bound
        self._stream = (STREAM_ACTION_LEFT, STREAM_ACTION_RIGHT)[index]
        self.member = np.zeros(game.matches, dtype=np.intp)
        self._memory = [policy.initial_state(game.matches) for policy in mixture.policies]

    def start(self, rows: NDArray[np.intp]) -> None:
        """Draw who plays the episodes that have just begun in `rows`, with fresh memories."""
        self.member[rows] = self.mixture.pick(self._game.episode_seed[rows])
        for policy, memory in zip(self.mixture.policies, self._memory, strict=True):
            if memory is not None:
                initial = policy.initial_state(len(rows))
                assert initial is not None
                memory[rows] = initial

    def act(self, obs: Array) -> Array:
        """Actions (N, act_dim) of each match's player, clipped to the box as the game will.

        Every member sees the whole batch, so that the shape of the arithmetic, and with it the
        last bit of its result, does not depend on who was drawn where.
        """
        chosen: Array | None = None
        for i, policy in enumerate(self.mixture.policies):
            actions, self._memory[i] = policy.act(obs, self._memory[i], self._draws(policy))
            chosen = actions if chosen is None else np.where(
                (self.member == i)[:, None], actions, chosen
            )  # fmt: skip
        assert chosen is not None
        return np.asarray(np.clip(chosen, -self._bound, self._bound), dtype=np.float32)

    def _draws(self, policy: Policy) -> NDArray[np.float64] | None:
        if not policy.needs_draws:
            return None
        steps = self._game.episode_step.astype(np.uint64)
        return uniforms(self._game.episode_seed, self._stream, steps, self._act_dim)

    def state(self) -> dict[str, NDArray[Any]]:
        """All that a checkpoint needs."""
        memories = {f"memory{i}": m for i, m in enumerate(self._memory) if m is not None}
        return {"member": self.member.copy(), **{k: m.copy() for k, m in memories.items()}}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Continue from `state()`."""
        self.member[:] = state["member"]
        for i, memory in enumerate(self._memory):
            if memory is not None:
                memory[:] = state[f"memory{i}"]
