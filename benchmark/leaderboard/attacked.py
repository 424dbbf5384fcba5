"""Tables of undefended victims: attacks, the victims' own scale, transfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmark.arena.tally import Tally
from benchmark.leaderboard import beside, scoring
from benchmark.leaderboard.flags import fewer_met, flags, same_policy, seat_asymmetry
from benchmark.leaderboard.table import (
    Table,
    linked,
    percent,
    rate_text,
    runs_text,
    score_text,
    victim_label,
    with_links,
)
from benchmark.records.cell import method_key
from benchmark.records.record import Record, Role

TRACKS = {"black-box": "", "white-box": " (white-box)", "none": " (floor)"}


def attack_tables(
    title: str, records: Sequence[Record], links: Mapping[str, str] | None
) -> list[Table]:
    """The tables of undefended cells of one game, its options and a tier."""
    return [
        _attacks(title, records, links),
        _victims(title, records, links),
        *_transfers(title, records, links),
    ]


def _attacks(title: str, records: Sequence[Record], links: Mapping[str, str] | None) -> Table:
    table = Table(
        f"Attacks on {title}",
        [
            "attack",
            "victim",
            "score (95 %)",
            "wins (95 %)",
            "2nd mode",
            "no loss",
            "wins by",
            "replay",
            "transfer",
            "runs",
        ],
        words=2,
        note="runs: training seeds x steps. score: 100 x interquartile mean of the adversary's "
        "win rate over seeds. wins: of all matches, seeds pooled. 2nd mode: win rate against the "
        "same victim acting the other way (sampled, where its card ranks the mean). wins by: the "
        "commonest way in which its matches were won, with its share of them. replay: win rate of "
        "the same adversaries under the game's other physics. transfer: mean win rate against the "
        "other victims over the one against its own.",
    )
    rows = []
    seats = seat_texts(records)
    for cells in scoring.rows(records):
        cell = cells[0].cell
        attack, victim, track = cell.attack.label, victim_label(cell), cell.track
        budget = cell.budget_steps
        score = scoring.attack_score(cells)
        tally = scoring.pooled(cells, "attack")
        ratio = scoring.transfer(cells).ratio
        row = [
            attack + TRACKS[track] + seats[cell.seat], victim, score_text(score, cells),
            rate_text(tally), _other_mode(cells), percent(tally.non_loss_rate),
            _commonest_win(cells), _played(cells, "replay"),
            "-" if ratio is None else f"{ratio:.2f}", runs_text(cells, budget),
        ]  # fmt: skip
        rows.append((victim, -score.value, linked(row, cells, links)))
        for flag in sorted({flag for cell in cells for flag in flags(cell)}):
            table.flags.append(f"{attack} on {victim}: {flag}")
        table.flags += [f"{attack} on {victim}: {line}" for line in same_policy(cells)]
    table.flags += [*seat_asymmetry(records), *fewer_met(records)]
    table.rows = [row for *_, row in sorted(rows, key=lambda item: item[:2])]
    return with_links(table, links)


def seat_texts(records: Sequence[Record]) -> dict[str, str]:
    """What stands behind an attack's name: nothing where all sit in one seat, else the seat."""
    seats = {record.cell.seat for record in records}
    return {seat: "" if len(seats) == 1 else f" as {seat}" for seat in seats}


def _victims(title: str, records: Sequence[Record], links: Mapping[str, str] | None) -> Table:
    table = Table(
        f"Victims of {title}: the scale",
        ["victim", "random wins", "zero wins", "regular opponents win", "of them", "the strongest"],
        words=1,
        note="win rate of scripted floors and of regular opponents in the adversary's seat. of "
        "them: how many were at hand; a mean over three is not one over eight, so the strongest "
        "stands beside it. Of the records of a victim it is the one that met most.",
    )
    for player, cells in scoring.group(records, lambda r: r.cell.victim).items():
        floors, regular = beside.fullest(cells, "floor"), beside.fullest(cells, "regular")
        row = [
            player.name,
            rate_text(scoring.pooled(floors, "floor", "random")),
            rate_text(scoring.pooled(floors, "floor", "zero")),
            rate_text(scoring.pooled(regular, "regular")),
            *_opponents(regular),
        ]
        table.rows.append(linked(row, list({r.id: r for r in (*floors, *regular)}.values()), links))
    return with_links(table, links)


def _opponents(regular: Sequence[Record]) -> tuple[str, str]:
    """How many regular opponents there were, and what the one that won most won."""
    best = beside.strongest(regular)
    if best is None:
        return "-", "-"
    return str(len(beside.opponents(regular))), f"{percent(best.win_rate)} {best.opponent}"


def _transfers(
    title: str, records: Sequence[Record], links: Mapping[str, str] | None
) -> list[Table]:
    made = []
    learned = [r for r in records if r.cell.track != "none"]
    for attack, cells in scoring.group(learned, _entry).items():
        table = matrix_table(f"Transfer of {attack[0]} on {title}", cells, links)
        if table is not None:
            made.append(table)
    return made


def matrix_table(
    title: str, cells: Sequence[Record], links: Mapping[str, str] | None
) -> Table | None:
    """Adversaries by the victim they were trained on, against every victim; None for just one."""
    matrix = scoring.transfer(cells)
    if len(matrix.targets) < 2:
        return None
    table = Table(
        title,
        ["trained on", *matrix.targets],
        words=1,
        note="win rate in percent, with its interval, of adversaries against every victim.",
    )
    own = scoring.group(cells, scoring.trained_on)
    for source in matrix.sources:
        row = [matrix.tallies.get((source, target)) for target in matrix.targets]
        texts = [source, *("-" if t is None else rate_text(t, 0) for t in row)]
        table.rows.append(linked(texts, own[source], links))
    return with_links(table, links)


def _entry(record: Record) -> tuple[str, str, int]:
    """An attack as an entry: its label, then what tells it from others of that label."""
    cell = record.cell
    return cell.attack.label, method_key(cell.attack), cell.budget_steps


def _commonest_win(cells: Sequence[Record]) -> str:
    """How matches were won most often: 'slow ball 83 %' of the wins."""
    tally = Tally.sum(half for c in cells for m in c.of_role("attack") for half in (m.even, m.odd))
    found = commonest_win(tally)
    return "-" if found is None else f"{found[0]} {100 * found[1]:.0f} %"


def commonest_win(tally: Tally) -> tuple[str, float] | None:
    """How matches were won most often, and its share of the wins; None where none was won."""
    wins = {k.split(":", 1)[1]: n for k, n in tally.breakdown.items() if k.startswith("win:")}
    if not wins:
        return None
    how = max(sorted(wins), key=lambda name: wins[name])
    return how.replace("_", " "), wins[how] / tally.wins


def _played(cells: Sequence[Record], role: Role) -> str:
    tally = scoring.pooled(cells, role)
    return percent(tally.win_rate) if tally.episodes else "-"


def _other_mode(cells: Sequence[Record]) -> str:
    played = [m for cell in cells for m in cell.matches if m.role == "attack" and not m.ranked_mode]
    return percent(Tally.sum(m.tally for m in played).win_rate) if played else "-"
