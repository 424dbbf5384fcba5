"""What the learned models of a study's attacks came to know, by the curves' last points.

F imitates the victim, H predicts what it sees next (attacks/ours.py). R2 is the share of the
variance that each explains of what it had not been fitted on: 0 is what the mean would explain.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.leaderboard.findings.material import NONE, Findings, Material, Place, spread
from benchmark.leaderboard.study import added
from benchmark.leaderboard.table import Table, linked, with_links
from benchmark.records.record import Record

LEARNED = {"F": "surrogate_r2", "H": "transition_r2", "weight": "mean_weight"}
"""Diagnostics of `ours` and its kin, by what the page calls them."""
COLUMNS = ["attack", "seeds", "R2 of F", "R2 of H", "mean weight", "gradient added"]


def models(material: Material, place: Place) -> Findings:
    """A row a variant whose curves tell of such models; whether H explains anything."""
    made = Findings()
    table = Table("What F and H learned", COLUMNS, words=1)
    for row in material.attacks.get(place, []):
        last = {name: _last(row.records, key) for name, key in LEARNED.items()}
        key = f"models/{place.game}/{row.label}"
        made.claims[f"{key}/H"] = _explains(last["H"])
        if not last["F"]:
            continue
        facts = {name: spread(values, 2) for name, values in last.items()} | {"added": added(row)}
        made.facts |= {f"{key}/{name}": text for name, text in facts.items()}
        cells = [row.label, str(len(row.records)), *facts.values()]
        table.rows.append(linked(cells, row.records, material.links))
    made.tables[f"models/{place.game}"] = with_links(table, material.links)
    return made


def _last(records: Sequence[Record], name: str) -> list[float]:
    """A diagnostic at the end of each training that has it."""
    found = [record.curves["attack"][-1].diagnostics for record in records]
    return [diagnostics[name] for diagnostics in found if name in diagnostics]


def _explains(values: Sequence[float]) -> str:
    if not values:
        return NONE
    if max(values) <= 0:
        return "no better than the mean"
    return "better than the mean" if min(values) > 0 else "on both sides of the mean"
