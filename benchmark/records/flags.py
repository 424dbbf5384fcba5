"""The protocol's automatic flags that counts alone show: told by a run, and again by every page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark.arena.tally import Tally
from benchmark.evaluation.statistics import wilson
from benchmark.records.record import JUDGED, MatchSet


def of_counts(matches: Sequence[MatchSet], trained: Iterable[Tally], *, learned: bool) -> list[str]:
    """Those of one record. trained: of its training curves. learned: the attack is no script."""
    found = []
    for where, tallies in (("", [m.tally for m in matches]), (" in training", trained)):
        voids = sum(tally.voids for tally in tallies)
        if voids:
            found.append(f"void matches{where}: {voids}")
    ranked = [played for played in matches if played.ranked_mode]
    floor = Tally.totals(
        m.tally for m in ranked if m.role == "floor" and m.adversary.name == "random"
    )
    # A tie counts as held, against regular opponents too: a victim may be hardened to seek it.
    tied = ("attack", *JUDGED, "regular") if any(m.role in JUDGED for m in ranked) else ("attack",)
    found += [
        f"ties above 50 %{'' if m.role == 'attack' else f' ({m.role})'}"
        for m in ranked
        if m.role in tied and m.tally.ties > 0.5 * m.tally.episodes
    ]
    for tally in (m.tally for m in ranked if m.role == "attack"):
        if learned and floor.episodes and _no_better(tally, floor):
            found.append("no better than random")
    return found


def _no_better(tally: Tally, floor: Tally) -> bool:
    """Whether chance alone may put these wins above the floor's rate."""
    return wilson(tally.wins, tally.episodes)[0] <= floor.win_rate
