"""What an entry's page shows beyond the board: its seeds, matches, settings and provenance.

As the board's own `Table`s, so that they are drawn, sorted and escaped like all others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from benchmark.evaluation.curves import steps_to
from benchmark.leaderboard import scoring
from benchmark.leaderboard.study import area
from benchmark.leaderboard.table import Table, rate_text, steps, victim_label
from benchmark.page.entries import Entry
from benchmark.page.views import RECORDS
from benchmark.records.cell import MethodRef
from benchmark.records.record import Record

HASH = 12
"""Letters of a sha256 that are shown; the record has them all."""


def facts(entry: Entry) -> list[tuple[str, str]]:
    """The card: what was played, by whom, on whose terms."""
    cell = entry.cell
    options = ", ".join(f"{k} = {value_text(v)}" for k, v in sorted(cell.game_options.items()))
    modes = {m.victim_mode for r in entry.records for m in r.matches if m.ranked_mode}
    kinds = sorted({_isolation(record) for record in entry.records})
    levels = sorted({str(record.level) for record in entry.records})
    return [
        ("Game", cell.game + (f" ({options})" if options else "")),
        ("Adversary's seat", cell.seat),
        ("Victim", victim_label(cell)),
        ("Victim's weights", cell.victim.sha256[:HASH] or "scripted"),
        ("Victim acts by", ", ".join(sorted(modes)) or "-"),
        ("Tier", cell.tier),
        ("Track", cell.track),
        ("Training", f"{len(entry.records)} x {entry.budget} steps"),
        ("Evaluation", f"{cell.episodes} matches a pairing"),
        ("Others at hand", ", ".join(other.name for other in cell.others) or "none"),
        ("Ran in", ", ".join(kinds)),
        ("Level", ", ".join(levels)),
        ("Protocol", f"v{cell.protocol}"),
    ]


def seeds_table(entry: Entry) -> Table:
    """A row a training seed."""
    if any(record.detections for record in entry.records):
        return _detections(entry)
    rows = [_defended_row(r) if r.cell.defense else _attack_row(r) for r in entry.records]
    head = (
        ["score", "stored", "held-out", "fresh", "clean"] if entry.cell.defense
        else ["win rate (95 %)", "no loss", "AUC", "to 50 %"]
    )  # fmt: skip
    return Table(
        "Seeds", ["seed", *head, "wall time, s", RECORDS], words=1, rows=rows,
        flags=[f"seed {r.cell.seed}: {text}" for r in entry.records for text in _troubles(r)],
    )  # fmt: skip


def _attack_row(record: Record) -> list[str]:
    tally = scoring.pooled([record], "attack")
    curve = record.curves.get("attack", [])
    reached = steps_to(curve, scoring.EXPLOITED)
    return [
        str(record.cell.seed), rate_text(tally),
        f"{100 * tally.non_loss_rate:.1f}" if tally.episodes else "-",
        f"{area(record):.3f}" if curve else "-",
        ("never" if reached is None else steps(reached)) if curve else "-",
        _wall(record), _link(record),
    ]  # fmt: skip


def _defended_row(record: Record) -> list[str]:
    parts = scoring.defense_parts(record)
    shares = (parts.stored, parts.held_out, parts.fresh, parts.clean)
    return [
        str(record.cell.seed), f"{parts.score:.1f}",
        *("-" if share is None else f"{share:.3f}" for share in shares),
        _wall(record), _link(record),
    ]  # fmt: skip


def _detections(entry: Entry) -> Table:
    table = Table(
        "Detections",
        ["seed", "told apart", "adversary", "AUROC (95 %)", "false alarms, %", RECORDS],
        words=3,
        note="false alarms: regular matches that a threshold catching 95 % of the adversarial "
        "ones also catches.",
        flags=[f"seed {r.cell.seed}: {text}" for r in entry.records for text in _troubles(r)],
    )
    for record in entry.records:
        for found in record.detections:
            counts = found.counts
            low, high = counts.interval()
            table.rows.append(
                [
                    str(record.cell.seed), found.role, found.adversary.name,
                    f"{counts.auroc:.3f} ({low:.3f}-{high:.3f})",
                    f"{100 * counts.false_alarms / counts.regular:.1f}", _link(record),
                ]
            )  # fmt: skip
    return table


def _troubles(record: Record) -> list[str]:
    """What a reader must know before believing a record's numbers."""
    lost = [f"no {role} matches: {why}" for role, why in sorted(record.lost.items())]
    failed = [] if record.failure is None else [f"training failed: {record.failure}"]
    return [*record.flags, *lost, *failed]


