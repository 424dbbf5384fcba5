"""Findings about a rule of Pong that is this benchmark's own: who loses by a slow ball.

The rule names an outcome and moves nothing (tests/games/test_slow_balls.py), so the same matches
can be read without it: what was won and lost by points, and which share of the points each made.
What an adversary would learn without that rule is another matter: such trainings stand apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from benchmark.arena.tally import Tally
from benchmark.errors import CheckFailed
from benchmark.leaderboard import beside, scoring
from benchmark.leaderboard.findings.material import PLAIN, Findings, Material, points, side, spread
from benchmark.leaderboard.table import Table, linked, runs_text, with_links
from benchmark.records.record import Record, Role

SLOW = "slow_ball"
ORIGINAL = {SLOW: "tie"}
"""Pong's options under its original rule."""
IN_FULL = "may1"
"""Whose rows are all shown; of other victims those of plain PPO. Claims are of all rows."""


class Points(NamedTuple):
    """Shares of matches won and lost, but by slow balls; 0 and 0 where none was played."""

    won: float
    lost: float

    @property
    def share(self) -> float | None:
        """Of all points that were made, those that were won; None where none was made."""
        made = self.won + self.lost
        return self.won / made if made else None

    @property
    def texts(self) -> list[str]:
        """Percent of matches won and lost, and the share of points, for a table."""
        share = "-" if self.share is None else f"{self.share:.2f}"
        return [f"{100 * self.won:.1f}", f"{100 * self.lost:.1f}", share]


def slow_balls(material: Material, game: str, tier: str) -> Findings:
    """What adversaries of every victim, and its regular opponents, win and lose by points."""
    made = Findings()
    table = Table(
        "Without slow balls",
        ["victim", "who plays it", "runs", "wins", "of them by points", "loses by points",
         "share of points"],
        words=2,
    )  # fmt: skip
    found: dict[str, list[tuple[Points, Points]]] = {}
    for cells in scoring.rows(_undefended(material.records, game, tier)):
        cell, regular = cells[0].cell, _regular(material.records, cells)
        others = _met(regular, "regular")
        own, theirs = _points(_met(cells, "attack")), _points(others)
        won = spread(points([scoring.win_rate(record) for record in cells]))
        row = [cell.victim.name, cell.attack.label, runs_text(cells, cell.budget_steps), won]
        by_points = spread(points([_points(_met([record], "attack")).won for record in cells]))
        row += [by_points, *own.texts[1:]]
        if cell.victim.name == IN_FULL or cell.attack.label == PLAIN:
            table.rows.append(linked(row, cells, material.links))
        if others.episodes:
            key = cell.victim.name
            if key not in found:
                texts = [f"{100 * others.win_rate:.1f}", *theirs.texts]
                beside_it = [key, "*regular opponents*", "-", *texts]
                table.rows.append(linked(beside_it, [], material.links))
                names = ("wins", "won", "lost", "share")
                facts = dict(zip(names, texts, strict=True)) | {"each": _each(regular)}
                made.facts |= {f"slow balls/{key}/regular/{k}": v for k, v in facts.items()}
            found.setdefault(key, []).append((own, theirs))
    for victim, pairs in found.items():
        made.add(_held_against(f"slow balls/{victim}", pairs))
    table.rows.sort(key=lambda row: (row[0] != IN_FULL, row[0], row[1] != "*regular opponents*"))
    made.tables["slow balls"] = with_links(table, material.links)
    return made


def _held_against(key: str, pairs: Sequence[tuple[Points, Points]]) -> Findings:
    """Attacks on a victim beside its regular opponents, by either reading."""
    made = Findings()
    won, lost = ([100 * getattr(own, side) for own, _ in pairs] for side in ("won", "lost"))
    made.facts |= {
        f"{key}/attacks": str(len(pairs)),
        f"{key}/won": f"{min(won):.1f} to {max(won):.1f}",
        f"{key}/lost": f"{min(lost):.1f} to {max(lost):.1f}",
    }
    shares = [(own.share, theirs.share) for own, theirs in pairs]
    known = [(a, b) for a, b in shares if a is not None and b is not None]
    if len(known) == len(pairs):
        made.facts[f"{key}/share"] = f"{min(known)[0]:.2f} to {max(known)[0]:.2f}"
    made.claims[f"{key}/won"] = side([own.won - theirs.won for own, theirs in pairs])
    made.claims[f"{key}/share"] = side([a - b for a, b in known])
    return made


def original(material: Material, game: str, tier: str) -> Findings:
    """Adversaries that were trained and judged where slow balls are ties."""
    made = Findings()
    table = Table(
        "By the original rule",
        ["victim", "attack", "runs", "wins", "ties", "loses", "share of points",
         "regular opponents win"],
        words=2,
    )  # fmt: skip
    above: dict[str, list[float]] = {}
    all_won: dict[str, list[float]] = {}
    for cells in scoring.rows(_undefended(material.original_rule, game, tier)):
        cell, others = cells[0].cell, _met(cells, "regular")
        tallies = [_met([record], "attack") for record in cells]
        won = points([tally.win_rate for tally in tallies])
        row = [
            cell.victim.name, cell.attack.label, runs_text(cells, cell.budget_steps),
            spread(won), spread(points([t.ties / t.episodes for t in tallies])),
            spread(points([t.losses / t.episodes for t in tallies])),
            _points(_met(cells, "attack")).texts[-1],
            f"{100 * others.win_rate:.1f}" if others.episodes else "-",
        ]  # fmt: skip
        table.rows.append(linked(row, cells, material.links))
        key = f"original rule/{cell.victim.name}"
        made.facts[f"{key}/{cell.attack.label}"] = row[3]
        all_won.setdefault(key, []).extend(won)
        if others.episodes:
            made.facts[f"{key}/regular"] = row[-1]
            made.facts[f"{key}/regular, each"] = _each(cells)
            made.facts[f"{key}/regular, best"] = _each(cells).partition(",")[0]
            above.setdefault(key, []).extend(w - 100 * others.win_rate for w in won)
    made.facts |= {f"{key}/wins": spread(won) for key, won in all_won.items()}
    for key, differences in above.items():
        made.claims[key] = side(differences)
    made.tables["original rule"] = with_links(table, material.links)
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


def _regular(records: Sequence[Record], cells: Sequence[Record]) -> list[Record]:
    """The record of the victim that met most of its regular opponents; or none."""
    cell = cells[0].cell
    alike = [
        record
        for record in records
        if record.cell.defense is None
        and (record.cell.game, record.cell.victim) == (cell.game, cell.victim)
        and record.cell.episodes == cell.episodes
    ]
    return beside.fullest(alike, "regular")


def _each(records: Sequence[Record]) -> str:
    """What each regular opponent wins by points, in percent, who wins most first."""
    won = {name: _points(tally).won for name, tally in beside.opponents(records).items()}
    order = sorted(won, key=lambda name: (-won[name], name))
    return ", ".join(f"`{name}` {100 * won[name]:.1f}" for name in order)


def _met(records: Sequence[Record], role: Role) -> Tally:
    """All matches of a role in the ranked mode, with their breakdown."""
    return Tally.sum(m.tally for r in records for m in r.of_role(role) if m.ranked_mode)


def _points(tally: Tally) -> Points:
    """What was won and lost of a tally's matches, but by slow balls."""
    if tally.episodes and not tally.breakdown:
        raise CheckFailed("a record of Pong does not tell how its matches ended; run it again")
    made, count = tally.without(SLOW), max(1, tally.episodes)
    return Points(made.wins / count, made.losses / count)
