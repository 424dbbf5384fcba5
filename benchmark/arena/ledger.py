"""What was played and how it ended, counted by whoever owns the game and by nobody else.

A learner says when an interval ends and adds numbers of its own, its diagnostics. Steps and
matches it cannot add: the arenas that it plays in count them here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, NonNegativeInt

from benchmark.arena.tally import Tally
from benchmark.errors import CheckFailed
from benchmark.games.game import GameCard, Outcome, result_for

MAX_DIAGNOSTICS = 64
MAX_NAME = 64


class BadDiagnostics(CheckFailed):
    """A learner's own numbers are too many, not finite, or under names that cannot be shown."""


class Interval(BaseModel):
    """What was played since the last report; `steps` counts from the beginning."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: NonNegativeInt
    tally: Tally
    diagnostics: dict[str, float] = {}


class Ledger:
    """The account of a training, fed by all of its arenas, from the view of one seat."""

    def __init__(self, card: GameCard, seat: str):
        self._seat, self._endings = card.seat_index(seat), card.endings
        self.steps = 0
        self.intervals: list[Interval] = []
        self._open = np.zeros((len(Outcome), len(card.endings)), dtype=np.int64)

    def count(self, steps: int, outcome: NDArray[np.int8], ending: NDArray[np.int8]) -> None:
        """Add a step of an arena: environment steps, and outcome and ending (K,) of what ended."""
        self.steps += steps
        if len(outcome):
            np.add.at(self._open, (outcome, ending), 1)

    @property
    def pending(self) -> Tally:
        """Matches that ended since the last interval was closed."""
        outcome, ending = np.nonzero(self._open)
        counts = self._open[outcome, ending]
        results = result_for(self._seat, np.repeat(outcome, counts).astype(np.int8))
        return Tally.count(results, np.repeat(ending, counts).astype(np.int8), self._endings)

    def close(self, diagnostics: Mapping[str, float]) -> Interval:
        """End the interval and file it, with the learner's own words beside it.

        Raises:
            BadDiagnostics: the words cannot be filed; the ledger stays as it was.
        """
        check_diagnostics(diagnostics)
        closed = Interval(steps=self.steps, tally=self.pending, diagnostics=dict(diagnostics))
        self.intervals.append(closed)
        self._open[:] = 0
        return closed

    def state(self) -> dict[str, Any]:
        """All of it, as JSON."""
        return {
            "steps": self.steps,
            "intervals": [interval.model_dump(mode="json") for interval in self.intervals],
            "open": self._open.tolist(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from `state()`."""
        self.steps = int(state["steps"])
        self.intervals = [Interval.model_validate(interval) for interval in state["intervals"]]
        self._open[:] = state["open"]


def check_diagnostics(diagnostics: Mapping[str, float]) -> None:
    """Raise BadDiagnostics unless they are few, finite, and printable under their names."""
    if len(diagnostics) > MAX_DIAGNOSTICS:
        raise BadDiagnostics(f"{len(diagnostics)} diagnostics, expected {MAX_DIAGNOSTICS} or fewer")
    for name, value in diagnostics.items():
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise BadDiagnostics(
                f"a diagnostic is called {name[:MAX_NAME]!a}, expected 1 to {MAX_NAME} printable "
                "characters"
            )
        if not math.isfinite(value):
            raise BadDiagnostics(f"diagnostic '{name}' is {value}, expected a finite number")
