"""All tables of a set of records: which there are, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.leaderboard import scoring
from benchmark.leaderboard.attacked import attack_tables
from benchmark.leaderboard.diagnosed import diagnosis_tables
from benchmark.leaderboard.judged import defense_tables
from benchmark.leaderboard.table import Table
from benchmark.records.record import Record, one_vote

USUAL = {"slow_ball": "loss", "physics": "ranked", "auto_contact": False}
"""Options of games that a title leaves out. Not asked of the games: the board renders from records
alone, whatever is installed."""


def tables(records: Sequence[Record], links: dict[str, str] | None = None) -> list[Table]:
    """All tables of these records; links: record id to where its file is, for the last column."""
    made = []
    records = one_vote(records)
    keyed = scoring.group(records, lambda r: (r.cell.game, _options(r), r.cell.tier))
    for (game, options, tier), part in keyed.items():
        title = f"{game}{options}, tier {tier}"
        undefended = [r for r in part if r.cell.defense is None]
        defended = [r for r in part if r.cell.defense is not None]
        if undefended:
            made += attack_tables(title, undefended, links)
        if defended:
            made += defense_tables(title, defended, undefended, links)
        made += diagnosis_tables(title, part)
    return made


def _options(record: Record) -> str:
    """The options of a game that are not the usual ones."""
    options = {k: v for k, v in record.cell.game_options.items() if USUAL.get(k) != v}
    return "".join(f" {k}={v}" for k, v in sorted(options.items()))
