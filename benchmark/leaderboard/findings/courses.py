"""Courses of training beside published ones: the same windows of steps, side by side.

A published course is a table of `results/published.toml` with `windows`. Both count the matches of
training, by rules, engines and ways of acting that are each its own, as the page says. What the
published count leaves out (`without`) is left out of the courses here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from statistics import fmean, stdev
from typing import Any

from benchmark.evaluation.curves import rate_between
from benchmark.leaderboard import scoring
from benchmark.leaderboard.findings.material import (
    NONE,
    PLAIN,
    Findings,
    Material,
    Place,
    points,
    side,
    spread,
)
from benchmark.leaderboard.study import area
from benchmark.leaderboard.table import Table, linked, steps, with_links
from benchmark.learning.progress import CurvePoint
from benchmark.records.record import Record

Courses = Sequence[tuple[str, Sequence[Record]]]
"""Rows: what it says of them, and the records whose curves are meant."""
MILLION = 1_000_000
WHOLE = 1.02
"""A budget is filled up to a rollout: what a training's steps may lack of the last window."""


def attacks(material: Material, place: Place, published: str) -> Findings:
    """Every variant of a place's study beside the published attack of that name.

    Of the trainings at tier full also what the final policies win, and the area below the curve,
    with the claim on which side of plain PPO's areas each lies in all of its seeds.
    """
    rows = [(row.label, row.records) for row in material.attacks[place] if row.records]
    full = [
        r for r in material.records
        if (r.cell.game, r.cell.victim.name, r.cell.tier) == (*place, "full")
        and r.cell.defense is None
    ]  # fmt: skip
    whole = [
        (f"{row[0].cell.attack.label}, {steps(row[0].cell.budget_steps)}", row)
        for row in scoring.rows(full)
    ]
    name = f"course/{place.game}/{place.victim}"
    made = _beside(material, name, published, [*rows, *whole], "attack")
    for label, row in whole:
        for role in ("attack", "replay"):
            rates = points(scoring.rates(row, role))
            made.facts[f"{name}/{label}/{role}"] = spread(rates)
        areas = [area(record) for record in row]
        made.facts[f"{name}/{label}/auc"] = spread(points(areas))
        plain = [area(record) for _, other in whole for record in other if _is_plain(record, row)]
        made.claims[f"{name}/{label}/auc to plain"] = side([a - b for a in areas for b in plain])
    return made


def _is_plain(record: Record, row: Sequence[Record]) -> bool:
    """Whether a record is of tuned plain PPO, at the budget of a row of another attack."""
    cell, other = record.cell, row[0].cell
    return (
        cell.attack.label == PLAIN
        and cell.attack != other.attack
        and cell.budget_steps == other.budget_steps
    )


def on_victims(
    material: Material, game: str, tier: str, victims: Sequence[str], attack: str, published: str
) -> Findings:
    """One attack on several victims, replication variants by every budget that they have."""
    rows = []
    for victim in victims:
        cells = [
            r for r in material.records
            if (r.cell.game, r.cell.victim.name, r.cell.attack.label) == (game, victim, attack)
            and r.cell.defense is None and (r.cell.tier == tier or not r.cell.victim_ranked)
        ]  # fmt: skip
        rows += [
            (f"{attack} on {victim}, {steps(row[0].cell.budget_steps)}", row)
            for row in scoring.rows(cells)
        ]
    return _beside(material, f"course/{game}/{published}", published, rows, "attack")


def hardenings(material: Material, game: str, tier: str, defense: str, published: str) -> Findings:
    """A defense on every victim of a game, against each attack."""
    cells = [
        r for r in material.records
        if (r.cell.game, r.cell.tier) == (game, tier) and r.curves.get("hardening")
        and r.cell.defense is not None and r.cell.defense.label == defense
    ]  # fmt: skip
    rows = [
        (f"{defense} on {row[0].cell.victim.name}, against {row[0].cell.attack.label}", row)
        for row in scoring.rows(cells)
    ]
    return _beside(material, f"course/{game}/{defense}", published, rows, "hardening")


def _beside(
    material: Material, name: str, published: str, rows: Courses, training: str
) -> Findings:
    """The published windows, and what is won in them here; '-' beyond a budget."""
    made, figures = Findings(), material.published.get(published, {})
    windows: Sequence[Mapping[str, Any]] = figures.get("windows", [])
    without = figures.get("without")
    columns = [f"{window['from']:g}-{window['to']:g} M" for window in windows]
    table = Table(name, ["won in training, %", "runs", *columns], words=1)
    if windows:
        told = [_published(window) for window in windows]
        table.rows.append(
            linked([f"*published, {published}*", str(figures["runs"]), *told], [], {})
        )
    for label, cells in rows:
        curves = [record.curves[training] for record in cells if record.curves.get(training)]
        found = [_won(curves, window, without) for window in windows]
        told = [label, str(len(curves)), *map(_text, found)]
        table.rows.append(linked(told, cells, material.links))
        apart = [
            (fmean(rates) - window["mean"], window.get("sd"))
            for window, rates in zip(windows, found, strict=True) if rates
        ]  # fmt: skip
        farthest = max((by for by, _ in apart), key=abs, default=nan)
        made.facts[f"{name}/{label}/apart"] = f"{farthest:+.1f}"
        made.facts[f"{name}/{label}/last"] = _text(next((r for r in reversed(found) if r), []))
        made.claims[f"{name}/{label}"] = _verdict(apart)
    made.tables[name] = with_links(table, material.links)
    return made


def _won(
    curves: Sequence[Sequence[CurvePoint]], window: Mapping[str, Any], without: str | None
) -> list[float]:
    """What each training won in a window, in percent; nothing beyond its budget."""
    start, end = (int(MILLION * window[edge]) for edge in ("from", "to"))
    rates = [
        rate_between(curve, start, end, without=without)
        for curve in curves if end <= WHOLE * curve[-1].steps
    ]  # fmt: skip
    return points([rate for rate in rates if rate is not None])


def _verdict(apart: Sequence[tuple[float, float | None]]) -> str:
    """By distances to the published means and their deviations over runs, window by window."""
    if not apart:
        return NONE
    if any(sd is None for _, sd in apart):
        return "of no known deviation"
    within = all(abs(by) <= sd for by, sd in apart if sd is not None)
    return "as published" if within else "apart from it"


def _published(window: Mapping[str, Any]) -> str:
    """A published window's mean, and its deviation where that is known."""
    return f"{window['mean']} ({window['sd']})" if "sd" in window else str(window["mean"])


def _text(rates: Sequence[float]) -> str:
    """The mean, and in brackets the standard deviation over runs."""
    if not rates:
        return "-"
    return f"{fmean(rates):.1f}" + (f" ({stdev(rates):.1f})" if len(rates) > 1 else "")
