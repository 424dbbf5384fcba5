"""Whether what attacks pay for goes along with winning, by what their curves tell of it."""

from __future__ import annotations

from statistics import fmean

from benchmark.leaderboard.findings.material import Findings, Material, side, spread
from benchmark.leaderboard.study import AGREES, EARLY, Row, told

TOLD = {"agrees": AGREES, "agrees early": EARLY}
"""What a fact or a claim is called, and the diagnostic that it is of."""


def signals(material: Material, game: str) -> Findings:
    """The mean r of each training of a game that tells it, by victim and attack, of any budget."""
    made = Findings()
    found: dict[str, list[float]] = {}
    for record in material.records:
        if record.cell.game != game or record.cell.defense is not None:
            continue
        for what, diagnostic in TOLD.items():
            if values := told(Row("", [record]), diagnostic):
                name = f"{what}/{record.cell.victim.name}/{record.cell.attack.label}"
                found.setdefault(name, []).append(fmean(values))
    for name, each in found.items():
        made.facts[name] = spread(each, 2)
        made.claims[name] = side(each)
    return made
