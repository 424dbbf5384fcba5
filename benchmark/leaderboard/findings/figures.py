"""The figures of docs/findings.md, each saying which records it was drawn from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from benchmark.evaluation.statistics import student_interval
from benchmark.leaderboard import scoring
from benchmark.leaderboard.defense_study import known
from benchmark.leaderboard.figure import (
    DASHES,
    differences_to,
    draw_curves,
    legend_below,
    style,
    write_figure,
)  # fmt: skip
from benchmark.leaderboard.findings.material import Material, Place, points
from benchmark.leaderboard.scoring import DefenseParts
from benchmark.leaderboard.study import Row, area, differences
from benchmark.records.cell import content_hash
from benchmark.records.record import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HARDENED: tuple[tuple[str, Callable[[DefenseParts], float | None]], ...] = (
    ("stored", lambda part: part.stored),
    ("held-out", lambda part: part.held_out),
    ("fresh", lambda part: part.fresh),
)
"""The adversaries that a hardened victim meets, from the one it knows to the one that knows it."""


@dataclass(frozen=True)
class Picture:
    """Two panels to be drawn, and the records that they show."""

    title: str
    records: Sequence[Record]
    draw: Callable[[Axes, Axes], None]

    @property
    def source(self) -> str:
        """What the file says of its records: their number and a hash of their ids."""
        ids = sorted({record.id for record in self.records})
        return f"{len(ids)} records, {content_hash(ids)[:16]}"

    def save(self, path: Path) -> None:
        """Draw it; raises InfrastructureError where matplotlib is missing or the disk refuses."""
        write_figure(path, self.title, self.draw, self.source)


def of_attacks(material: Material, place: Place, reference: str) -> Picture:
    """Learning curves beside the published one, and how far the areas lie apart."""
    rows = [row for row in material.attacks[place] if row.records]
    base = next(row for row in rows if row.label == reference)

    def draw(left: Axes, right: Axes) -> None:
        draw_curves(left, rows)
        _published(left, material.published["attack"])
        left.set(xscale="log", xlim=(0.2, 21), xlabel="million environment steps (logarithmic)")
        left.set_xticks([0.25, 0.5, 1, 2, 4, 8, 16], ["0.25", "0.5", "1", "2", "4", "8", "16"])
        left.minorticks_off()
        legend_below(left)
        others = [row for row in rows if row is not base]
        _forest(right, [row.label for row in others],
                {"": [points(differences(row, base, area)) for row in others]})  # fmt: skip
        right.set_xlabel(differences_to(reference))

    behind = [record for row in rows for record in row.records]
    return Picture(f"Attacks on {place.victim}, {place.game}", behind, draw)


def _published(axes: Axes, figures: Mapping[str, Any]) -> None:
    """The published curve as points with their deviation over runs."""
    windows = figures["windows"]
    at = [(window["from"] + window["to"]) / 2 for window in windows]
    axes.errorbar(
        at, [window["mean"] for window in windows], yerr=[window["sd"] for window in windows],
        fmt="s", ms=3, lw=0.8, capsize=2, color="black",
        label=f"published attack, other engine ({figures['runs']}, sd)",
    )  # fmt: skip


def of_victims(
    material: Material, game: str, references: tuple[str, str], apart: Sequence[str] = ()
) -> Picture:
    """How far the areas of the attacks lie from each of two references, victim by victim.

    apart: variants that are left out, being no attack but a reference with other settings.
    """
    places = [
        place for place, rows in material.attacks.items()
        if place.game == game and any(row.records for row in rows)
    ]  # fmt: skip
    rows = {
        place: {row.label: row for row in material.attacks[place] if row.label not in apart}
        for place in places
    }
    labels = [
        label
        for label in dict.fromkeys(name for found in rows.values() for name in found)
        if any(label in found and found[label].records for found in rows.values())
    ]

    def draw(left: Axes, right: Axes) -> None:
        for axes, reference in ((left, references[0]), (right, references[1])):
            others = [label for label in labels if label != reference]
            _forest(axes, others, {
                place.victim: [_gain(rows[place], label, reference) for label in others]
                for place in places
            })  # fmt: skip
            axes.set_xlabel(differences_to(reference))
        left.legend(frameon=False, fontsize=8)

    behind = [r for found in rows.values() for row in found.values() for r in row.records]
    return Picture(f"The same attacks on each victim of {game}", behind, draw)


def _gain(rows: Mapping[str, Row], label: str, reference: str) -> list[float]:
    if label not in rows or reference not in rows:
        return []
    return points(differences(rows[label], rows[reference], area))


def _forest(axes: Axes, labels: Sequence[str], groups: Mapping[str, list[list[float]]]) -> None:
    """Differences over seeds with Student's interval: a line a label, a colour a group."""
    for index, (group, everyone) in enumerate(groups.items()):
        named = next((at for at, values in enumerate(everyone) if len(values) > 1), None)
        shift = 0.7 * ((index + 0.5) / len(groups) - 0.5)
        for at, values in enumerate(everyone):
            colour = style(at + 1 if len(groups) == 1 else index)["color"]
            axes.plot(values, [at + shift] * len(values), ".", color=colour, alpha=0.4)
            if len(values) > 1:
                mean, low, high = student_interval(values)
                axes.errorbar(
                    mean, at + shift, xerr=[[mean - low], [high - mean]], fmt="o", ms=4,
                    color=colour, capsize=2, label=group if at == named and group else None,
                )  # fmt: skip
    axes.axvline(0, color="#4d4d4d", lw=1)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)


