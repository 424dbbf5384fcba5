"""Scores of the protocol, as pure functions of records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from math import inf
from operator import attrgetter
from typing import NamedTuple, TypeVar

from benchmark.arena.tally import Tally
from benchmark.evaluation.curves import steps_to
from benchmark.evaluation.statistics import iqm, rate_ratio, stratified_interval
from benchmark.records.cell import method_key
from benchmark.records.record import JUDGED, MatchSet, Record, Role

OWN: dict[bool, Role] = {False: "attack", True: "fresh"}
"""Matches of the adversary that was trained on a cell's victim last, by whether it is defended."""
EXPLOITED = 0.5
"""The win rate at which a victim counts as exploited (protocol: steps to 50 %)."""
BOOTSTRAP_SEED = 20210811  # fixed, so that a table renders alike every time
Group = TypeVar("Group", bound=Hashable)
Strata = Mapping[tuple[str, str], Sequence[float]]
"""By victim (name, sha256) the values of its training seeds, which the bootstrap draws from."""


class Score(NamedTuple):
    """A score in [0, 100] with its 95 % bootstrap interval over seeds."""

    value: float
    low: float
    high: float


class DefenseParts(NamedTuple):
    """One defended cell. Robustness R and clean play C lie in [0, 1]; None: not played.

    score: 100 x C x R, R being the share of matches held (won or tied by the victim) against the
    worst attack, which is chosen on the even half of the episode list and reported on the odd one.
    A hardening that failed in training scores 0.
    """

    score: float
    stored: float | None = None
    held_out: float | None = None
    fresh: float | None = None
    clean: float | None = None


FAILED = DefenseParts(score=0.0)


def group(records: Iterable[Record], key: Callable[[Record], Group]) -> dict[Group, list[Record]]:
    """Records by key, in the order of the keys' text; within a group by id."""
    groups: dict[Group, list[Record]] = defaultdict(list)
    for record in sorted(records, key=attrgetter("id")):
        groups[key(record)].append(record)
    return dict(sorted(groups.items(), key=lambda item: str(item[0])))


def rows(records: Iterable[Record]) -> list[list[Record]]:
    """Records that differ in nothing but their training seed, together: a row of a table."""

    def row(record: Record) -> tuple[str, ...]:
        cell = record.cell
        defense = cell.defense.label if cell.defense else ""
        return (
            defense, cell.attack.label, cell.victim.name, cell.victim.sha256, cell.track,
            str(cell.budget_steps), method_key(cell.attack), method_key(cell.defense), cell.seat,
        )  # fmt: skip

    return list(group(records, row).values())


def win_rate(record: Record) -> float:
    """The adversary's win rate against its victim in the ranked mode."""
    return pooled([record], "attack").win_rate


def aggregate(values: Strata) -> Score:
    """100 x IQM over victims x seeds, with the bootstrap over seeds within victims."""
    layers = list(values.values())
    low, high = stratified_interval(layers, seed=BOOTSTRAP_SEED)
    return Score(100 * iqm([v for s in layers for v in s]), 100 * low, 100 * high)


def strata(records: Sequence[Record], value: Callable[[Record], float]) -> Strata:
    """A value of every record, victim by victim."""
    victims = group(records, lambda r: (r.cell.victim.name, r.cell.victim.sha256))
    return {victim: [value(record) for record in cells] for victim, cells in victims.items()}


def attack_score(records: Sequence[Record]) -> Score:
    """The protocol's AS of one attack on one game."""
    return aggregate(strata(records, win_rate))


def defense_score(records: Sequence[Record]) -> Score:
    """The protocol's DS of one defense against one attack on one game."""
    return aggregate(strata(records, lambda record: defense_parts(record).score / 100))


def pooled(records: Iterable[Record], role: Role, name: str | None = None) -> Tally:
    """All matches of a role (of the adversary `name`) in the ranked mode, pooled; no breakdown."""
    return Tally.totals(
        half
        for record in records
        for m in record.matches
        if m.role == role and m.ranked_mode and (name is None or m.adversary.name == name)
        for half in (m.even, m.odd)
    )


def rates(records: Sequence[Record], role: Role) -> list[float]:
    """The adversary's win rate in matches of a role, of each record that has some."""
    tallies = [pooled([record], role) for record in records]
    return [tally.win_rate for tally in tallies if tally.episodes]


def defense_parts(record: Record) -> DefenseParts:
    """Robustness, clean play and score of a defended cell, or of an undefended one.

    An undefended victim meets the stored adversary alone, and keeps its play whole.
    """
    if record.failure is not None and record.cell.defense is not None:
        return FAILED
    if record.cell.defense is None:
        return _undefended_parts(record)
    hits: list[MatchSet] = [m for role in JUDGED for m in record.of_role(role)]
    if not hits:
        raise ValueError(f"record {record.id} has no match against a defended victim")
    worst = max(hits, key=lambda m: m.even.win_rate)
    clean = clean_play(record)
    return DefenseParts(
        score=100 * clean * worst.odd.held_rate,
        stored=_robustness(record, "stored"),
        held_out=_robustness(record, "held-out"),
        fresh=_robustness(record, "fresh"),
        clean=clean,
    )


