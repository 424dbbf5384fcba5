"""The arena: one seat of a batch of matches as a `gymnasium.vector.VectorEnv`.

What it shows is the threat model (Wu et al. 2021, section 3; Gleave et al. 2020): the learner's
own observation, its reward, the outcome, and in `info` what the other side saw and did. The other
side's policy only where the run was declared white-box.
"""

from __future__ import annotations

from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from benchmark.arena.ledger import Ledger
from benchmark.arena.mixture import Mixture, Players
from benchmark.errors import Misuse
from benchmark.games.game import Array, Game, GameCard, Outcome, result_for, reward_of
from benchmark.policies.policy import Policy
from benchmark.seeding import EpisodeSeeds, derive


class Shown(Protocol):
    """What a learner may know of the game: its card."""

    card: GameCard


class Opposite(Protocol):
    """What a learner may know of the other seat: the mixture, where it chose it itself."""

    @property
    def mixture(self) -> Mixture:
        """Who plays there, with which shares."""


class Arena(gymnasium.vector.VectorEnv[Array, Array, NDArray[Any]]):
    """A game seen from `seat` against a mixture of frozen policies.

    Nothing is ever truncated: a time-out is an outcome by the game's rules, and a match whose
    simulation failed ends with reward -1 and the result VOID.

    reward: (N,) float32, +1 where the learner has just won, -1 where it lost, 0 otherwise.
    info of a step:
        other_obs (N, D), other_action (N, A): what the other seat saw and did in this step;
        result (N,) int8: WIN, TIE, LOSS or VOID of `games.game`, where `terminated`;
        ending (N,) int8: index into the game card's endings, where `terminated`;
        dense (N,) float32: the game's own shaping reward for the learner's seat;
        member (N,) int: which member of the mixture played the step;
        final_obs (N, obs_dim) with _final_obs (N,) bool: last observations of finished matches.
    """

    game: Shown
    players: Opposite
    steps: int
    """Environment steps played in it: the budget is counted here."""

    def __init__(
        self,
        game: Game,
        seat: str,
        mixture: Mixture,
        seed: int,
        *,
        white_box: bool = False,
        seed_base: int | None = None,
        ledger: Ledger | None = None,
    ):
        """A fresh arena.

        Args:
            seed_base: hashed together with every seed that the learner names, which then chooses
                no episodes of its own; without one a seed that it names is taken as it is.
            ledger: told of every step and of every match that ends.
        """
        self._sit(game.card, seat, game.matches)
        self.game = self._game = game
        self._white_box, self._seed_base, self._ledger = white_box, seed_base, ledger
        other = game.card.seats[1 - self.seat_index].name
        self.players = self._players = Players(mixture, game, other)
        self._seeds = self._episodes(seed)
        self._obs: tuple[Array, Array] | None = None

    def _sit(self, card: GameCard, seat: str, matches: int) -> None:
        """Set what is known from outside: the seat, the number of matches, the spaces."""
        self.seat, self.seat_index = seat, card.seat_index(seat)
        self.steps = 0
        spec = card.seats[self.seat_index]
        self.num_envs = matches
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_observation_space = _box(np.inf, spec.obs_dim)
        self.single_action_space = _box(spec.act_bound, spec.act_dim)
        self.observation_space = gymnasium.vector.utils.batch_space(
            self.single_observation_space, self.num_envs
        )
        self.action_space = gymnasium.vector.utils.batch_space(
            self.single_action_space, self.num_envs
        )

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Start every match afresh: a seed's first episodes, or the next ones without a seed."""
        named = checked_seed(seed)
        if named is not None:
            self._seeds = self._episodes(named)
        self._obs = self._game.reset(self._seeds)
        self._players.start(np.arange(self.num_envs))
        return self._obs[self.seat_index], {"member": self._players.member.copy()}

    def _episodes(self, named: int) -> EpisodeSeeds:
        """The episodes that a named seed stands for."""
        base = self._seed_base
        return EpisodeSeeds(named if base is None else derive("arena", base, named), self.num_envs)

    def step(
        self, actions: Array
    ) -> tuple[Array, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        if self._obs is None:
            raise RuntimeError("call reset() before step()")
        me, other_obs = self.seat_index, self._obs[1 - self.seat_index]
        other_action = self._players.act(other_obs)
        mine = np.ascontiguousarray(actions, dtype=np.float32)
        member = self._players.member.copy()
        step = self._game.step((mine, other_action) if me == 0 else (other_action, mine))
        self._obs = step.obs
        self.steps += self.num_envs
        done = step.finished
        if self._ledger is not None:
            self._ledger.count(self.num_envs, step.outcome[done], step.ending[done])
        if len(done):
            self._players.start(done)
        terminated = step.outcome != Outcome.RUNNING
        result = result_for(me, step.outcome)
        info = {
            "other_obs": other_obs,
            "other_action": other_action,
            "result": result,
            "ending": step.ending,
            "dense": step.dense[:, me],
            "member": member,
            "final_obs": self._final_obs(done, step.final_obs[me]),
            "_final_obs": terminated,
        }
        truncated = np.zeros(self.num_envs, dtype=bool)
        return step.obs[me], reward_of(result), terminated, truncated, info

    def revealed(self) -> Policy:
        """The other side's policy; raises Misuse unless the arena is white-box and it is one."""
        if not self._white_box:
            raise Misuse("the other side's policy is only shown in the white-box track")
        if len(self._players.mixture.policies) != 1:
            raise Misuse("white-box: expected one policy on the other side, found several")
        return self._players.mixture.policies[0]

    def observation(self) -> Array:
        """What the learner sees now: (N, obs_dim)."""
        if self._obs is None:
            raise RuntimeError("call reset() first")
        return self._obs[self.seat_index]

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything that a checkpoint needs to continue the matches in flight."""
        parts = {
            "game": self._game.state(),
            "players": self._players.state(),
            "seeds": {"base": np.array(self._seeds.base), "drawn": self._seeds.drawn.copy()},
            "played": {"steps": np.array(self.steps)},
        }
        return {f"{part}.{k}": v for part, values in parts.items() for k, v in values.items()}

    def restore(self, state: dict[str, NDArray[Any]]) -> Array:
        """Continue from `state()`; returns the learner's observation at that point."""

        def part(name: str) -> dict[str, NDArray[Any]]:
            start = name + "."
            return {k[len(start) :]: v for k, v in state.items() if k.startswith(start)}

        seeds = part("seeds")
        self._seeds = EpisodeSeeds(int(seeds["base"]), self.num_envs)
        self._seeds.drawn[:] = seeds["drawn"]
        self._obs = self._game.restore(part("game"), self._seeds)
        self._players.restore(part("players"))
        self.steps = int(part("played")["steps"])
        return self._obs[self.seat_index]

    def _final_obs(self, rows: NDArray[np.intp], final: Array) -> Array:
        full = np.zeros((self.num_envs, final.shape[1]), dtype=np.float32)
        full[rows] = final
        return full


def checked_seed(seed: object) -> int | None:
    """A seed that a learner names, or None where it names none; raises Misuse."""
    if seed is None:
        return None
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise Misuse(f"an arena's seed is a whole number from 0 to 2**64 - 1, got {seed!r}")
    return int(seed)


def _box(bound: float, size: int) -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(-bound, bound, (size,), np.float32)
