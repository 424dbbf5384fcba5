"""The protocol's automatic flags, told again from the counts: a record that is silent hides none.

What a run alone knows stands in the record's own list and is kept: a training that failed, matches
that are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from benchmark.arena.tally import Tally
from benchmark.evaluation.statistics import wilson
from benchmark.leaderboard import scoring
from benchmark.leaderboard.ranking import repeated
from benchmark.records.cell import method_key
from benchmark.records.flags import of_counts
from benchmark.records.record import Record

HEAD_START = 0.2
"""How much more than a scripted floor an untrained adversary may win."""
UNTRAINED = 0.05
"""The share of the budget within which an adversary knows next to nothing yet."""


def flags(record: Record) -> list[str]:
    """Those of one record, sorted, each once."""
    trained = [point.tally for curve in record.curves.values() for point in curve]
    counted = of_counts(record.matches, trained, learned=record.cell.track != "none")
    found = {*record.flags, *counted, *_of_start(record)}
    if any(steps > record.cell.budget_steps for steps in record.steps.values()):
        found.add("budget overrun")
    changed = sorted(role for role, made in record.provenance.items() if made.get("dirty"))
    if changed:
        found.add(f"trained with code that its commit does not have: {', '.join(changed)}")
    if record.retries:
        found.add(f"retries after infrastructure failures: {sum(record.retries.values())}")
    return sorted(found)


def _of_start(record: Record) -> list[str]:
    """Of an attack that wins at once: what it knows it need not have learnt in this training.

    Of undefended victims alone: a defended one's floors are not of the victim that it trained on.
    """
    point = next(iter(record.curves.get("attack", [])), None)
    floors = [scoring.pooled([record], "floor", name) for name in ("random", "zero")]
    if record.cell.defense is not None or not all(tally.episodes for tally in floors):
        return []
    if point is None or point.steps > UNTRAINED * record.cell.budget_steps:
        return []
    floor = max(tally.win_rate for tally in floors)
    least = wilson(point.tally.wins, point.tally.episodes)[0] if point.tally.episodes else 0.0
    return ["head start"] if least > floor + HEAD_START else []


def seat_asymmetry(records: Sequence[Record]) -> list[str]:
    """One line for every attack that wins more in one seat than in the other, by more than chance.

    Only of symmetric games: there alone the same weights are the victim in either seat.
    """

    def alike(record: Record) -> tuple[str, str, str, str, int]:
        cell = record.cell
        attack, victim = cell.attack, cell.victim
        return attack.label, victim.name, victim.sha256, method_key(attack), cell.budget_steps

    if len({record.cell.seat for record in records}) < 2:
        return []
    found = []
    for (attack, victim, *_), cells in scoring.group(records, alike).items():
        seats = scoring.group(cells, lambda r: r.cell.seat)
        won = [(seat, scoring.pooled(part, "attack")) for seat, part in seats.items()]
        found += [
            f"{attack} on {victim}: wins {100 * own.win_rate:.1f} as {seat}, "
            f"{100 * its.win_rate:.1f} as {other}"
            for (seat, own), (other, its) in combinations(won, 2)
            if _apart(own, its)
        ]
    return found


def same_policy(records: Sequence[Record]) -> list[str]:
    """One line for two seeds of a row whose trainings gave one policy. A script has but one."""
    learned = [record for record in records if record.cell.track != "none"]
    return [
        f"seeds {one.cell.seed} and {other.cell.seed} gave the same policy"
        for one, other in repeated(learned)
    ]


def fresh_fell_short(records: Sequence[Record]) -> list[str]:
    """One line where fresh adversaries of a defended row win less than the stored ones at hand.

    Their attack has not found what is there, so that what is held against them says more about its
    search than about the victim.
    """
    fresh, stored = (scoring.pooled(records, role) for role in ("fresh", "stored"))
    if not fresh.episodes or fresh.win_rate >= stored.win_rate or not _apart(fresh, stored):
        return []
    return [
        f"fresh adversaries win {100 * fresh.win_rate:.1f}, the stored ones at hand "
        f"{100 * stored.win_rate:.1f}: the fresh attack fell short"
    ]


def fewer_met(records: Sequence[Record]) -> list[str]:
    """One line for every attack that met fewer of the other victims than another did.

    Its transfer is a mean over others than theirs, and not to be compared.
    """
    found = []
    for victim, cells in scoring.group(records, lambda r: r.cell.victim).items():
        most = max(len(record.cell.others) for record in cells)
        fewer = [record for record in cells if len(record.cell.others) < most]
        for part in scoring.rows(fewer):
            least = min(len(record.cell.others) for record in part)
            if part[0].cell.track != "none":
                label = part[0].cell.attack.label
                found.append(f"{label} on {victim.name}: met {least} of {most} other victims")
    return found


def _apart(one: Tally, other: Tally) -> bool:
    """Whether Wilson's intervals of the two do not meet."""
    low, high = wilson(one.wins, one.episodes)
    its_low, its_high = wilson(other.wins, other.episodes)
    return high < its_low or its_high < low
