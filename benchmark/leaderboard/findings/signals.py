"""Whether what attacks pay for goes along with winning, by what their curves tell of it."""

from __future__ import annotations

from statistics import fmean

from benchmark.leaderboard.findings.material import Findings, Material, side, spread
from benchmark.leaderboard.study import AGREES, Row, told


def signals(material: Material, game: str) -> Findings:
    """The mean r of each training of a game that tells it, by victim and attack, of any budget."""
    made = Findings()
    found: dict[str, list[float]] = {}
    for record in material.records:
        values = told(Row("", [record]), AGREES)
        if record.cell.game == game and record.cell.defense is None and values:
            name = f"{record.cell.victim.name}/{record.cell.attack.label}"
            found.setdefault(name, []).append(fmean(values))
    for name, each in found.items():
        made.facts[f"agrees/{name}"] = spread(each, 2)
        made.claims[f"agrees/{name}"] = side(each)
    return made