def of_defenses(material: Material, game: str, tier: str) -> Picture:
    """From the known adversary to the fresh one; and what the share of adversarial play moves."""
    cells = [
        r for r in material.records
        if (r.cell.game, r.cell.tier) == (game, tier) and r.cell.defense is not None
        and not r.detections and not r.failure
    ]  # fmt: skip

    def draw(left: Axes, right: Axes) -> None:
        _slopes(left, scoring.rows(cells))
        _shares(right, material)

    behind = [r for rows in material.mixtures.values() for row in rows for r in row.records]
    return Picture(f"Hardened victims of {game}", [*cells, *behind], draw)


def _slopes(axes: Axes, rows: Sequence[Sequence[Record]]) -> None:
    victims = list(dict.fromkeys(row[0].cell.victim.name for row in rows))
    dashes = {name: DASHES[at % len(DASHES)] for at, name in enumerate(victims)}
    names = list(dict.fromkeys(_name(row) for row in rows))
    for row in rows:
        parts = [scoring.defense_parts(record) for record in row]
        values = [known(parts, of) for _, of in HARDENED]
        colour = style(names.index(_name(row)) + 1)["color"]
        axes.plot(
            range(len(HARDENED)), [fmean(one) if one else float("nan") for one in values],
            color=colour, linestyle=dashes[row[0].cell.victim.name], marker="o", ms=4,
            label=f"{_name(row)}, {row[0].cell.victim.name} ({len(row)})",
        )  # fmt: skip
        for at, one in enumerate(values):
            axes.plot([at] * len(one), one, ".", color=colour, alpha=0.4)
    axes.set_xticks(range(len(HARDENED)), [f"{name}\nadversaries" for name, _ in HARDENED])
    axes.set(ylim=(0, 1.02), xlim=(-0.2, 2.9), ylabel="share of matches held: seeds and mean")
    axes.legend(frameon=False, fontsize=7, title="(seeds)", loc="upper right", handlelength=3.5)
    axes.grid(axis="y", alpha=0.25)


def _name(row: Sequence[Record]) -> str:
    defense = row[0].cell.defense
    return defense.label if defense else ""


def _shares(axes: Axes, material: Material) -> None:
    """Held against a fresh adversary, and clean play after over before, by the share."""
    ticks: list[str] = []
    for index, (place, rows) in enumerate(material.mixtures.items()):
        ticks = ticks or [row.label for row in rows]
        for what, dashes in (("fresh", "-"), ("clean", ":")):
            found = [(at, value) for at, row in enumerate(rows)
                     if (value := _share(row.records, what)) is not None]  # fmt: skip
            axes.plot(
                [at for at, _ in found], [value for _, value in found], dashes, marker="o", ms=3,
                color=style(index + 1)["color"], label=f"{place.victim}: {SHOWN[what]}",
            )  # fmt: skip
    axes.set_xticks(range(len(ticks)), [tick.removeprefix("p = ") for tick in ticks])
    axes.set(ylim=(0, 1.45), xlabel="share of adversarial episodes in retraining")
    axes.legend(frameon=False, fontsize=7)
    axes.grid(axis="y", alpha=0.25)


SHOWN = {"fresh": "held against a fresh adversary", "clean": "clean play, after / before"}


def _share(cells: Sequence[Record], what: str) -> float | None:
    if not cells:
        return None
    if what == "clean":
        change = scoring.clean_change(cells)
        return None if change is None else change[0]
    parts = [scoring.defense_parts(record) for record in cells]
    fresh = known(parts, lambda part: part.fresh)
    return fmean(fresh) if fresh else None
