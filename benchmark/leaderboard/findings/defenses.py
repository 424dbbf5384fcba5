"""Findings about defenses: what holds against whom, what it costs, how fast it falls again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import inf
from statistics import median_high

from benchmark.leaderboard import beside, scoring
from benchmark.leaderboard.defense_study import known
from benchmark.leaderboard.findings.material import Findings, Material, points, spread
from benchmark.leaderboard.flags import fresh_fell_short
from benchmark.leaderboard.judged import exploit_text
from benchmark.leaderboard.study import Row
from benchmark.leaderboard.table import Table, clean_text, linked, runs_text, with_links
from benchmark.leaderboard.tables import tables
from benchmark.records.cell import MethodRef
from benchmark.records.record import Record

FALLEN = 0.5
"""Of the matches against a fresh adversary: a victim that holds fewer has fallen."""

CHANCE = 0.5
"""The AUROC of a detector that tells nothing."""


def hardened(material: Material, game: str, tier: str) -> Findings:
    """Hardened victims of one game and tier against stored, held-out and fresh adversaries."""
    key, made = f"{game}/{tier}", Findings()
    table = Table(
        f"Hardened victims of {game}, tier {tier}",
        ["victim", "attack", "defense", "runs", "held before", "stored", "held-out", "fresh",
         "clean, after / before", "to fall again"],
        words=3,
    )  # fmt: skip
    found = [r for r in material.records if (r.cell.game, r.cell.tier) == (game, tier)]
    cells = [r for r in found if r.cell.defense is not None and not r.detections and not r.failure]
    fresh: dict[tuple[int, str], float] = {}
    again: dict[tuple[int, str], float] = {}
    stored: dict[str, list[float]] = defaultdict(list)
    for row in scoring.rows(cells):
        cell = row[0].cell
        parts = [scoring.defense_parts(record) for record in row]
        if _adversarial(cell.defense):
            fresh |= _by_policy(row, [part.fresh for part in parts])
            again |= _by_policy(row, [scoring.exploit_ratio(record) for record in row])
        facts = {
            "runs": runs_text(row, cell.budget_steps),
            "before": spread(_before(found, row), 2),
            "stored": spread(known(parts, lambda part: part.stored), 2),
            "held-out": spread(known(parts, lambda part: part.held_out), 2),
            "fresh": spread(known(parts, lambda part: part.fresh), 2),
            "clean": clean_text(row),
            "again": exploit_text(row),
        }
        beside = {"clean seeds": spread(scoring.clean_ratios(row), 2), **_floors(found, row)}
        assert cell.defense is not None
        names = [cell.victim.name, cell.attack.label, cell.defense.label]
        made.claims[f"{key}/{'/'.join(names)}/search"] = (
            "fell short" if fresh_fell_short(row) else "as good as the stored"
        )
        stored[cell.defense.label] += known(parts, lambda part: part.stored)
        told = (facts | beside).items()
        made.facts |= {f"{key}/{'/'.join(names)}/{name}": text for name, text in told}
        table.rows.append(linked([*names, *facts.values()], row, material.links))
    table.rows.sort(key=lambda row: row[:2])
    made.tables[f"hardened/{key}"] = with_links(table, material.links)
    for name, shares in stored.items():
        holds = min(shares, default=0) > FALLEN
        made.claims[f"{key}/{name}/stored"] = "holds" if holds else "does not hold throughout"
    held = list(fresh.values())
    made.facts[f"{key}/trainings"] = str(len(held))
    made.facts[f"{key}/fresh"] = spread(held, 2)
    made.facts[f"{key}/again"] = _ratios(list(again.values()))
    made.claims[f"{key}/hardened"] = (
        "not run" if not held else "all fall" if max(held) < FALLEN else "some stand"
    )
    return made


def _adversarial(defense: MethodRef | None) -> bool:
    """Whether it met the adversary at all: at a share of 0 it is more training, a control."""
    return defense is not None and defense.config.get("p") != 0


def _by_policy(
    row: Sequence[Record], values: Sequence[float | None]
) -> dict[tuple[int, str], float]:
    """Values by seed and hardened policy's hash: one training under two names is counted once."""
    return {
        (record.cell.seed, record.artifacts.get("hardening", record.id)): value
        for record, value in zip(row, values, strict=True)
        if value is not None
    }


def _floors(found: Sequence[Record], row: Sequence[Record]) -> dict[str, str]:
    """What players outside every mixture win before and after, in percent of the matches."""
    before = [r for r in found if r.cell.defense is None and r.cell.victim == row[0].cell.victim]
    told = {}
    for floor in ("zero", "random"):
        for when, cells in (("before", beside.fullest(before, "floor")), ("after", row)):
            tallies = [scoring.pooled([record], "floor", floor) for record in cells]
            rates = points([tally.win_rate for tally in tallies if tally.episodes])
            told[f"{floor} {when}"] = (
                f"{rates[0]:.1f}" if when == "before" and rates else spread(rates)
            )
    return told


def _ratios(found: Sequence[float]) -> str:
    """The upper median and the range of how much longer falling again took."""
    if not found:
        return "-"
    told = [median_high(found), min(found), max(found)]
    middle, least, most = ("never" if ratio == inf else f"{ratio:.2f}" for ratio in told)
    return f"{middle} ({least} to {most})"


