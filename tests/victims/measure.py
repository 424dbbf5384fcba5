"""Plays every shipped victim against all that are at hand: `make victims`.

Writes the strengths to their cards and the tables to docs/victims.md. A recipe writes the strength
of what it made against those that were there by then; this measures all of them against all.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmark.commands.house import measured
from benchmark.leaderboard.findings.page import between
from benchmark.learning.threads import use_threads
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.victims import house
from benchmark.victims.strength import strength_tables

PAGE = Path("docs/victims.md")


def main(store: Path) -> None:
    """Measure all of them; published ones count where the store has them."""
    use_threads(1)
    known = Victims(Store(store).victims)
    cards = []
    for name, folder in track(house().items(), "playing", console=Console(stderr=True)):
        cards.append(measured(known.load(name), known, folder))
    page = between(PAGE.read_text(encoding="utf-8"), "strengths", strength_tables(cards))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "store"))