def matches_table(entry: Entry) -> Table:
    """Every match set of every seed, as counted."""
    table = Table(
        "Matches",
        ["seed", "for", "adversary", "victim", "victim acts by", "wins", "ties", "losses", "void",
         "adversary wins (95 %)"],
        words=5,
        note="Counts from the adversary's side, on the protocol's list of episode seeds.",
    )  # fmt: skip
    for record in entry.records:
        for m in record.matches:
            tally, mode = m.tally, m.victim_mode + ("" if m.ranked_mode else " (unranked)")
            table.rows.append(
                [
                    str(record.cell.seed), m.role, m.adversary.name, m.victim.name, mode,
                    str(tally.wins), str(tally.ties), str(tally.losses), str(tally.voids),
                    rate_text(tally),
                ]
            )  # fmt: skip
    return table


def splits_table(entry: Entry) -> Table:
    """How far the states lie apart, where that was looked into."""
    table = Table("States apart", ["seed", "adversary", "victim", "apart", "floor"], words=3)
    for record in entry.records:
        for split in record.splits:
            table.rows.append(
                [
                    str(record.cell.seed), split.adversary.name, split.victim.name,
                    f"{split.apart:.4f}", f"{split.floor:.4f}",
                ]
            )  # fmt: skip
    return table


def settings_table(kind: str, method: MethodRef) -> Table:
    """A method's whole configuration; what was set by hand is marked."""
    table = Table(
        f"{kind}: {method.name}, version {method.version}", ["setting", "value", "set"], words=3
    )
    for name, value in sorted(method.config.items()):
        by_hand = "by hand" if name in method.settings else "default"
        table.rows.append([name, value_text(value), by_hand])
    return table


def provenance_table(entry: Entry) -> Table:
    """Where each training of each seed was done, and how long it took."""
    table = Table(
        "Trainings",
        ["seed", "training", "commit", "date, UTC", "machine", "python", "cores", "threads",
         "steps", "wall time, s", "cpu time, s"],
        words=6,
    )  # fmt: skip
    for record in entry.records:
        for name, known in sorted(record.provenance.items()):
            spent = record.timings.get(name, {})
            table.rows.append(
                [
                    str(record.cell.seed), name, _commit(known), _date(known),
                    _short(known, "cpu"), _short(known, "python"), _short(known, "cores"),
                    _short(known, "threads"), steps(record.steps.get(name, 0)),
                    _seconds(spent.get("wall_s")), _seconds(spent.get("cpu_s")),
                ]
            )  # fmt: skip
    return table


def commands(entry: Entry) -> list[tuple[str, str]]:
    """What reproduces the records: each command, and its seeds."""
    found: dict[str, list[str]] = {}
    for record in entry.records:
        found.setdefault(record.command, []).append(str(record.cell.seed))
    return [(command, ", ".join(seeds)) for command, seeds in sorted(found.items())]


def packages(entry: Entry) -> list[str]:
    """The distinct sets of packages and systems that trainings ran on."""
    found = set()
    for record in entry.records:
        for known in record.provenance.values():
            listed = known.get("packages")
            named = sorted(listed.items()) if isinstance(listed, dict) else []
            parts = [f"{name} {value_text(version)}" for name, version in named]
            found.add(
                ", ".join([*parts, *([_short(known, "system")] if "system" in known else [])])
            )
    return sorted(found - {""})


def value_text(value: Any) -> str:
    """A setting as text: strings as they are, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _short(known: dict[str, Any], name: str) -> str:
    value = known.get(name)
    return "-" if value is None else value_text(value)


def _date(known: dict[str, Any]) -> str:
    """To the minute; provenance is written in UTC."""
    return _short(known, "date").replace("T", " ")[:16]


def _commit(known: dict[str, Any]) -> str:
    dirty = " + changes" if known.get("dirty") else ""
    return _short(known, "commit")[:HASH] + dirty


def _isolation(record: Record) -> str:
    about = record.isolation
    unpinned = ", not the pinned one" if about.kind == "container" and not about.pinned else ""
    return about.kind + (f" ({about.image}{unpinned})" if about.image else "")


def _wall(record: Record) -> str:
    return _seconds(sum(spent.get("wall_s", 0.0) for spent in record.timings.values()))


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _link(record: Record) -> str:
    return f"[{record.cell.seed}]({record.id})"


def diagnostics(records: Sequence[Record], name: str) -> list[str]:
    """The names of what a training told of itself, besides its matches."""
    return sorted({k for r in records for p in r.curves.get(name, []) for k in p.diagnostics})
