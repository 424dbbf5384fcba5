"""All tables of a set of records: which there are, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.games.game import Tier
from benchmark.leaderboard import scoring
from benchmark.leaderboard.attacked import attack_tables
from benchmark.leaderboard.diagnosed import diagnosis_tables
from benchmark.leaderboard.judged import defense_tables
from benchmark.leaderboard.overall import options_text
from benchmark.leaderboard.ranked import entry_table, overall_tables
from benchmark.leaderboard.table import Table
from benchmark.records.record import Record
from benchmark.records.votes import latest, one_vote

TIERS: tuple[Tier, ...] = ("full", "lite", "smoke")
"""In the order of the page: what is ranked comes first."""


def tables(records: Sequence[Record], links: dict[str, str] | None = None) -> list[Table]:
    """All tables of these records; links: record id to where its file is, for the last column."""
    made: list[Table] = []
    by_tier = scoring.group(latest(records), lambda r: TIERS.index(r.cell.tier))
    for part in by_tier.values():
        made += overall_tables([r for r in one_vote(part) if r.cell.defense is None])
        made += _of_games(part, links)
    return made


def _of_games(records: Sequence[Record], links: dict[str, str] | None) -> list[Table]:
    """The tables of one tier, game by game."""
    made: list[Table] = []
    keyed = scoring.group(records, lambda r: (r.cell.game, options_text(r)))
    for (game, options), everyone in keyed.items():
        part = one_vote(everyone)
        title, before = f"{game}{options}, tier {part[0].cell.tier}", len(made)
        undefended = [r for r in part if r.cell.defense is None]
        defended = [r for r in part if r.cell.defense is not None]
        if undefended:
            scores = entry_table(title, undefended, links)
            made += [scores] if scores else []
            made += attack_tables(title, undefended, links)
        if defended:
            made += defense_tables(title, defended, undefended, links)
        made += diagnosis_tables(title, everyone, links)
        for table in made[before:]:
            table.place = place(part[0])
    return made


def place(record: Record) -> tuple[str, str]:
    """The game with its unusual options, and the tier: what shares tables."""
    return record.cell.game + options_text(record), record.cell.tier
