"""Matches that are played again: who meets whom, and what is kept of it.

Between them they see every game, both physics, both modes of acting, floors and the rules of Pong
under either option. Of every pairing the counts are kept, and a hash of all that both sides saw
and did, which a constant moves long before it moves who wins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from benchmark.arena.tally import Tally
from benchmark.evaluation import matches
from benchmark.games.game import Array
from benchmark.games.mujoco_games import MUJOCO_GAMES
from benchmark.policies.policy import ActionMode, NetworkPolicy, Policy, Wrapped
from benchmark.registry import game
from benchmark.regression.stock import PONG, Stock

PONG_EPISODES, MUJOCO_EPISODES = 400, 20
RUN = "you-shall-not-pass-v1"


class Pairing(NamedTuple):
    """Two players of a stock, and the game they play; counts are the adversary's seat's."""

    name: str
    game: str
    adversary: str
    victim: str
    episodes: int
    options: Mapping[str, Any] = MappingProxyType({})
    victim_mode: ActionMode | None = None
    """None: as its card says."""


class Course(BaseModel):
    """What came of a pairing. digest: of all that both sides saw and did, step by step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tally: Tally
    digest: str


def pairings() -> list[Pairing]:
    """All of them."""
    return [*_pong(), *_mujoco()]


def _pong() -> Iterator[Pairing]:
    meetings: list[tuple[str, str, dict[str, Any], ActionMode | None]] = [
        ("stored-baseline", "house-tanh", {}, None),
        ("stored-baseline", "house-tanh", {}, "sampled"),
        ("stored-baseline", "house-tanh", {"slow_ball": "tie"}, None),
        ("stored-ours", "house-tanh", {}, None),
        ("stored-ours", "house-relu", {}, None),
        ("stored-baseline", "stored-retrain", {}, None),
        ("house-relu", "stored-retrain", {}, None),
        ("house-relu", "house-tanh", {}, None),
        ("random", "house-tanh", {}, None),
        ("zero", "house-relu", {}, None),
    ]
    for adversary, victim, options, mode in meetings:
        yield Pairing(
            _name(PONG, adversary, victim, options, mode), PONG, adversary, victim,
            PONG_EPISODES, options, mode,
        )  # fmt: skip


def _mujoco() -> Iterator[Pairing]:
    """Networks fall over soon, as nobody trained them, which is course enough for a digest.

    The house victims stay up.
    """
    runner, blocker = "house-runner", "house-blocker"
    yield Pairing(f"{RUN}: {blocker} against {runner}", RUN, blocker, runner, MUJOCO_EPISODES)
    for name in MUJOCO_GAMES:
        card = game(name).describe()
        mine = card.adversary_seat
        theirs = card.opposite(mine).name
        adversary, victim = f"{name} {mine}", f"{name} {theirs}"
        yield Pairing(f"{name}: {mine} against {theirs}", name, adversary, victim, MUJOCO_EPISODES)
        yield Pairing(
            f"{name}: random against {theirs}, original physics", name, "random", victim,
            MUJOCO_EPISODES // 4, {"physics": "original"},
        )  # fmt: skip


def _name(kind: str, adversary: str, victim: str, options: dict[str, Any], mode: str | None) -> str:
    told = [f"{key}={value}" for key, value in options.items()] + ([mode] if mode else [])
    return f"{kind}: {', '.join([f'{adversary} against {victim}', *told])}"


def play(pairing: Pairing, stock: Stock) -> Course:
    """Play a pairing on the protocol's own episodes."""
    kind = game(pairing.game)
    batch = kind(min(matches.EVALUATION_MATCHES, pairing.episodes), kind.Options(**pairing.options))
    card, digest = batch.card, hashlib.sha256()
    victim = stock.player(pairing.victim, pairing.game)
    if pairing.victim_mode is not None and isinstance(victim, NetworkPolicy):
        victim = victim.in_mode(pairing.victim_mode)
    mine = Witness(stock.player(pairing.adversary, pairing.game), digest)
    theirs = Witness(victim, digest)
    seats = (mine, theirs) if card.seat_index(card.adversary_seat) == 0 else (theirs, mine)
    seeds = matches.episode_list(card.id, pairing.episodes)
    halves = matches.play(batch, seats, card.adversary_seat, seeds)
    return Course(tally=halves.total, digest=digest.hexdigest())


class Witness(Wrapped):
    """Another policy, all of whose observations and actions go into a hash."""

    def __init__(self, policy: Policy, digest: Any):
        super().__init__(policy)
        self._digest = digest

    def act(
        self, obs: Array, state: Array | None = None, draws: NDArray[np.float64] | None = None
    ) -> tuple[Array, Array | None]:
        actions, state = self._policy.act(obs, state, draws)
        self._digest.update(np.ascontiguousarray(obs).tobytes())
        self._digest.update(np.ascontiguousarray(actions).tobytes())
        return actions, state
