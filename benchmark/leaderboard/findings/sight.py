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
from benchmark.leaderboard.table import Table, linked, runs_text, with_links
from benchmark.records.record import Record

COLUMNS = ["victim", "attack", "runs", "wins, %", "of the blind"]
TIERS: tuple[Tier, ...] = ("lite", "full")


def sight(material: Material, game: str) -> Findings:
    """Win rates against the seeing and the blind victim, of attacks diagnosed as 'masked'.

    The claim is on which side of the seeing's the blind's is, in each seed. Facts and claims are
    of tier lite; full has rows of its own. With the tier's whole budget.
    """
    made, links = Findings(), material.links
    table = Table("The blind victim", COLUMNS, words=2)
    for tier in TIERS:
        for cells in whole_attacks(material.masked, game, tier):
            seen, blind = zip(*(_rates(record) for record in cells), strict=True)
            victim, label = _names(cells)
            texts = {"seeing": spread(points(seen)), "blind": spread(points(blind))}
            runs = runs_text(cells, cells[0].cell.budget_steps)
            table.rows.append(linked([victim, label, runs, *texts.values()], cells, links))
            if tier == TIERS[0]:
                made.facts |= {f"{eyes}/{victim}/{label}": text for eyes, text in texts.items()}
                lost = [b - s for s, b in zip(seen, blind, strict=True)]
                made.claims[f"blind/{victim}/{label}"] = side(lost)
    table.rows.sort(key=lambda row: row[:2])
    made.tables[f"sight/{game}"] = with_links(table, links)
    return made


def _names(row: Sequence[Record]) -> tuple[str, str]:
    """The victim and the attack of a row."""
    return row[0].cell.victim.name, row[0].cell.attack.label


def _rates(record: Record) -> Sequence[float]:
    """What its adversary wins of the seeing victim and of the blind."""
    return [tally.win_rate for tally in seen_and_blind([record], "attack")]
