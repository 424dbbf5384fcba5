"""Attacks over games: the unweighted mean of their scores, and ranks by paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

import numpy as np

from benchmark.evaluation.statistics import BOOTSTRAP_DRAWS, Float, iqm_draws, percentiles
from benchmark.leaderboard.ranking import Draws, Entry, placed, ranked
from benchmark.leaderboard.scoring import BOOTSTRAP_SEED, Score
from benchmark.records.record import Record

USUAL = {"slow_ball": "loss", "physics": "ranked", "auto_contact": False}
"""Options of games that a title leaves out. Not asked of the games: the board renders from records
alone, whatever is installed."""


class Line(NamedTuple):
    """An attack with its entry on each game; without a score where it lacks one of the games."""

    label: str
    track: str
    games: Mapping[str, Entry]
    score: Score | None
    rank: int | None


class Overall(NamedTuple):
    """Games by name, and the attacks, best first."""

    games: list[str]
    lines: list[Line]


def options_text(record: Record) -> str:
    """The options of a game that are not the usual ones."""
    options = {k: v for k, v in record.cell.game_options.items() if USUAL.get(k) != v}
    return "".join(f" {k}={v}" for k, v in sorted(options.items()))


def overall(entries: Mapping[str, Sequence[Entry]]) -> Overall:
    """All attacks over games, from the entries of each, of one tier and under usual options.

    Of trainings with the tier's whole budget only. A method goes by its label here: what it
    resolves to may differ by game.
    """
    games = {}
    for game, everyone in sorted(entries.items()):
        chosen = [entry for entry in everyone if entry.counted and entry.is_whole]
        if chosen:
            games[game] = chosen
    found: dict[tuple[str, str], dict[str, Entry]] = {}
    full: set[tuple[str, str, str]] = set()
    for game, chosen in games.items():
        for entry in chosen:
            found.setdefault((entry.label, entry.track), {})[game] = entry
        placed = [chosen[i] for league in ranked(chosen) for i in league]
        full.update((game, entry.label, entry.track) for entry in placed)
    names = list(games)
    whole = {key: its for key, its in found.items() if len(its) == len(names)}
    places = _ranks(
        {
            key: [its[game] for game in names]
            for key, its in whole.items()
            if all((game, *key) in full for game in names)
        }
    )
    lines = [
        Line(*key, its, _score([its[g] for g in names]) if key in whole else None, places.get(key))
        for key, its in found.items()
    ]
    return Overall(names, sorted(lines, key=_place))


def _place(line: Line) -> tuple[float, float, str]:
    return line.rank or inf, -line.score.value if line.score else 1.0, line.label


def _score(games: Sequence[Entry]) -> Score:
    """Every game resampled for itself, their interquartile means averaged."""
    value = sum(entry.score.value for entry in games) / len(games)
    draws = [
        iqm_draws(list(entry.strata.values()), seed=BOOTSTRAP_SEED + k)
        for k, entry in enumerate(games)
    ]
    low, high = percentiles(np.mean(draws, axis=0))
    return Score(value, 100 * low, 100 * high)


def _ranks(found: Mapping[tuple[str, str], Sequence[Entry]]) -> dict[tuple[str, str], int]:
    """1 + the number of attacks of the track whose mean paired difference over games is above 0."""
    keys = list(found)
    rates = [[entry.rates for entry in found[key]] for key in keys]
    draws = [Draws(BOOTSTRAP_SEED + k) for k in range(max(map(len, rates), default=0))]

    def difference(one: int, other: int) -> Float | None:
        if keys[one][1] != keys[other][1]:
            return None
        total = np.zeros(BOOTSTRAP_DRAWS)
        for game, own, its in zip(draws, rates[one], rates[other], strict=True):
            drawn = game.difference(own, its)
            if drawn is None:
                return None
            total += drawn
        return total / len(draws)

    return dict(zip(keys, placed(len(keys), difference), strict=True))
