"""Findings about a rule of Pong that is this benchmark's own: who loses by a slow ball.

The rule names an outcome and moves nothing, so what the same policies win by the original one,
under which a slow ball is a tie, is what they win but by slow balls (held by tests/games/test_pong.py).
What an adversary would learn by that rule is another matter: such trainings are shown apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from benchmark.arena.tally import Tally
from benchmark.errors import CheckFailed
from benchmark.leaderboard import beside, scoring
from benchmark.leaderboard.findings.material import NONE, Findings, Material, points, spread
from benchmark.leaderboard.table import Table, linked, runs_text, with_links
from benchmark.records.record import Record, Role

SLOW = "slow_ball"
ORIGINAL = {SLOW: "tie"}
"""Pong's options under its original rule."""


def slow_balls(material: Material, game: str, tier: str) -> Findings:
    """What adversaries of every victim, and its regular opponents, win but by slow balls."""
    made = Findings()
    table = Table(
        "Without slow balls",
        ["victim", "attack", "runs", "won", "but by slow balls", "regular opponents",
         "but by slow balls "],
        words=2,
    )  # fmt: skip
    below: dict[str, list[bool]] = {}
    means: dict[str, list[float]] = {}
    for cells in scoring.rows(_undefended(material.records, game, tier)):
        cell, others = cells[0].cell, _regular(material.records, cells)
        own = points([_clean(_met([record], "attack")) for record in cells])
        row = [
            cell.victim.name, cell.attack.label, runs_text(cells, cell.budget_steps),
            spread(points([scoring.win_rate(record) for record in cells])), spread(own),
            _percent(others.win_rate if others.episodes else None),
            _percent(_clean(others) if others.episodes else None),
        ]  # fmt: skip
        table.rows.append(linked(row, cells, dict(material.links)))
        key = f"slow balls/{cell.victim.name}"
        made.facts |= {
            f"{key}/{cell.attack.label}": row[4], f"{key}/regular": row[6],
            f"{key}/regular, all": row[5],
        }  # fmt: skip
        means.setdefault(key, []).append(fmean(own))
        below.setdefault(key, []).append(fmean(own) < 100 * _clean(others))
    for key, values in means.items():
        made.facts |= {
            f"{key}/least": f"{min(values):.1f}", f"{key}/most": f"{max(values):.1f}",
            f"{key}/attacks": str(len(values)),
        }  # fmt: skip
        made.claims[key] = (
            "every attack below regular opponents" if all(below[key])
            else "every attack above regular opponents" if not any(below[key]) else "some below"
        )  # fmt: skip
    table.rows.sort(key=lambda row: (row[0] != "may1", row[0], row[1]))
    made.tables["slow balls"] = with_links(table, dict(material.links))
    return made


def original(material: Material, game: str, tier: str) -> Findings:
    """Adversaries that were trained and judged by the original rule."""
    made = Findings()
    table = Table(
        "By the original rule",
        ["victim", "attack", "runs", "won", "tied", "lost", "regular opponents"],
        words=2,
    )
    above: dict[str, list[bool]] = {}
    for cells in scoring.rows(_undefended(material.original_rule, game, tier)):
        cell, others = cells[0].cell, _met(cells, "regular")
        tallies = [_met([record], "attack") for record in cells]
        won = points([tally.win_rate for tally in tallies])
        row = [
            cell.victim.name, cell.attack.label, runs_text(cells, cell.budget_steps),
            spread(won), spread(points([t.ties / t.episodes for t in tallies])),
            spread(points([t.losses / t.episodes for t in tallies])),
            _percent(others.win_rate if others.episodes else None),
        ]  # fmt: skip
        table.rows.append(linked(row, cells, dict(material.links)))
        key = f"original rule/{cell.victim.name}"
        made.facts[f"{key}/{cell.attack.label}"] = row[3]
        above.setdefault(key, []).append(min(won) > 100 * others.win_rate)
    for key, found in above.items():
        made.claims[key] = (
            "every training above regular opponents" if all(found) else "not every training"
        )
    if not table.rows:
        made.claims["original rule"] = NONE
    made.tables["original rule"] = with_links(table, dict(material.links))
    return made


def _undefended(records: Iterable[Record], game: str, tier: str) -> list[Record]:
    return [
        record
        for record in records
        if (record.cell.game, record.cell.tier) == (game, tier)
        and record.cell.defense is None
        and record.cell.victim_ranked
        and record.cell.track == "black-box"
    ]


def _regular(records: Sequence[Record], cells: Sequence[Record]) -> Tally:
    """The matches of the victim's regular opponents, those of the record that met most of them."""
    cell = cells[0].cell
    alike = [
        record
        for record in records
        if record.cell.defense is None
        and (record.cell.game, record.cell.victim) == (cell.game, cell.victim)
        and record.cell.episodes == cell.episodes
    ]
    return _met(beside.fullest(alike, "regular"), "regular")


def _met(records: Sequence[Record], role: Role) -> Tally:
    """All matches of a role in the ranked mode, with their breakdown."""
    return Tally.sum(m.tally for r in records for m in r.of_role(role) if m.ranked_mode)


def _clean(tally: Tally) -> float:
    """The share of matches that were won, but by slow balls."""
    if tally.episodes and not tally.breakdown:
        raise CheckFailed("a record of Pong does not tell how its matches ended; run it again")
    return (tally.wins - tally.breakdown.get(f"win:{SLOW}", 0)) / max(1, tally.episodes)


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.1f}"
