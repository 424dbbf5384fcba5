"""Whether adversaries win by what their victim sees of them, or by their body: the blind victim.

A victim that is shown its adversary as at a start cannot be misled by it, only hindered (Gleave et
al. 2020). So what an attack wins less of the blind is what it wins by being seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.games.game import Tier
from benchmark.leaderboard.diagnosed import seen_and_blind
from benchmark.leaderboard.findings.material import (
    Findings,
    Material,
    points,
    side,
    spread,
    whole_attacks,
)
from benchmark.leaderboard.table import Table, linked, with_links
from benchmark.records.record import Record

COLUMNS = ["victim", "attack", "seeds", "wins, %", "of the blind"]


def sight(material: Material, game: str, tier: Tier) -> Findings:
    """Win rates against the seeing and the blind victim, of attacks diagnosed as 'masked'.

    The claim is on which side of the seeing's the blind's is, in each seed. With the tier's whole
    budget.
    """
    made, links = Findings(), dict(material.links)
    table = Table("The blind victim", COLUMNS, words=2)
    for cells in sorted(whole_attacks(material.masked, game, tier), key=_names):
        seen, blind = zip(*(_rates(record) for record in cells), strict=True)
        victim, label = _names(cells)
        texts = {"seeing": spread(points(seen)), "blind": spread(points(blind))}
        made.facts |= {f"{eyes}/{victim}/{label}": text for eyes, text in texts.items()}
        lost = [b - s for s, b in zip(seen, blind, strict=True)]
        made.claims[f"blind/{victim}/{label}"] = side(lost)
        row_texts = [victim, label, str(len(cells)), *texts.values()]
        table.rows.append(linked(row_texts, cells, links))
    made.tables[f"sight/{game}"] = with_links(table, links)
    return made


def _names(row: Sequence[Record]) -> tuple[str, str]:
    """The victim and the attack of a row."""
    return row[0].cell.victim.name, row[0].cell.attack.label


def _rates(record: Record) -> Sequence[float]:
    """What its adversary wins of the seeing victim and of the blind."""
    return [tally.win_rate for tally in seen_and_blind([record], "attack")]
