"""What an unfinished training says of itself, for people who look on from another process."""

from __future__ import annotations

import os
import socket

from pydantic import BaseModel, ConfigDict, Field

from benchmark.arena.tally import Tally


class Note(BaseModel):
    """How far a training has got, and who does it. It moves no result."""

    model_config = ConfigDict(frozen=True)

    steps: int = 0
    tally: Tally = Tally()
    """All of its matches so far."""
    host: str = Field(default_factory=socket.gethostname)
    pid: int = Field(default_factory=os.getpid)

    def since(self, before: Note) -> Tally:
        """Matches that ended since an earlier note; all, where the training began anew since."""
        if self.steps < before.steps:
            return self.tally
        now, then = self.tally, before.tally
        return Tally(
            wins=max(0, now.wins - then.wins),
            ties=max(0, now.ties - then.ties),
            losses=max(0, now.losses - then.losses),
            voids=max(0, now.voids - then.voids),
        )
