"""Who stands above whom: attacks as entries of one game, compared in pairs.

Rank = 1 + the number of entries whose paired bootstrap difference has a lower bound above 0
(protocol), so entries that seeds cannot tell apart share a rank.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, count
from math import ceil, floor

import numpy as np

from benchmark.evaluation.protocol import EPISODES, RANKED_VICTIMS, is_whole
from benchmark.evaluation.statistics import TINY, Float, mean_draws, percentiles
from benchmark.leaderboard import scoring
from benchmark.leaderboard.scoring import BOOTSTRAP_SEED, group
from benchmark.records.cell import method_key
from benchmark.records.record import Record

Rates = Mapping[tuple[str, int], float]
"""Win rate by (victim, seed), one vote each."""
Cells = tuple[tuple[str, int], ...]
"""What rates are by."""
RANKED_SEEDS = 5
"""How many a row of tier full must have at least to be ranked (protocol).

The seeds are the first, 0 to 4: of any five an author could run fifty and hand in the best, or
some that nobody else has, with which no pair can be compared.
"""


@dataclass(frozen=True)
class Entry:
    """One attack at one budget on one game: everything that is scored together."""

    label: str
    method: str
    track: str
    budget_steps: int
    seat: str
    records: list[Record]

    @property
    def game(self) -> str:
        """That of all its records."""
        return self.records[0].cell.game

    @property
    def must_meet(self) -> Collection[str]:
        """The sha256 of the game's ranked victims; none where the protocol names none."""
        return RANKED_VICTIMS.get(self.game, {}).values()

    @cached_property
    def counted(self) -> list[Record]:
        """Its records but those of replication variants, which are shown and never scored."""
        return [record for record in self.records if record.cell.victim_ranked]

    @cached_property
    def rates(self) -> Rates:
        """Win rates of its cells."""
        return {
            (record.cell.victim.sha256, record.cell.seed): scoring.win_rate(record)
            for record in self.counted
        }

    @cached_property
    def strata(self) -> scoring.Strata:
        """Win rates of its cells, victim by victim."""
        return scoring.strata(self.counted, scoring.win_rate)

    @cached_property
    def score(self) -> scoring.Score:
        """The protocol's AS of this game."""
        return scoring.aggregate(self.strata)

    @cached_property
    def unbroken(self) -> Mapping[str, int]:
        """By a victim's sha256, how many seeds it met it with, counted from 0 up to the first gap.

        What lies behind a gap may have been chosen, so it counts towards no rank.
        """
        victims = {sha256 for sha256, _ in self.rates}
        return {
            sha256: next(seed for seed in count() if (sha256, seed) not in self.rates)
            for sha256 in victims
        }

    @cached_property
    def settled(self) -> set[str]:
        """The sha256 of the victims that it met with all of the seeds that a rank takes."""
        return {sha256 for sha256, seeds in self.unbroken.items() if seeds >= RANKED_SEEDS}

    @property
    def is_whole(self) -> bool:
        """Whether it had all of its tier's steps; a scripted floor takes none."""
        cell = self.records[0].cell
        return self.track == "none" or is_whole(self.game, cell.tier, self.budget_steps)

    @property
    def league(self) -> tuple[str, int, str]:
        """Only entries of one league are compared: track, budget, seat."""
        return self.track, self.budget_steps, self.seat


def entries(records: Sequence[Record]) -> list[Entry]:
    """The entries among undefended records of one game, its options and a tier."""

    def key(record: Record) -> tuple[str, str, str, int, str]:
        cell = record.cell
        method = method_key(cell.attack)
        return cell.attack.label, method, cell.track, cell.budget_steps, cell.seat

    return [Entry(*which, cells) for which, cells in group(records, key).items()]


def rankable(entry: Entry) -> bool:
    """Whether it had the full tier's budget and episodes, and met each ranked victim enough.

    Who left one out is not compared. Nor is an attack that learns and gave one policy for two
    seeds.
    """
    victims = entry.must_meet
    cells = [record for record in entry.counted if record.cell.victim.sha256 in victims]
    return (
        len(victims) > 0
        and entry.settled.issuperset(victims)
        and all(
            record.cell.tier == "full"
            and is_whole(record.cell.game, "full", record.cell.budget_steps)
            and record.cell.episodes == EPISODES["full"]
            for record in cells
        )
        and (entry.track == "none" or not repeated(cells))
    )


