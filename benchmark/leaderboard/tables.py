"""All tables of a set of records: which there are, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.games.game import Tier
from benchmark.leaderboard import scoring
from benchmark.leaderboard.attacked import attack_tables
from benchmark.leaderboard.diagnosed import diagnosis_tables
from benchmark.leaderboard.judged import defense_tables
from benchmark.leaderboard.overall import options_text
from benchmark.leaderboard.ranked import entry_table, overall_table
from benchmark.leaderboard.ranking import entries, on_equal_victims
from benchmark.leaderboard.table import Table
from benchmark.records.record import Record
from benchmark.records.votes import latest, one_vote

TIERS: tuple[Tier, ...] = ("full", "lite", "smoke")
"""In the order of the page: what is ranked comes first."""


def tables(records: Sequence[Record], links: Mapping[str, str] | None = None) -> list[Table]:
    """All tables of these records; links: record id to where its file is, for the last column."""
    made: list[Table] = []
    by_tier = scoring.group(latest(records), lambda r: TIERS.index(r.cell.tier))
    for tier in by_tier.values():
        games = scoring.group(tier, lambda r: (r.cell.game, options_text(r)))
        contests = [_Contest(part) for _, part in sorted(games.items())]  # usual options first
        usual = {contest.game: contest.entries for contest in contests if not contest.options}
        scores = overall_table(f"Overall, tier {tier[0].cell.tier}", usual)
        made += [scores] if scores else []
        for contest in contests:
            made += contest.tables(links)
    return made


class _Contest:
    """All records of one game, its options and a tier; entries are scored once for all tables."""

    def __init__(self, records: Sequence[Record]) -> None:
        cell = records[0].cell
        self.game, self.options = cell.game, options_text(records[0])
        self._title = f"{cell.game}{self.options}, tier {cell.tier}"
        self._records = records
        voting = one_vote(records)
        self._undefended = [r for r in voting if r.cell.defense is None]
        self._defended = [r for r in voting if r.cell.defense is not None]
        self.entries = on_equal_victims(entries(self._undefended))

    def tables(self, links: Mapping[str, str] | None) -> list[Table]:
        """In the order of the page."""
        made: list[Table] = []
        if self._undefended:
            scores = entry_table(self._title, self.entries, links)
            made += [scores] if scores else []
            made += attack_tables(self._title, self._undefended, links)
        if self._defended:
            made += defense_tables(self._title, self._defended, self._undefended, links)
        made += diagnosis_tables(self._title, self._records, links)
        for table in made:
            table.place = place(self._records[0])
        return made


def place(record: Record) -> tuple[str, str]:
    """The game with its unusual options, and the tier: what shares tables."""
    return record.cell.game + options_text(record), record.cell.tier