def _undefended_parts(record: Record) -> DefenseParts:
    attacks = record.of_role("attack")
    held = Tally.totals(m.odd for m in attacks).held_rate if attacks else 1.0
    return DefenseParts(100 * held, stored=_robustness(record, "attack"), clean=1.0)


def exploit_ratio(record: Record) -> float | None:
    """Steps that the fresh attack took to win half of its matches, over those of the first one.

    Infinite where it never did; None where the first never did, or where one was not trained.
    """
    before = steps_to(record.curves.get("attack", []), EXPLOITED)
    if before is None or "fresh" not in record.curves:
        return None
    after = steps_to(record.curves["fresh"], EXPLOITED)
    return inf if after is None else after / before


def _robustness(record: Record, role: Role) -> float | None:
    rates = [Tally.totals((m.even, m.odd)).held_rate for m in record.of_role(role)]
    return min(rates) if rates else None


def regular_play(record: Record) -> tuple[Tally, Tally]:
    """What regular opponents won before and after: against the undefended and the defended one."""
    before: list[Tally] = []
    after: list[Tally] = []
    for m in record.of_role("regular"):
        # By name too: a defense may give the victim back as it was.
        (before if m.victim == record.cell.victim else after).extend((m.even, m.odd))
    return Tally.totals(before), Tally.totals(after)


def clean_play(record: Record) -> float:
    """C: the defended victim's non-loss rate against regular opponents over the undefended one's.

    At most 1; 1 where the undefended victim never avoided a loss, so nothing could be lost.

    Raises:
        ValueError: one side was not played.
    """
    before, after = regular_play(record)
    if not before.episodes or not after.episodes:
        raise ValueError(f"record {record.id} lacks regular matches before or after hardening")
    old, new = before.held_rate, after.held_rate
    return min(1.0, new / old) if old > 0 else 1.0


def clean_change(records: Sequence[Record]) -> tuple[float, float, float] | None:
    """Matches held against regular opponents after over before, seeds pooled, with an interval.

    C without its cap of 1: a victim that was still learning may gain by any training. The victim
    before is the same for every seed and so are its matches, which are counted once. None where
    one side was not played.
    """
    undefended = {
        (m.adversary, m.victim, m.ranked_mode): m.tally
        for record in records
        for m in record.of_role("regular")
        if m.victim == record.cell.victim
    }
    before = Tally.totals(undefended.values())
    after = Tally.totals(regular_play(record)[1] for record in records)
    if not before.episodes or not after.episodes:
        return None
    return rate_ratio(
        after.ties + after.losses, after.episodes, before.ties + before.losses, before.episodes
    )


def clean_ratios(records: Sequence[Record]) -> list[float]:
    """The same of every seed by itself, of those with both sides and something held before."""
    sides = [regular_play(record) for record in records]
    return [
        after.held_rate / before.held_rate
        for before, after in sides
        if before.episodes and after.episodes and before.held_rate > 0
    ]


class Transfer(NamedTuple):
    """Win rates of adversaries (by the victim they were trained on) against every victim.

    tallies: of all adversaries. travelled: against their own victims, of those alone that met
    others too.
    """

    sources: list[str]
    targets: list[str]
    tallies: dict[tuple[str, str], Tally]
    travelled: dict[str, Tally]

    @property
    def ratio(self) -> float | None:
        """Mean off-diagonal over mean diagonal win rate, of the same adversaries; or None."""
        own = [tally.win_rate for tally in self.travelled.values()]
        foreign = [t.win_rate for (i, j), t in self.tallies.items() if i != j]
        if not own or not foreign or sum(own) == 0:
            return None
        return (sum(foreign) / len(foreign)) / (sum(own) / len(own))


def trained_on(record: Record) -> str | None:
    """The victim of the adversary that a transfer matrix is of; None where its training failed."""
    own = _own(record)
    return own[0].victim.name if own else None


def _own(record: Record) -> list[MatchSet]:
    """Matches of the adversary that a transfer matrix is of against its own victim."""
    return record.of_role(OWN[record.cell.defense is not None])


def transfer(records: Sequence[Record]) -> Transfer:
    """The transfer matrix of one attack over victims, undefended or defended alike, seeds pooled.

    Of defended ones it is the fresh adversaries that play.
    """
    tallies: dict[tuple[str, str], list[Tally]] = defaultdict(list)
    travelled: dict[str, list[Tally]] = defaultdict(list)
    for record in records:
        own = _own(record)
        elsewhere = record.of_role("transfer") if own else []
        for m in (*own, *elsewhere):
            tallies[own[0].victim.name, m.victim.name] += (m.even, m.odd)
        if elsewhere:
            travelled[own[0].victim.name] += [half for m in own for half in (m.even, m.odd)]
    sources = sorted({i for i, _ in tallies})
    targets = sorted({j for _, j in tallies}, key=lambda name: (name not in sources, name))
    return Transfer(
        sources, targets, {k: Tally.totals(v) for k, v in sorted(tallies.items())},
        {k: Tally.totals(v) for k, v in sorted(travelled.items())},
    )  # fmt: skip
