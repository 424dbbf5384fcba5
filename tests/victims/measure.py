"""Plays every shipped victim against all that are at hand: `make victims`.

Writes the strengths to their cards and the tables to docs/victims.md. A recipe writes the strength
of what it made against those that were there by then; this measures all of them against all.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmark import registry
from benchmark.evaluation.matches import EVALUATION_MATCHES
from benchmark.learning.threads import use_threads
from benchmark.policies import artifact
from benchmark.policies.policy import PolicyCard
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.victims import house
from benchmark.victims.strength import opposite, strength, strength_table

PAGE = Path("docs/victims.md")
BEGIN, END = "<!-- strengths: begin -->", "<!-- strengths: end -->"


def main(store: Path) -> None:
    """Measure all of them; published ones count where the store has them."""
    use_threads(1)
    known = Victims(Store(store).victims)
    cards = []
    for name, folder in track(house().items(), "playing", console=Console(stderr=True)):
        cards.append(_measured(known, name, folder))
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    page = f"{before}{BEGIN}\n{strength_table(cards)}\n{END}{after}"
    PAGE.write_text(page, encoding="utf-8")


def _measured(known: Victims, name: str, folder: Path) -> PolicyCard:
    policy = known.load(name)
    kind = registry.game(policy.card.game)
    game = kind(EVALUATION_MATCHES)
    others = {
        other: known.load(other)
        for other, card in known.cards(policy.card.game).items()
        if card.ranked and other != name
    }
    opponents = {**registry.floors(kind), **opposite(policy.card, game.card, others)}
    card = policy.card.model_copy(update={"strength": strength(policy, game, opponents)})
    return artifact.save(type(policy)(card, policy.tensors()), folder)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "store"))
