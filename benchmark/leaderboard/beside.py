"""What stands beside an attack's score and is never mixed into it (protocol)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, sqrt
from statistics import fmean, median_high, variance
from typing import NamedTuple

from benchmark.arena.tally import Tally
from benchmark.evaluation.curves import area, steps_to
from benchmark.leaderboard import scoring
from benchmark.leaderboard.scoring import EXPLOITED, Strata, group
from benchmark.records.record import Record, Role


class Worst(NamedTuple):
    """The victim that an attack wins least against, and the mean win rate over seeds."""

    victim: str
    win_rate: float


class Strongest(NamedTuple):
    """The regular opponent that wins most against a victim, and its win rate in [0, 1]."""

    opponent: str
    win_rate: float


def worst_victim(win_rates: Strata) -> Worst:
    """Of the victims of these win rates; the first by name of equals."""
    means = (Worst(name, fmean(seeds)) for (name, _), seeds in win_rates.items())
    return min(means, key=lambda worst: worst.win_rate)


def fullest(records: Sequence[Record], role: Role) -> list[Record]:
    """Of one victim's records the one with matches of most adversaries of a role; or none.

    A victim's floors and regular opponents are its own, whichever attack's record they stand in.
    """
    played = [record for record in records if record.of_role(role)]
    return sorted(played, key=lambda r: (-len(r.of_role(role)), -len(r.cell.others), r.id))[:1]


def opponents(records: Sequence[Record]) -> dict[str, Tally]:
    """What each regular opponent of these records made in the ranked mode, by name."""
    met = [m for r in records for m in r.of_role("regular")]
    names = sorted({m.adversary.name for m in met})
    return {name: Tally.sum(m.tally for m in met if m.adversary.name == name) for name in names}


def strongest(records: Sequence[Record]) -> Strongest | None:
    """Of the regular opponents of these records the one that wins most; None without any."""
    met = opponents(records)
    if not met:
        return None
    name = max(met, key=lambda name: (met[name].win_rate, name))
    return Strongest(name, met[name].win_rate)


def regular_rates(records: Sequence[Record]) -> dict[str, float]:
    """What regular opponents win against each victim (by sha256) that met some."""
    victims = group(records, lambda r: r.cell.victim.sha256)
    tallies = {
        sha256: scoring.pooled(fullest(cells, "regular"), "regular")
        for sha256, cells in victims.items()
    }
    return {sha256: tally.win_rate for sha256, tally in tallies.items() if tally.episodes}


def lift(win_rates: Strata, regular: Mapping[str, float]) -> float | None:
    """Mean over cells of what the attack wins more often than the victim's regular opponents.

    regular: `regular_rates`, the same for every attack. In [-1, 1]; None where no victim has any.
    """
    lifts = [
        rate - regular[sha256]
        for (_, sha256), seeds in win_rates.items()
        if sha256 in regular
        for rate in seeds
    ]
    return fmean(lifts) if lifts else None


def sample_efficiency(records: Sequence[Record]) -> float | None:
    """Mean area under the attack's learning curves, in [0, 1]; None where nothing was learned."""
    areas = [
        area(record.curves["attack"], record.cell.budget_steps)
        for record in records
        if record.curves.get("attack")
    ]
    return fmean(areas) if areas else None


def steps_to_exploit(records: Sequence[Record]) -> float | None:
    """`median_steps` to half of the training matches won, over the records that learned."""
    return median_steps([r for r in records if r.curves.get("attack")], EXPLOITED)


def median_steps(records: Sequence[Record], rate: float) -> float | None:
    """Steps until an attack won at this rate: the upper median over records.

    inf: most of them never did; None: there are none.
    """
    reached = [steps_to(record.curves["attack"], rate) for record in records]
    return median_high(inf if steps is None else steps for steps in reached) if reached else None


def seed_deviation(win_rates: Strata) -> float | None:
    """Standard deviation of win rates over training seeds, pooled over victims; None for one seed.

    The square root of the mean of the victims' unbiased variances.
    """
    variances = [variance(seeds) for seeds in win_rates.values() if len(seeds) > 1]
    return sqrt(fmean(variances)) if variances else None


def wall_s(records: Sequence[Record]) -> float | None:
    """Mean wall seconds of the attack's training, on whatever machine it ran."""
    known = [
        record.timings["attack"]["wall_s"]
        for record in records
        if "wall_s" in record.timings.get("attack", {})
    ]
    return fmean(known) if known else None
