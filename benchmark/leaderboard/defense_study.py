"""A study of defenses as a table: robustness beside generality, variant by variant."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmark.leaderboard import scoring
from benchmark.leaderboard.judged import exploit_text
from benchmark.leaderboard.scoring import DefenseParts
from benchmark.leaderboard.study import Row, interval
from benchmark.leaderboard.table import Table
from benchmark.records.record import Record

NOTE = (
    "score, robustness (1 - win rate) against stored, held-out and fresh adversaries, and clean: "
    "as in the table of defenses, means over seeds with percentile bootstrap intervals over seeds, "
    "which are the range with 3 seeds. adversarial: the share of the hardening's steps against "
    "the adversary. exploit: steps of the fresh attack to half of its matches, over those of the "
    "first. apart: how far the states lie apart that the victim visits against the stored "
    "adversary and against regular opponents, before and after (energy coefficient, 0 to 1; floor "
    "of regular matches in brackets). in: seeds that are done, of those asked for."
)
SHARE = "adversarial_steps"
"""The diagnostic of a hardening's curve that says which share of its steps was adversarial."""


def defense_study_table(title: str, rows: Sequence[Row], asked: int) -> Table:
    """The table of a study of defenses; asked: seeds of the complete study."""
    table = Table(
        title,
        [
            "variant", "score (95 %)", "stored", "held", "fresh (95 %)", "clean (95 %)",
            "adversarial", "exploit", "apart before", "apart after", "in",
        ],
        words=1,
        note=NOTE,
    )  # fmt: skip
    for row in rows:
        parts = [scoring.defense_parts(record) for record in row.records]
        table.rows.append(
            [
                row.label,
                _text([part.score for part in parts], 1),
                _mean(parts, lambda part: part.stored),
                _mean(parts, lambda part: part.held_out),
                _text(known(parts, lambda part: part.fresh), 2),
                _text(known(parts, lambda part: part.clean), 2),
                _share(row.records),
                exploit_text(row.records),
                *(_apart(row.records, when) for when in (0, 1)),
                f"{len(row.records)} of {max(asked, len(row.records))}",
            ]
        )
        for flag in sorted({flag for record in row.records for flag in record.flags}):
            table.flags.append(f"{row.label}: {flag}")
    return table


def known(parts: Sequence[DefenseParts], of: Callable[[DefenseParts], float | None]) -> list[float]:
    """A part of each seed, where it was measured."""
    return [value for part in parts if (value := of(part)) is not None]


def adversarial_share(record: Record) -> float | None:
    """The share of all steps of a hardening that was played against adversaries."""
    curve = record.curves.get("hardening", [])
    shares = [p.diagnostics[SHARE] for p in curve if SHARE in p.diagnostics]
    return sum(shares) / len(shares) if shares else None


def _share(records: Sequence[Record]) -> str:
    shares = [share for record in records if (share := adversarial_share(record)) is not None]
    return f"{sum(shares) / len(shares):.2f}" if shares else "-"


def _mean(parts: Sequence[DefenseParts], of: Callable[[DefenseParts], float | None]) -> str:
    values = known(parts, of)
    return f"{sum(values) / len(values):.2f}" if values else "-"


def _text(values: Sequence[float], digits: int) -> str:
    if not values:
        return "-"
    mean, low, high = interval(values)
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def _apart(records: Sequence[Record], when: int) -> str:
    found = [record.splits[when] for record in records if len(record.splits) > when]
    if not found:
        return "-"
    apart, floor = (
        sum(getattr(split, part) for split in found) / len(found) for part in ("apart", "floor")
    )
    return f"{apart:.3f} ({floor:.3f})"
