"""The site's files: the index, a page an entry, the records, films and the two static files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from benchmark.evaluation.protocol import PROTOCOL
from benchmark.leaderboard.table import Table
from benchmark.leaderboard.tables import tables
from benchmark.page import detail
from benchmark.page.bands import (
    attack_curves,
    curve_chart,
    diagnostic,
    diagnostic_chart,
    sweep_charts,
    sweeps,
)
from benchmark.page.charts import Chart
from benchmark.page.entries import Entry, entries
from benchmark.page.videos import Video
from benchmark.page.views import Index, RowView, TableView, table_view
from benchmark.records.record import Record

STATIC = ("page.css", "page.js")
MOST_MATRICES = 24
"""Transfer matrices of one section, so that a board of hundreds of attacks opens at once."""
FACETS = ("game", "tier", "track", "victim", "attack", "defense")
TRAININGS = (("attack", "the attack"), ("fresh", "the fresh attack"), ("hardening", "the victim"))
"""Curves whose win rates are drawn, and whose they are."""


@dataclass(frozen=True)
class Figure:
    """A chart with what is said below it, and what it can be filtered by."""

    chart: Chart
    caption: str
    facets: Mapping[str, str]


@dataclass(frozen=True)
class Section:
    """A game and a tier: its tables, each with the charts that stand below it."""

    anchor: str
    game: str
    tier: str
    tables: Sequence[tuple[TableView, Sequence[Figure]]]
    left_out: int
    """Transfer matrices that are on their entries' pages alone."""


def site(
    found: Mapping[Path, Record], problems: Sequence[str] = (), videos: Sequence[Video] = ()
) -> Iterator[tuple[str, bytes | Path]]:
    """The files of the site of these records (by path), as relative name and content or source.

    problems: a line for each file that was refused, shown on the index.
    """
    environment = make_environment()
    records = list(found.values())  # all of them: each table takes its own vote, as on the board
    made = entries(records)
    index = Index(made)
    views = [(t, table_view(t, index)) for t in tables(records, {r.id: r.id for r in records})]
    yield "index.html", _index(environment, made, views, problems)
    results: dict[str, list[tuple[TableView, RowView]]] = {}
    for _, view in views:
        for row in view.rows:
            if row.entry is not None:
                results.setdefault(row.entry.key, []).append((view, row))
    for entry in made:
        context = {"results": results.get(entry.key, []), **_entry_context(entry, videos)}
        yield f"entries/{entry.key}.html", _render(environment, "entry.html", context)
    linked = _linked(made, [view for _, view in views])
    for path, record in found.items():
        if record.id in linked:
            yield f"records/{record.id}.json", path
    for video in videos:
        yield f"videos/{video.name}", video.source
    for name in STATIC:
        yield name, (files("benchmark.page") / "static" / name).read_bytes()


def _linked(made: Sequence[Entry], views: Sequence[TableView]) -> set[str]:
    """Ids of the records that a page leads to: an entry's own, and those of a table's rows."""
    cells = (cell for view in views for row in view.rows for cell in row.cells)
    return {record.id for entry in made for record in entry.records} | {
        record for cell in cells for _, record in cell.records
    }


