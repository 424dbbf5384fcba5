"""What one seat saw and did in every match of a list of episode seeds, for a detector to judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from benchmark.evaluation.matches import course
from benchmark.games.game import Array, Game
from benchmark.policies.policy import Policy


class Episode(NamedTuple):
    """One match from one seat, T steps of it.

    obs: (T, obs_dim) float32, what the seat saw before each action, raw; actions: (T, act_dim)
    float32, what it then did, clipped to the box.
    """

    obs: Array
    actions: Array


def watch(
    game: Game,
    seats: tuple[Policy, Policy],
    view: str,
    seeds: Sequence[int],
) -> list[Episode]:
    """Play one match per seed, as `matches.play_out` does, and keep what seat `view` saw and did.

    In the order of the seeds. A MuJoCo match is up to .8 MB: use `watch_each` where they need not
    all be held at once.

    Raises:
        Misuse: a policy is not made for this game or seat.
    """
    seen = dict(watch_each(game, seats, view, seeds))
    return [seen[position] for position in range(len(seeds))]


def watch_each(
    game: Game,
    seats: tuple[Policy, Policy],
    view: str,
    seeds: Sequence[int],
) -> Iterator[tuple[int, Episode]]:
    """The same, one by one as they end, with their positions in the list of seeds."""
    me = game.card.seat_index(view)
    running: list[list[tuple[Array, Array]]] = [[] for _ in range(game.matches)]
    for turn in course(game, seats, seeds):
        for row in np.flatnonzero(turn.episode >= 0):
            running[row].append((turn.obs[me][row], turn.actions[me][row]))
        for row in turn.ended:
            obs, actions = zip(*running[row], strict=True)
            running[row] = []
            yield int(turn.episode[row]), Episode(np.stack(obs), np.stack(actions))
