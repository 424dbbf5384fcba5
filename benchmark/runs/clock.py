"""How long a training took and where it ran, over all of its tries."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from benchmark.records import provenance


class Clock:
    """Runs from its making on; `go_on` adds an earlier try."""

    def __init__(self) -> None:
        self._started = time.perf_counter(), time.process_time()
        self._before = (0.0, 0.0)
        self.provenance = provenance.collect()
        """Of the process that began the training; of later ones only what differs."""

    def timings(self) -> dict[str, float]:
        """Wall and CPU seconds so far, with those of interrupted tries to where they are known."""
        wall, cpu = (
            before + now - start
            for before, now, start in zip(
                self._before, (time.perf_counter(), time.process_time()), self._started, strict=True
            )
        )
        return {"wall_s": round(wall, 3), "cpu_s": round(cpu, 3)}

    def facts(self) -> dict[str, Any]:
        """What the next try goes on from, as JSON."""
        return {**self.timings(), "provenance": self.provenance}

    def go_on(self, facts: Mapping[str, Any]) -> None:
        """Continue from an earlier try's `facts()`."""
        self._before = facts["wall_s"], facts["cpu_s"]
        began = facts.get("provenance", self.provenance)
        self.provenance = provenance.resumed(began, self.provenance)
