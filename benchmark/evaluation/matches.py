"""Matches between frozen policies on a fixed list of episode seeds: wins, ties, losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.arena.mixture import Mixture, Players
from benchmark.arena.tally import Tally
from benchmark.errors import Misuse
from benchmark.evaluation.protocol import PROTOCOL
from benchmark.games.game import Array, Game, Step, result_for
from benchmark.policies.policy import Policy
from benchmark.seeding import EpisodeSeeds, derive

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


class Turn(NamedTuple):
    """One step of all parallel matches.

    obs, actions: per seat, what it saw (N, obs_dim) and then played (N, act_dim), clipped to the
    box; step: what the game made of it; episode: (N,) which seed of the list each match plays, by
    position, -1 past its share; begun, ended: rows whose listed episode has here its first or its
    last step.
    """

    obs: tuple[Array, Array]
    actions: tuple[Array, Array]
    step: Step
    episode: NDArray[np.intp]
    begun: NDArray[np.intp]
    ended: NDArray[np.intp]


def episode_list(game_id: str, episodes: int, seed: int | None = None) -> list[int]:
    """The protocol's fixed episode seeds for a game, or a list of one's own from `seed`.

    Raises:
        Misuse: a negative seed.
    """
    if seed is not None and seed < 0:
        raise Misuse(f"--seed: a whole number from 0 on, got {seed}")
    list_name = f"protocol-{PROTOCOL}" if seed is None else f"seed-{seed}"
    return [derive(list_name, game_id, "episode", k) for k in range(episodes)]


def play(game: Game, seats: tuple[Policy, Policy], view: str, seeds: Sequence[int]) -> Halves:
    """Play one match per seed and count; see `play_out`."""
    return play_out(game, seats, view, seeds).halves


def play_out(
    game: Game,
    seats: tuple[Policy, Policy],
    view: str,
    seeds: Sequence[int],
    see: Callable[[Turn], None] | None = None,
) -> Played:
    """Play one match per seed; the results are from the view of seat `view`.

    see: is shown every step.

    Raises:
        Misuse: a policy is not made for this game or seat.
    """
    me = game.card.seat_index(view)
    starts = np.empty((len(seeds), sum(seat.obs_dim for seat in game.card.seats)), np.float32)
    results = np.zeros(len(seeds), dtype=np.int8)
    endings = np.zeros(len(seeds), dtype=np.int8)
    for turn in course(game, seats, seeds):
        if see is not None:
            see(turn)
        if len(turn.begun):
            begun = np.concatenate([seen[turn.begun] for seen in turn.obs], axis=1)
            starts[turn.episode[turn.begun]] = begun
        if len(turn.ended):
            position = turn.episode[turn.ended]
            results[position] = result_for(me, turn.step.outcome[turn.ended])
            endings[position] = turn.step.ending[turn.ended]
    return Played(results, endings, starts, game.card.endings)


def course(game: Game, seats: tuple[Policy, Policy], seeds: Sequence[int]) -> Iterator[Turn]:
    """Play one match per seed, step by step.

    The seeds are divided among the parallel matches up front and each match plays its own share
    to the end, so short matches are not counted more often than long ones.

    Raises:
        Misuse: a policy is not made for this game or seat.
    """
    shares = [list(seeds[i :: game.matches]) for i in range(game.matches)]
    names = [seat.name for seat in game.card.seats]
    players = [
        Players(Mixture.of(policy), game, name) for policy, name in zip(seats, names, strict=True)
    ]
    obs = game.reset(EpisodeSeeds(derive("past the list"), game.matches, shares))
    everyone = np.arange(game.matches)
    for player in players:
        player.start(everyone)
    episode = np.where(everyone < len(seeds), everyone, -1)
    begun = np.flatnonzero(episode >= 0)
    while (episode >= 0).any():
        actions = (players[0].act(obs[0]), players[1].act(obs[1]))
        step = game.step(actions)
        finished = step.finished
        yield Turn(obs, actions, step, episode, begun, finished[episode[finished] >= 0])
        obs, begun = step.obs, finished[:0]
        if len(finished):
            now, later = episode[finished], episode[finished] + game.matches
            episode = episode.copy()
            episode[finished] = np.where((now >= 0) & (later < len(seeds)), later, -1)
            begun = finished[episode[finished] >= 0]
            for player in players:
                player.start(finished)
