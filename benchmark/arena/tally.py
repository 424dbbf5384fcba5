"""Counting how matches ended, from one side's view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from benchmark.errors import CheckFailed
from benchmark.games.game import LOSS, TIE, VOID, VOID_ENDING, WIN

_WORDS = {WIN: "win", TIE: "tie", LOSS: "loss", VOID: "void"}
Count = Annotated[int, Field(ge=0, strict=True)]
"""Of matches: a whole number, not one that is spelled in another way ("3", 3.0, true)."""
VOID_LIMIT = 0.01
"""The share of void matches above which a job fails."""


class TooManyVoids(CheckFailed):
    """So many simulations failed that the counts mean little."""


# Not a model: a board holds a million of them, and a model takes more than twice the room.
@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Tally:
    """Wins, ties and losses from one side's view; `breakdown` counts 'win:slow_ball' and so on.

    Void matches, whose simulation failed, count among the episodes and are nobody's success.
    """

    wins: Count = 0
    ties: Count = 0
    losses: Count = 0
    voids: Count = Field(default=0, exclude_if=lambda count: count == 0)
    breakdown: dict[str, Count] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _adds_up(self) -> Tally:
        if not self.breakdown:
            return self
        # Short, since a record holds a hundred tallies and a board a million.
        counts = {"win": self.wins, "tie": self.ties, "loss": self.losses, "void": self.voids}
        untold = counts.copy()
        for key, count in self.breakdown.items():
            word, colon, _ = key.partition(":")
            if not count:
                raise ValueError(f"breakdown counts no '{key}': leave it out")
            if not colon or word not in counts:
                raise ValueError(f"breakdown knows win:, tie:, loss: and void:, got '{key}'")
            untold[word] -= count
        for word, rest in untold.items():
            if rest:
                added, count = counts[word] - rest, counts[word]
                raise ValueError(f"breakdown of '{word}' adds to {added}, the count is {count}")
        return self

    @property
    def episodes(self) -> int:
        """All matches counted."""
        return self.wins + self.ties + self.losses + self.voids

    @property
    def win_rate(self) -> float:
        """W / N in [0, 1]; 0 where nothing was played."""
        return self.wins / self.episodes if self.episodes else 0.0

    @property
    def held_rate(self) -> float:
        """(T + L) / N in [0, 1]: how often the other side held; void matches are no success."""
        return (self.ties + self.losses) / self.episodes if self.episodes else 0.0

    @property
    def non_loss_rate(self) -> float:
        """(W + T) / N in [0, 1]; 0 where nothing was played."""
        return (self.wins + self.ties) / self.episodes if self.episodes else 0.0

    def flipped(self) -> Tally:
        """The same matches from the other side's view; ties and void matches stay what they are."""
        other = {"win": "loss", "loss": "win"}
        words = {key: key.split(":", 1) for key in self.breakdown}
        turned = {f"{other.get(w, w)}:{how}": self.breakdown[k] for k, (w, how) in words.items()}
        return Tally(
            wins=self.losses, ties=self.ties, losses=self.wins, voids=self.voids,
            breakdown=dict(sorted(turned.items())),
        )  # fmt: skip

    def without(self, ending: str) -> Tally:
        """The matches that ended otherwise: none of 'win:ENDING', 'loss:ENDING' and so on.

        Raises:
            ValueError: it does not tell how its matches ended.
        """
        if self.episodes and not self.breakdown:
            raise ValueError(f"no breakdown tells which of {self.episodes} matches were {ending}")
        left = {k: n for k, n in self.breakdown.items() if k.partition(":")[2] != ending}
        counts = Counter[str]()
        for key, count in left.items():
            counts[key.partition(":")[0]] += count
        return Tally(
            wins=counts["win"], ties=counts["tie"], losses=counts["loss"], voids=counts["void"],
            breakdown=left,
        )  # fmt: skip

    @classmethod
    def count(
        cls, results: NDArray[np.int8], endings: NDArray[np.int8], names: tuple[str, ...]
    ) -> Tally:
        """Tally finished matches: results (K,), endings (K,) indices of names."""
        pairs = Counter(zip(results.tolist(), endings.tolist(), strict=True))
        breakdown: Counter[str] = Counter()
        for (result, ending), count in sorted(pairs.items()):
            how = VOID_ENDING if result == VOID else names[ending]
            breakdown[f"{_WORDS[result]}:{how}"] += count
        totals = {r: sum(n for (s, _), n in pairs.items() if s == r) for r in _WORDS}
        return cls(
            wins=totals[WIN], ties=totals[TIE], losses=totals[LOSS], voids=totals[VOID],
            breakdown=dict(breakdown),
        )  # fmt: skip

    @classmethod
    def sum(cls, tallies: Iterable[Tally]) -> Tally:
        """All of several tallies together; without a breakdown where one of them has none."""
        wins = ties = losses = voids = 0
        breakdown: dict[str, int] = {}
        told = True
        for part in tallies:
            wins, ties = wins + part.wins, ties + part.ties
            losses, voids = losses + part.losses, voids + part.voids
            told = told and (bool(part.breakdown) or not part.episodes)
            for how, count in part.breakdown.items():
                breakdown[how] = breakdown.get(how, 0) + count
        ends = dict(sorted(breakdown.items())) if told else {}
        return cls._unchecked(wins, ties, losses, voids, ends)

    @classmethod
    def totals(cls, tallies: Iterable[Tally]) -> Tally:
        """All of several tallies together, without saying how they ended, which takes longest."""
        wins = ties = losses = voids = 0
        for part in tallies:
            wins, ties = wins + part.wins, ties + part.ties
            losses, voids = losses + part.losses, voids + part.voids
        return cls._unchecked(wins, ties, losses, voids, {})

    @classmethod
    def _unchecked(
        cls, wins: int, ties: int, losses: int, voids: int, breakdown: dict[str, int]
    ) -> Tally:
        """What adds up in every part adds up in all: not checked again, boards sum a great many."""
        whole, put = object.__new__(cls), object.__setattr__
        put(whole, "wins", wins)
        put(whole, "ties", ties)
        put(whole, "losses", losses)
        put(whole, "voids", voids)
        put(whole, "breakdown", breakdown)
        return whole

    def check_voids(self) -> None:
        """Raise TooManyVoids where too many simulations failed for the counts to mean much."""
        if self.voids > VOID_LIMIT * self.episodes:
            raise TooManyVoids(
                f"{self.voids} of {self.episodes} matches are void (the simulation diverged); at "
                f"most {VOID_LIMIT:.0%} may be: a player drives the physics to where it breaks"
            )


TALLY = TypeAdapter(Tally)
"""Reads and writes a tally as a JSON object."""
