"""How near two bodies come and when each goes down: whether a win is one of force or of a sight.

An adversary may lie in its victim's way, or make it fall from afar by what it looks like. Counts of
wins do not tell the two apart; where the bodies were does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.evaluation.matches import Turn
from benchmark.games.game import WIN, Array, Game, result_for

DOWN = 0.5
"""Share of the height that its torso began at, below which a body is down."""


class Approach(NamedTuple):
    """Matches one by one, in the order of the seed list, from the view of one seat.

    won: (K,) bool; steps: (K,) int; nearest, last: (K,) float32, metres between both torsos over
    the ground, the least of the match and before its last step; down: (K, 2) int, after how many
    steps the seat in view and the other were first down, -1 where never.
    """

    won: NDArray[np.bool_]
    steps: NDArray[np.int64]
    nearest: Array
    last: Array
    down: NDArray[np.int64]


class Medians(NamedTuple):
    """Of some matches: how many they are, and medians of what `Approach` tells of each.

    down, other_down: in how many the seat in view and the other went down, and, over those alone,
    after how many steps; None where in none.
    """

    matches: int
    steps: float
    nearest_m: float
    last_m: float
    down: int
    down_after: float | None
    other_down: int
    other_down_after: float | None


class Surveyor:
    """Sees every step of `matches.play_out`, and tells of each match where the bodies were."""

    def __init__(self, game: Game, view: str, matches: int):
        """For a list of so many matches of a game, from the view of a seat."""
        self._game, self._me = game, game.card.seat_index(view)
        self._won = np.zeros(matches, dtype=bool)
        self._steps = np.zeros(matches, dtype=np.int64)
        self._nearest = np.full(matches, np.inf, dtype=np.float32)
        self._last = np.zeros(matches, dtype=np.float32)
        self._down = np.full((matches, 2), -1, dtype=np.int64)
        self._upright = np.zeros((matches, 2), dtype=np.float32)

    def __call__(self, turn: Turn) -> None:
        """Take in one step of all matches; raises Misuse in a game without places."""
        rows = np.flatnonzero(turn.episode >= 0)
        match, places = turn.episode[rows], self._game.places(turn.obs)[rows]
        gap = np.linalg.norm(places[:, 0, :2] - places[:, 1, :2], axis=1)
        height = places[:, [self._me, 1 - self._me], 2]
        step = self._steps[match]
        self._upright[match[step == 0]] = height[step == 0]
        fallen = (height < DOWN * self._upright[match]) & (self._down[match] < 0)
        self._down[match] = np.where(fallen, step[:, None], self._down[match])
        self._nearest[match] = np.minimum(self._nearest[match], gap)
        self._last[match] = gap
        self._steps[match] += 1
        outcome = turn.step.outcome[turn.ended]
        self._won[turn.episode[turn.ended]] = result_for(self._me, outcome) == WIN

    def told(self) -> Approach:
        """Of all matches, once they have been played."""
        return Approach(self._won, self._steps, self._nearest, self._last, self._down)


def medians(found: Approach, rows: NDArray[np.bool_]) -> Medians | None:
    """Of the matches that rows (K,) choose; None where they choose none."""
    if not rows.any():
        return None
    steps, nearest, last = (
        float(np.median(values[rows])) for values in (found.steps, found.nearest, found.last)
    )
    mine, theirs = (_fallen(found.down[rows, seat]) for seat in (0, 1))
    return Medians(int(rows.sum()), steps, nearest, last, *mine, *theirs)


def _fallen(down: NDArray[np.int64]) -> tuple[int, float | None]:
    """In how many of the matches a body went down, and the median step of those."""
    fell = down[down >= 0]
    return len(fell), float(np.median(fell)) if len(fell) else None
