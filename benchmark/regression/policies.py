"""`bench check policies`: do committed policies still play as their committed records say?

Records are drawn at random among those whose policies lie beside them and whose victim is at hand,
and all of their matches are played again whose players are. Counts are equal on the machine's kind
that they were made on, as a rule; where they are not, the two-sided test of the replay decides.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from benchmark.arena.tally import Tally
from benchmark.policies.policy import Policy
from benchmark.records.record import MatchSet, Record
from benchmark.registry import Victims, game
from benchmark.regression.falls import ALPHA, holm, two_sided_p
from benchmark.regression.findings import Finding, counts, points
from benchmark.submissions.replay import Absent, Replay

Tell = Callable[[str], None]


def drawn(
    records: Sequence[Record], kept: Mapping[str, Policy], victims: Victims, count: int, seed: int
) -> list[Record]:
    """Some of the records that can be played again, at random; all, if they are no more."""
    known = {card.sha256 for card in victims.cards().values()}
    able = [
        record for record in sorted(records, key=lambda r: r.id)
        if record.artifacts and set(record.artifacts.values()) <= kept.keys()
        and record.cell.victim.sha256 in known
    ]  # fmt: skip
    return random.Random(seed).sample(able, min(count, len(able)))


def work(records: Sequence[Record]) -> tuple[int, float]:
    """How many matches that is, and about how many seconds."""
    sizes = [(record, sum(m.tally.episodes for m in record.matches)) for record in records]
    seconds = sum(
        size / 200 * game(record.cell.game).describe().evaluation_s for record, size in sizes
    )
    return sum(size for _, size in sizes), seconds


def again(records: Sequence[Record], replay: Replay, tell: Tell) -> tuple[list[Finding], int]:
    """A finding for each pairing, and how many were left out for want of a player."""
    played: list[tuple[str, Tally, Tally]] = []
    absent = 0
    for record in records:
        for recorded in record.matches:
            tell(_name(record, recorded))
            try:
                now = replay.again(record, recorded).total
            except Absent:
                absent += 1
                continue
            played.append((_name(record, recorded), recorded.tally, now))
    ps = holm([two_sided_p(before, now) for _, before, now in played])
    return [_finding(*one, p) for one, p in zip(played, ps, strict=True)], absent


def _finding(name: str, before: Tally, now: Tally, p: float) -> Finding:
    same = before == now
    return Finding(
        form="policies", name=name, before=counts(before), now=counts(now),
        change="none" if same else f"{points(now.win_rate - before.win_rate)} points won",
        sure="equal counts" if same else f"p = {p:.2g} of two sides",
        failed=not same and p <= ALPHA,
    )  # fmt: skip


def _name(record: Record, recorded: MatchSet) -> str:
    who = f"{recorded.adversary.name} on {recorded.victim.name}"
    return f"{record.id[:8]} {recorded.role}: {who}"
