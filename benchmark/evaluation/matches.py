"""Matches between frozen policies on a fixed list of episode seeds: wins, ties, losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.arena.mixture import Mixture, Players
from benchmark.arena.tally import Tally
from benchmark.games.game import Array, Game, result_for
from benchmark.policies.policy import Policy
from benchmark.seeding import EpisodeSeeds, derive

PROTOCOL = 1
EVALUATION_MATCHES = 100
"""Matches in parallel in every evaluation: fixed, so that inference rounds alike everywhere."""


class Halves(NamedTuple):
    """Episodes of even and of odd position in the seed list, tallied apart.

    The defense score chooses the worst attack on one half and reports it on the other.
    """

    even: Tally
    odd: Tally

    @property
    def total(self) -> Tally:
        """Both together."""
        return Tally.sum(self)


class Played(NamedTuple):
    """Matches one by one, in the order of the seed list, from the view of one seat.

    results: (K,) int8 WIN, TIE, LOSS or VOID; endings: (K,) int8 indices into the card's endings;
    starts: (K, D) float32, what both seats saw first, side by side.
    """

    results: NDArray[np.int8]
    endings: NDArray[np.int8]
    starts: Array
    names: tuple[str, ...]

    def tally(self, rows: slice | NDArray[np.intp]) -> Tally:
        """Some of the matches, counted."""
        return Tally.count(self.results[rows], self.endings[rows], self.names)

    @property
    def halves(self) -> Halves:
        """All of them, by the parity of their position."""
        return Halves(self.tally(slice(0, None, 2)), self.tally(slice(1, None, 2)))


def episode_list(game_id: str, episodes: int, seed: int | None = None) -> list[int]:
    """The protocol's fixed episode seeds for a game, or a list of one's own from `seed`."""
    list_name = f"protocol-{PROTOCOL}" if seed is None else f"seed-{seed}"
    return [derive(list_name, game_id, "episode", k) for k in range(episodes)]


def play(game: Game, seats: tuple[Policy, Policy], view: str, seeds: Sequence[int]) -> Halves:
    """Play one match per seed and count; see `play_out`."""
    return play_out(game, seats, view, seeds).halves


def play_out(game: Game, seats: tuple[Policy, Policy], view: str, seeds: Sequence[int]) -> Played:
    """Play one match per seed; the results are from the view of seat `view`.

    The seeds are divided among the parallel matches up front and each match plays its own share
    to the end, so short matches are not counted more often than long ones.

    Raises:
        Misuse: a policy is not made for this game or seat.
    """
    shares = [list(seeds[i :: game.matches]) for i in range(game.matches)]
    quota = np.array([len(share) for share in shares])
    names = [seat.name for seat in game.card.seats]
    players = [
        Players(Mixture.of(policy), game, name) for policy, name in zip(seats, names, strict=True)
    ]
    me = game.card.seat_index(view)
    obs = game.reset(EpisodeSeeds(derive("past the list"), game.matches, shares))
    first = np.flatnonzero(quota > 0)
    starts = np.empty((len(seeds), sum(seat.obs_dim for seat in game.card.seats)), np.float32)
    starts[first] = np.concatenate([seen[first] for seen in obs], axis=1)
    for player in players:
        player.start(np.arange(game.matches))
    played = np.zeros(game.matches, dtype=np.int64)
    results = np.zeros(len(seeds), dtype=np.int8)
    endings = np.zeros(len(seeds), dtype=np.int8)
    while (played < quota).any():
        step = game.step((players[0].act(obs[0]), players[1].act(obs[1])))
        obs = step.obs
        if not len(step.finished):
            continue
        counted = step.finished[played[step.finished] < quota[step.finished]]
        position = counted + played[counted] * game.matches
        results[position] = result_for(me, step.outcome[counted])
        endings[position] = step.ending[counted]
        played[step.finished] += 1
        ahead = step.finished[played[step.finished] < quota[step.finished]]
        begun = np.concatenate([seen[ahead] for seen in obs], axis=1)
        starts[ahead + played[ahead] * game.matches] = begun
        for player in players:
            player.start(step.finished)
    return Played(results, endings, starts, game.card.endings)
