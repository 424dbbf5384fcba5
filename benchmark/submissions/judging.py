"""What fresh records say of submitted ones: as predicted, of other policies, carried over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmark.leaderboard.ranking import repeated
from benchmark.records.record import Record
from benchmark.submissions import prediction
from benchmark.submissions.checklist import Item, failed, passed
from benchmark.submissions.measures import Measure, measures

RETRAIN, HELD_OUT = "retrain", "held-out victims"
"""The steps of a verification that these judge."""
COLLAPSE = 0.2
"""How much less an attack wins on held-out victims where it is said not to carry over. Plain PPO's
mean over one victim of Pong lies up to .05 below that over others."""


def predicted(group: Sequence[Record], fresh: Sequence[Record], alpha: float) -> Iterator[Item]:
    """For each measure of a group whether the mean of the fresh seeds is where it should be."""
    before, after = ([_by_name(r) for r in records] for records in (group, fresh))
    for name, first in after[0].items():
        if not all(name in one for one in (*before, *after)):
            yield failed(RETRAIN, f"{place_of(group[0])}: not every seed has a {name}")
            continue
        rates, again = ([one[name].rate for one in part] for part in (before, after))
        low, high = limits = prediction.interval(rates, first.trials, len(again), alpha)
        mean = sum(again) / len(again)
        detail = (
            f"{place_of(group[0])}: {name} of {len(again)} fresh seed(s) {mean:.3f}, of "
            f"{len(rates)} submitted {sum(rates) / len(rates):.3f}, predicted {low:.3f} to "
            f"{high:.3f}"
        )
        wide = " (wide: few seeds)" if len(rates) < 5 else ""
        made = passed if limits.holds(mean) else failed
        yield made(RETRAIN, detail + wide)


def unlike(group: Sequence[Record], fresh: Sequence[Record]) -> Iterator[Item]:
    """A failure where two seeds of an attack have one policy: it was there before the training.

    Not of a script, which has but one and says so by its track.
    """
    learned = [record for record in (*group, *fresh) if record.cell.track != "none"]
    for one, other in repeated(learned):
        yield failed(
            RETRAIN,
            f"{place_of(one)}: seeds {one.cell.seed} and {other.cell.seed} gave the same policy",
        )


def carried(known: Sequence[Record], held_out: Sequence[Record]) -> Item:
    """Whether an attack wins on held-out victims, too, what its rates on the known ones predict.

    A failure is a mean rate below the interval that the known victims' means predict, and
    `COLLAPSE` below their mean as well: victims differ, so the interval alone, of few of them, is
    left too often. A single known victim does not say how far victims differ: there it is less
    than half of its rate. Where no held-out victim counts, that is told and passed.
    """
    before, after = _by_victim(known), _by_victim(held_out)
    game = known[0].cell.game
    if not before or not after:
        return passed(
            HELD_OUT,
            f"{game}: not compared: {len(before)} known victim(s), {len(after)} held-out",
        )
    mean, expected = sum(after) / len(after), sum(before) / len(before)
    low = expected / 2
    if len(before) >= prediction.LEAST_SEEDS:
        alpha = 1 - prediction.LEVEL
        low, _ = prediction.interval(before, known[0].cell.episodes, len(after), alpha)
    least = max(0.0, min(low, expected - COLLAPSE))
    return (failed if mean < least else passed)(
        HELD_OUT,
        f"{game}: win rate on {len(after)} held-out victim(s) {mean:.3f}, on {len(before)} known "
        f"{expected:.3f}; a collapse is below {least:.3f}",
    )


def _by_victim(records: Sequence[Record]) -> list[float]:
    """An attack's win rate against every victim that counts, the mean over seeds."""
    rates: dict[str, list[float]] = {}
    for record in records:
        if record.cell.victim_ranked:
            rates.setdefault(record.cell.victim.sha256, []).extend(
                one.rate for one in measures(record)
            )
    return [sum(own) / len(own) for own in rates.values() if own]


def _by_name(record: Record) -> dict[str, Measure]:
    return {one.name: one for one in measures(record)}


def place_of(record: Record) -> str:
    """Where a record was made, for people."""
    return f"{record.cell.game}, {record.cell.victim.name}"
