"""House victims: policies trained by this project and shipped with it, one folder each.

`recipe.py` is how they are made; `bench victims train --recipe NAME` makes them again.
"""

from __future__ import annotations

from pathlib import Path


def house() -> dict[str, Path]:
    """Name to artifact folder of every shipped victim (entry point of group bench.victims)."""
    root = Path(__file__).parent
    return {card.parent.name: card.parent for card in sorted(root.glob("*/card.json"))}
