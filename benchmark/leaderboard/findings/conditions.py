"""Findings about adversaries elsewhere: under the other physics, against other victims."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from benchmark.arena.tally import Tally
from benchmark.evaluation.statistics import excess_interval, excess_p
from benchmark.leaderboard import beside, scoring
from benchmark.leaderboard.attacked import commonest_win
from benchmark.leaderboard.beside import Strongest
from benchmark.leaderboard.findings.material import (
    ABOVE,
    BELOW,
    OPEN,
    Findings,
    Material,
    Place,
    chance_text,
    difference,
    interval_text,
    points,
    spread,
    verdict,
)
from benchmark.leaderboard.study import Row
from benchmark.leaderboard.table import Table, linked, with_links
from benchmark.records.record import Record, Role

LYING = "win:fall_blocker_down"
"""How You Shall Not Pass counts a win in which the blocker lies on the floor itself."""


def replay(material: Material, place: Place) -> Findings:
    """What adversaries of a study win under the other physics, the very same policies."""
    made = Findings()
    table = Table(
        "Under the other physics",
        ["attack", "seeds", "won", "won, other physics", "change", "of the wins, lying",
         "other physics"],
        words=1,
    )  # fmt: skip
    replayed = [Row(row.label, [r for r in row.records if r.of_role("replay")])
                for row in material.attacks[place]]  # fmt: skip
    compared = sum(len(row.records) > 1 for row in replayed)
    made.facts["replay/comparisons"] = str(compared)
    for row in replayed:
        cells = row.records
        if not cells:
            continue
        here, there = (
            points([scoring.pooled([record], role).win_rate for record in cells])
            for role in ("attack", "replay")
        )
        change = [b - a for a, b in zip(here, there, strict=True)]
        facts = {
            "seeds": str(len(cells)), "won": spread(here), "other": spread(there),
            "change": difference(change), "lying": _lying(cells, "attack"),
            "lying, other": _lying(cells, "replay"),
        }  # fmt: skip
        made.facts |= {f"replay/{row.label}/{name}": text for name, text in facts.items()}
        made.claims[f"replay/{row.label}"] = verdict(change)
        excess, made.claims[f"replay/{row.label} beyond regular play"], chance = _excess(
            change, material.published["fidelity"], compared
        )
        made.facts[f"replay/{row.label}/excess"] = excess
        made.facts[f"replay/{row.label}/excess, p adjusted"] = chance
        table.rows.append(linked([row.label, *facts.values()], cells, material.links))
    regular = beside.fullest(
        [record for row in material.attacks[place] for record in row.records], "regular"
    )
    for name, tally in beside.opponents(regular).items():
        won, lying = f"{100 * tally.win_rate:.1f}", _share_lying(tally)
        made.facts |= {f"replay/{name}/won": won, f"replay/{name}/lying": lying}
        row_of_it = [f"*regular: {name}*", "-", won, "-", "-", lying, "-"]
        table.rows.append(linked(row_of_it, regular, material.links))
    made.tables["replay"] = with_links(table, material.links)
    return made


def _excess(
    change: Sequence[float], regular: Mapping[str, Any], compared: int
) -> tuple[str, str, str]:
    """By how much adversaries lose more than regular players, the verdict, the adjusted p."""
    if len(change) < 2:
        return "-", verdict(change), "-"
    figure, error = float(regular["change"]), float(regular["error"])
    found = excess_interval(change, figure, error)
    side = ABOVE if found[1] > 0 else BELOW if found[2] < 0 else OPEN
    return interval_text(*found), side, chance_text(excess_p(change, figure, error), compared)


def _lying(cells: Sequence[Record], role: Role) -> str:
    """The share of the wins, seeds pooled, that the adversary had lying down."""
    return _share_lying(Tally.sum(m.tally for record in cells for m in record.of_role(role)))


def _share_lying(tally: Tally) -> str:
    if not tally.wins or not tally.breakdown:
        return "-"
    return f"{100 * tally.breakdown.get(LYING, 0) / tally.wins:.0f} %"


def transfer(material: Material, game: str, tier: str) -> Findings:
    """Who beats whom: adversaries by the victim they were trained on, every attack and seed.

    The mean over trainings with their range, and below what regular and random players win.
    """
    made = Findings()
    records = [
        r
        for r in material.records
        if (r.cell.game, r.cell.tier) == (game, tier)
        and r.cell.defense is None
        and r.cell.victim_ranked
    ]
    won = _won(records)
    sources = sorted({source for source, _ in won})
    targets = sources + sorted({target for _, target in won} - set(sources))
    table = Table("Transfer", ["trained on", "trainings", *targets], words=1)
    for source in sources:
        cells = [won.get((source, target), []) for target in targets]
        trainings = len(won[source, source])
        table.rows.append([source, str(trainings), *(_of(rates, trainings) for rates in cells)])
        for target, rates in zip(targets, cells, strict=True):
            made.facts[f"transfer/{source}/{target}"] = spread(points(rates), 0)
    scale = _scale(records, targets)
    for name, by_victim in scale.items():
        row = [f"{by_victim[t]:.0f}" if t in by_victim else "-" for t in targets]
        table.rows.append([f"*{name}*", "-", *row])
    strongest = _strongest(records, targets)
    best = [strongest.get(target) for target in targets]
    row = ["-" if one is None else f"{100 * one.win_rate:.0f} {one.opponent}" for one in best]
    table.rows.insert(len(sources) + 1, ["*the strongest of them*", "-", *row])
    made.tables["transfer"] = table
    regular = scale["regular opponents"]
    pairs = [(s, t) for s in sources for t in regular if t != s and (s, t) in won]
    better = [pair for pair in pairs if 100 * fmean(won[pair]) > regular[pair[1]]]
    single = [rate for pair in pairs for rate in won[pair]]
    ahead = sum(100 * rate > regular[pair[1]] for pair in pairs for rate in won[pair])
    made.facts |= {
        "transfer/pairs": str(len(pairs)), "transfer/better": str(len(better)),
        "transfer/meetings": str(len(single)), "transfer/ahead": str(ahead),
        "transfer/beyond the strongest": str(
            sum(fmean(won[s, t]) > strongest[t].win_rate for s, t in pairs)
        ),
        "transfer/exceptions": ", ".join(f"those of `{s}` on `{t}`" for s, t in better) or "none",
        "transfer/regulars": _regulars(records, targets),
    }  # fmt: skip
    made.facts |= _ways(records)
    made.claims["transfer"] = "none beats the regular opponents" if not better else "some do"
    return made


def _of(rates: Sequence[float], trainings: int) -> str:
    """Their mean and range, and how many they are where that is not all trainings of the row."""
    text = spread(points(rates), 0)
    return text if len(rates) in (0, trainings) else f"{text} [{len(rates)}]"


def _strongest(records: Sequence[Record], victims: Sequence[str]) -> dict[str, Strongest]:
    """The regular opponent that wins most against each of these victims that met some."""
    found = {}
    for victim in victims:
        cells = [record for record in records if record.cell.victim.name == victim]
        best = beside.strongest(beside.fullest(cells, "regular"))
        if best is not None:
            found[victim] = best
    return found


def _regulars(records: Sequence[Record], victims: Sequence[str]) -> str:
    """How many regular opponents were met: '3 for `a`, 7 for `b` and `c`'."""
    met: dict[int, list[str]] = defaultdict(list)
    for victim in victims:
        cells = [record for record in records if record.cell.victim.name == victim]
        for record in beside.fullest(cells, "regular"):
            met[len({m.adversary.name for m in record.of_role("regular")})].append(f"`{victim}`")
    return ", ".join(f"{count} for {' and '.join(names)}" for count, names in sorted(met.items()))


def _ways(records: Sequence[Record]) -> dict[str, str]:
    """The commonest way in which adversaries win against another victim, with its share."""
    met: dict[tuple[str, str], list[Tally]] = defaultdict(list)
    for record in records:
        for m in record.of_role("transfer"):
            met[record.cell.victim.name, m.victim.name].append(m.tally)
    found = {pair: commonest_win(Tally.sum(tallies)) for pair, tallies in met.items()}
    return {
        f"transfer/{source}/{target}/by": f"{how[0]}, {100 * how[1]:.0f} %"
        for (source, target), how in found.items()
        if how is not None
    }


def _won(records: Sequence[Record]) -> dict[tuple[str, str], list[float]]:
    """Win rates of every training's adversary, by its victim and by the one it then met."""
    won: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records:
        for m in (*record.of_role("attack"), *record.of_role("transfer")):
            won[record.cell.victim.name, m.victim.name].append(m.tally.win_rate)
    return won


def _scale(records: Sequence[Record], victims: Sequence[str]) -> dict[str, dict[str, float]]:
    """What regular and random players win against each of these victims, in percent."""
    scale: dict[str, dict[str, float]] = {"regular opponents": {}, "random play": {}}
    for victim in victims:
        cells = [record for record in records if record.cell.victim.name == victim]
        tallies = (
            scoring.pooled(beside.fullest(cells, "regular"), "regular"),
            scoring.pooled(beside.fullest(cells, "floor"), "floor", "random"),
        )
        for name, tally in zip(scale, tallies, strict=True):
            if tally.episodes:
                scale[name][victim] = 100 * tally.win_rate
    return scale