def repeated(records: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Pairs of records whose seeds gave the same policy, which a training does not.

    It was there before: its seeds say nothing of how far others would lie apart.
    """
    first: dict[str, Record] = {}
    found = []
    for record in sorted(records, key=lambda one: one.cell.seed):
        for policy in sorted({played.adversary.sha256 for played in record.of_role("attack")}):
            earlier = first.setdefault(policy, record)
            if earlier.cell.seed != record.cell.seed:
                found.append((earlier, record))
    return found


def ranked(found: Sequence[Entry]) -> list[list[int]]:
    """The places of those entries that are ranked, league by league."""
    leagues: dict[tuple[str, int, str], list[int]] = {}
    for place, entry in enumerate(found):
        if rankable(entry):
            leagues.setdefault(entry.league, []).append(place)
    return [places for _, places in sorted(leagues.items())]


def on_equal_victims(found: Sequence[Entry]) -> list[Entry]:
    """The entries, those that are ranked with no other cells than all of their league have.

    Ranks compare pairs of cells; a score pools an entry's own, so a few seeds on an easy victim
    that the others have not met would stand beside theirs as if they were equal. So would seeds
    that an author went on to, or not, by what the ones before them gave.
    """
    made = list(found)
    for places in ranked(found):
        victims = found[places[0]].must_meet
        common = {v: min(found[i].unbroken[v] for i in places) for v in victims}
        for i in places:
            kept = [record for record in made[i].records if _is_common(record, common)]
            made[i] = replace(made[i], records=kept)
    return made


def _is_common(record: Record, seeds: Mapping[str, int]) -> bool:
    """Whether a record is of a victim and a seed of all, or of a variant that is not scored.

    seeds: how many from 0 on all have met, by the victim's sha256.
    """
    cell = record.cell
    return not cell.victim_ranked or cell.seed < seeds.get(cell.victim.sha256, 0)


def ranks(found: Sequence[Entry]) -> list[int | None]:
    """The rank of every entry within its league; None for one that is not ranked."""
    places: list[int | None] = [None] * len(found)
    for members in ranked(found):
        for i, rank in zip(members, order([found[i].rates for i in members]), strict=True):
            places[i] = rank
    return places


def order(rates: Sequence[Rates]) -> list[int]:
    """Ranks of entries by their win rates: 1 + how many stand above each."""
    draws = Draws(BOOTSTRAP_SEED)
    return placed(len(rates), lambda i, j: draws.difference(rates[i], rates[j]))


def placed(entries: int, difference: Callable[[int, int], Float | None]) -> list[int]:
    """1 + how many of so many entries stand above each, every pair compared once.

    difference(i, j): bootstrap draws of how much entry i is better than j; None: not comparable.
    """
    ranks = [1] * entries
    for i, j in combinations(range(entries), 2):
        draws = difference(i, j)
        if draws is None:
            continue
        if is_positive(draws):
            ranks[j] += 1
        elif is_positive(-draws):
            ranks[i] += 1
    return ranks


def is_positive(draws: Float) -> bool:
    """Whether the lower bound of bootstrap draws is above 0, rounding left aside.

    The bound lies between two neighbours in order; counting tells it unless they lie astride 0.
    """
    place = 0.025 * (len(draws) - 1)
    not_above = len(draws) - int(np.count_nonzero(draws > TINY))
    if floor(place) < not_above <= ceil(place):
        return percentiles(draws)[0] > TINY
    return not_above <= floor(place)


class Draws:
    """Bootstrap means of entries, kept from one comparison to the next."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._cells: dict[int, Cells] = {}
        self._known: dict[Cells, Cells] = {}
        self._kept: dict[tuple[int, Cells], Float] = {}

    def difference(self, one: Rates, other: Rates) -> Float | None:
        """Bootstrap draws of the mean of `one - other` over common victims and seeds.

        None where they have nothing in common. Both are drawn alike: it is their pairs that are.
        """
        cells = self._of(one)
        if cells is not self._of(other):
            cells = tuple(sorted(one.keys() & other.keys()))
        return self._means(one, cells) - self._means(other, cells) if cells else None

    def _of(self, rates: Rates) -> Cells:
        """The cells, in order: one tuple for all that have the same, as most of a board do."""
        if id(rates) not in self._cells:
            cells = tuple(sorted(rates))
            self._cells[id(rates)] = self._known.setdefault(cells, cells)
        return self._cells[id(rates)]

    def _means(self, rates: Rates, cells: Cells) -> Float:
        key = id(rates), cells
        if key not in self._kept:
            strata: dict[str, list[float]] = {}
            for victim, seed in cells:
                strata.setdefault(victim, []).append(rates[victim, seed])
            self._kept[key] = mean_draws(list(strata.values()), seed=self._seed)
        return self._kept[key]
