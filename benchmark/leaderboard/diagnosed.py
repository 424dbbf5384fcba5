"""Tables of what was looked into besides: the blind victim, and the split of its states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.arena.tally import Tally
from benchmark.leaderboard import scoring
from benchmark.leaderboard.judged import names
from benchmark.leaderboard.table import Table, linked, rate_text, with_links
from benchmark.records.cell import PlayerRef
from benchmark.records.record import Record, Role
from benchmark.records.votes import one_vote


def diagnosis_tables(
    title: str, records: Sequence[Record], links: Mapping[str, str] | None
) -> list[Table]:
    """The tables of those cells that were diagnosed, each with its own vote.

    Of the same training one record may have been looked into in one way, and another in another.
    """
    masked = one_vote(r for r in records if r.of_role("masked"))
    split = one_vote(r for r in records if r.splits)
    made = []
    if masked:
        made.append(_masked(title, masked, links))
    if split:
        made.append(_splits(title, split, links))
    return made


def _masked(title: str, records: Sequence[Record], links: Mapping[str, str] | None) -> Table:
    table = Table(
        f"Diagnosis 'masked' on {title}",
        [
            "defense", "attack", "victim", "adversary wins", "of the blind", "opponents win",
            "of the blind ",
        ],
        words=3,
        note="win rates in percent against the victim as it is, and blind: its adversary's "
        "coordinates read as at a start. An adversary that wins less against the blind acts on "
        "the victim's observation, not on its body. Of a defended victim: the fresh adversary.",
    )  # fmt: skip
    for cells in scoring.rows(records):
        role: Role = "attack" if cells[0].cell.defense is None else "fresh"
        sides = [tally for one in (role, "regular") for tally in seen_and_blind(cells, one)]
        row = [*names(cells), *(rate_text(tally) for tally in sides)]
        table.rows.append(linked(row, cells, links))
    return with_links(table, links)


def seen_and_blind(cells: Sequence[Record], role: Role) -> list[Tally]:
    """What the adversaries of a role won against the victims seeing and blind.

    The same two meet in the same matches whichever seed's record tells of it: counted once.
    """
    seeing: dict[tuple[PlayerRef, PlayerRef], Tally] = {}
    blind: dict[tuple[PlayerRef, PlayerRef], Tally] = {}
    for record in cells:
        masked = record.of_role("masked")
        last = masked[0].victim
        met = {m.adversary: m.tally for m in record.of_role(role) if m.victim == last}
        seeing |= {(adversary, last): tally for adversary, tally in met.items()}
        blind |= {(m.adversary, last): m.tally for m in masked if m.adversary in met}
    return [Tally.sum(side.values()) for side in (seeing, blind)]


def _splits(title: str, records: Sequence[Record], links: Mapping[str, str] | None) -> Table:
    table = Table(
        f"Diagnosis 'split' on {title}",
        ["defense", "attack", "victim", "before", "floor", "after", "floor "],
        words=3,
        note="how far the states of the victim's own body lie apart in matches against the stored "
        "adversary and against regular opponents, of the same starts: the energy coefficient, 0 "
        "alike to 1 apart, before and after hardening; floor: between two halves of the regular "
        "matches, so what chance alone gives. Means over seeds.",
    )
    for cells in scoring.rows(records):
        row = names(cells)
        for when in (0, 1):
            row += split_texts(cells, when)
        table.rows.append(linked(row, cells, links))
    return with_links(table, links)


def split_texts(cells: Sequence[Record], when: int) -> list[str]:
    """Means over seeds of how far apart and of the floor, before (0) or after (1)."""
    found = [one.splits[when] for one in cells if len(one.splits) > when]
    if not found:
        return ["-", "-"]
    means = [sum(getattr(one, part) for one in found) / len(found) for part in ("apart", "floor")]
    return [f"{round(mean, 3) + 0.0:.3f}" for mean in means]  # an estimate of none may be below 0