def make_environment() -> Environment:
    """Templates of this package. Everything is escaped, and what is missing is an error."""
    return Environment(
        loader=PackageLoader("benchmark.page"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


def _render(environment: Environment, name: str, context: Mapping[str, Any]) -> bytes:
    return environment.get_template(name).render(protocol=PROTOCOL, **context).encode()


# --- The index --------------------------------------------------------------------------------


def _index(
    environment: Environment,
    made: Sequence[Entry],
    views: Sequence[tuple[Table, TableView]],
    problems: Sequence[str],
) -> bytes:
    places = list(dict.fromkeys(table.place for table, _ in views))
    sections = [
        _section(
            f"section-{number}", place,
            [view for table, view in views if table.place == place],
            [entry for entry in made if entry.place == place],
        )
        for number, place in enumerate(places, 1)
    ]  # fmt: skip
    context = {
        "root": "", "sections": sections, "problems": problems, "facets": facets(made),
        "counts": (sum(len(e.records) for e in made), len(made), len({e.cell.game for e in made})),
    }  # fmt: skip
    return _render(environment, "index.html", context)


def facets(made: Sequence[Entry]) -> dict[str, list[str]]:
    """What can be filtered by, and its values."""
    rows = [
        (entry.place[0], entry.place[1], entry.cell.track, entry.victim, entry.attack,
         entry.defense)
        for entry in made
    ]  # fmt: skip
    columns = zip(*rows, strict=True) if rows else [()] * len(FACETS)
    return {name: sorted(set(values)) for name, values in zip(FACETS, columns, strict=True)}


def _section(
    anchor: str, place: tuple[str, str], views: Sequence[TableView], made: Sequence[Entry]
) -> Section:
    surplus = [view for view in views if view.matrix][MOST_MATRICES:]
    shown = [view for view in views if not any(view is one for one in surplus)]
    return Section(anchor, *place, with_figures(shown, made), len(surplus))


def with_figures(
    views: Sequence[TableView], made: Sequence[Entry]
) -> list[tuple[TableView, Sequence[Figure]]]:
    """Learning curves below the first table of a place, sweeps below that of defenses."""
    clean = [i for i, v in enumerate(views) if "clean" in [c.label for c in v.columns]]
    below: list[list[Figure]] = [[] for _ in views]
    if views:
        below[0] += curve_figures(made)
        below[clean[0] if clean else 0] += sweep_figures(made)
    return list(zip(views, below, strict=True))


def curve_figures(made: Sequence[Entry]) -> list[Figure]:
    """Learning curves, victim by victim."""
    found = []
    for victim in sorted({e.victim for e in made}):
        on = [e for e in made if e.victim == victim and e.cell.defense is None]
        chart, left_out = attack_curves(victim, on)
        if chart is not None:
            more = f" {left_out} more are on their own pages." if left_out else ""
            caption = "Mean over seeds, and their range; the number of seeds in brackets." + more
            found.append(Figure(chart, caption, {"victim": victim}))
    return found


def sweep_figures(made: Sequence[Entry]) -> list[Figure]:
    """Robustness and generality of defenses over a setting."""
    caption = "Mean over seeds, and their range or the seeds themselves."
    return [
        Figure(chart, caption, {"victim": sweep[0][1].victim, "attack": sweep[0][1].attack})
        for sweep in sweeps(made)
        for chart in sweep_charts(sweep)
    ]


# --- An entry's page --------------------------------------------------------------------------


def _entry_context(entry: Entry, videos: Sequence[Video]) -> dict[str, Any]:
    cell = entry.cell
    methods = [("Attack", cell.attack), *([("Defense", cell.defense)] if cell.defense else [])]
    index = Index(())  # its own page links no row to itself
    ids = {record.id for record in entry.records}
    return {
        "root": "../",
        "entry": entry,
        "facts": detail.facts(entry),
        "charts": entry_charts(entry),
        "diagnostics": diagnostic_charts(entry),
        "seeds": table_view(detail.seeds_table(entry), index),
        "details": [
            table_view(table, index)
            for table in (detail.matches_table(entry), detail.splits_table(entry))
            if table.rows
        ],
        "settings": [table_view(detail.settings_table(k, m), index) for k, m in methods],
        "trainings": table_view(detail.provenance_table(entry), index),
        "commands": detail.commands(entry),
        "packages": detail.packages(entry),
        "videos": [video for video in videos if video.record in ids],
        "seed_of": {record.id: record.cell.seed for record in entry.records},
    }


def entry_charts(entry: Entry) -> list[Chart]:
    """Win rates while its trainings went on: the adversaries' together, then the victim's."""
    lines = {
        name: (f"{label} ({len(entry.records)})", entry.records, name) for name, label in TRAININGS
    }
    charts = [
        curve_chart(
            "Adversaries while they train", [lines["attack"], lines["fresh"]], "adversary wins, %"
        ),
        curve_chart("The victim while it is hardened", [lines["hardening"]], "victim wins, %"),
    ]
    return [chart for chart in charts if chart is not None]


def diagnostic_charts(entry: Entry) -> list[Chart]:
    """What the methods tell of their own training, one small chart each."""
    found = []
    for name, label in TRAININGS:
        for key in detail.diagnostics(entry.records, name):
            line = diagnostic(key, entry.records, name)
            if line is not None:
                found.append(diagnostic_chart(f"{key.replace('_', ' ')}, {label}", line))
    return found