def _before(found: Sequence[Record], row: Sequence[Record]) -> list[float]:
    """What the victim held before, against the very adversaries that it was hardened against."""
    trained = {record.artifacts.get("attack") for record in row}
    return [
        1 - scoring.win_rate(record)
        for record in found
        if record.cell.defense is None
        and record.failure is None
        and record.artifacts.get("attack") in trained
    ]


def mixing(material: Material) -> Findings:
    """By the share of adversarial episodes: what is held, and what is kept of regular play."""
    made, places = Findings(), list(material.mixtures)
    columns = [
        f"{place.victim}: {what}"
        for place in places
        for what in ("fresh", "held-out", "clean, after / before")
    ]
    table = Table("Mixing", ["share of adversarial episodes", *columns, "seeds"], words=1)
    judges = [_common_judges(material.mixtures[place]) for place in places]
    for at, first in enumerate(material.mixtures[places[0]] if places else []):
        rows = [material.mixtures[place][at].records for place in places]
        if not any(rows):
            continue
        texts: list[str] = []
        for place, cells, common in zip(places, rows, judges, strict=True):
            texts += _mixed(made, f"mixing/{place.victim}/{first.label}", cells, common)
        counts = dict.fromkeys(str(len(cells)) for cells in rows)
        behind = [record for cells in rows for record in cells]
        table.rows.append(linked([first.label, *texts, ", ".join(counts)], behind, material.links))
    made.tables["mixing"] = with_links(table, material.links)
    made.claims["mixing/clean play is lost at"] = ", ".join(_losing(material)) or "none"
    return made


def _losing(material: Material) -> list[str]:
    """The shares after which regular play is worse than before in every seed, on some victim.

    Not by Katz's interval, which is of the matches of these very policies.
    """
    found = [
        row.label
        for rows in material.mixtures.values()
        for row in rows
        if (ratios := scoring.clean_ratios(row.records)) and max(ratios) < 1
    ]
    return list(dict.fromkeys(found))


def _common_judges(rows: Sequence[Row]) -> Mapping[int, set[str]]:
    """By training seed the held-out adversaries that every share met: the worst of two is worse."""
    common: dict[int, set[str]] = {}
    for record in (record for row in rows for record in row.records):
        met = {played.adversary.name for played in record.of_role("held-out")}
        common[record.cell.seed] = common.get(record.cell.seed, met) & met
    return common


def _mixed(
    made: Findings, key: str, cells: Sequence[Record], judges: Mapping[int, set[str]]
) -> list[str]:
    """The texts of one share on one victim; judges: by seed, the held-out ones that count."""
    held_out = [
        min(rates)
        for record in cells
        if (rates := [m.tally.held_rate for m in record.of_role("held-out")
                      if m.adversary.name in judges[record.cell.seed]])
    ]  # fmt: skip
    parts = [scoring.defense_parts(record) for record in cells]
    facts = {
        "fresh": spread(known(parts, lambda part: part.fresh), 2),
        "held-out": spread(held_out, 2),
        "clean": clean_text(cells) if cells else "-",
    }
    seeds = spread(scoring.clean_ratios(cells), 2)
    told = (facts | {"clean seeds": seeds}).items()
    made.facts |= {f"{key}/{name}": text for name, text in told}
    return list(facts.values())


def _side(aurocs: Sequence[float]) -> str:
    """On which side of chance all of them lie."""
    if min(aurocs) > CHANCE:
        return "above chance"
    return "below chance" if max(aurocs) < CHANCE else "on both sides of chance"


def detection(material: Material) -> Findings:
    """The board's tables of detectors, one under the other; claims are of every single seed."""
    made, whole = Findings(), None
    for table in tables(material.records, material.links):
        if not table.title.startswith("Detection on "):
            continue
        whole = whole or Table("Detection", ["game", *table.columns], table.words + 1)
        for row in table.rows:
            whole.rows.append([table.place[0], *row])
            made.facts |= {
                f"detection/{table.place[0]}/{'/'.join(row[:3])}/{name}": text
                for name, text in zip(
                    ("stored", "alarms", "held-out", "alarms, held-out", "stranger"),
                    row[3:8], strict=True,
                )
            }  # fmt: skip
    for name, values in _aurocs(material, "stored").items():
        made.claims[f"{name}/stored"] = _side(values)
        made.facts[f"{name}/stored seeds"] = _range(values)
    for name, values in _aurocs(material, "regular").items():
        made.claims[f"{name}/strangers"] = _side(values)
        made.facts[f"{name}/strangers"] = _range(values)
    made.tables["detection"] = whole or Table("Detection", ["game"], 1)
    return made


def _aurocs(material: Material, role: str) -> dict[str, list[float]]:
    """By game, detector and victim: of every seed and attack, against every adversary of a role."""
    found: dict[str, list[float]] = defaultdict(list)
    for record in material.records:
        cell = record.cell
        for one in record.detections:
            if one.role == role and cell.defense is not None:
                key = f"detection/{cell.game}/{cell.defense.label}/{cell.victim.name}"
                found[key].append(one.counts.auroc)
    return found


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"
