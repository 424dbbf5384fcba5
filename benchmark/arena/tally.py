"""Counting how matches ended, from one side's view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, NonNegativeInt, model_validator

WIN, TIE, LOSS = 1, 0, -1
_WORDS = {WIN: "win", TIE: "tie", LOSS: "loss"}


class Tally(BaseModel):
    """Wins, ties and losses from one side's view; `breakdown` counts 'win:slow_ball' and so on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wins: NonNegativeInt = 0
    ties: NonNegativeInt = 0
    losses: NonNegativeInt = 0
    breakdown: dict[str, NonNegativeInt] = {}

    @model_validator(mode="after")
    def _adds_up(self) -> Tally:
        strange = [key for key in self.breakdown if key.split(":", 1)[0] not in _WORDS.values()]
        if strange:
            raise ValueError(f"breakdown knows win:, tie: and loss:, got {strange}")
        for word, count in (("win", self.wins), ("tie", self.ties), ("loss", self.losses)):
            parts = sum(v for k, v in self.breakdown.items() if k.startswith(word + ":"))
            if self.breakdown and parts != count:
                raise ValueError(f"breakdown of '{word}' adds to {parts}, the count is {count}")
        return self

    @property
    def episodes(self) -> int:
        """All matches counted."""
        return self.wins + self.ties + self.losses

    @property
    def win_rate(self) -> float:
        """W / N in [0, 1]; 0 where nothing was played."""
        return self.wins / self.episodes if self.episodes else 0.0

    @property
    def non_loss_rate(self) -> float:
        """(W + T) / N in [0, 1]; 0 where nothing was played."""
        return (self.wins + self.ties) / self.episodes if self.episodes else 0.0

    @classmethod
    def count(
        cls, results: NDArray[np.int8], endings: NDArray[np.int8], names: tuple[str, ...]
    ) -> Tally:
        """Tally finished matches: results (K,) of WIN/TIE/LOSS, endings (K,) indices of names."""
        pairs = Counter(zip(results.tolist(), endings.tolist(), strict=True))
        breakdown = {f"{_WORDS[r]}:{names[e]}": n for (r, e), n in sorted(pairs.items())}
        totals = {r: sum(n for (s, _), n in pairs.items() if s == r) for r in _WORDS}
        return cls(wins=totals[WIN], ties=totals[TIE], losses=totals[LOSS], breakdown=breakdown)

    @classmethod
    def sum(cls, tallies: Iterable[Tally]) -> Tally:
        """All of several tallies together; without a breakdown where one of them has none."""
        parts = [tally for tally in tallies if tally.episodes]
        breakdown: Counter[str] = Counter()
        for part in parts if all(part.breakdown for part in parts) else ():
            breakdown.update(part.breakdown)
        return cls(
            wins=sum(p.wins for p in parts),
            ties=sum(p.ties for p in parts),
            losses=sum(p.losses for p in parts),
            breakdown=dict(sorted(breakdown.items())),
        )
