"""A study of defenses as a table: robustness beside generality, variant by variant."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmark.leaderboard import scoring
from benchmark.leaderboard.diagnosed import split_texts
from benchmark.leaderboard.flags import fresh_fell_short
from benchmark.leaderboard.judged import exploit_text
from benchmark.leaderboard.scoring import DefenseParts
from benchmark.leaderboard.study import Row, interval
from benchmark.leaderboard.table import Table, clean_text, mean_text
from benchmark.records.record import Record

NOTE = (
    "score, robustness (1 - win rate) against stored, held-out and fresh adversaries, and clean: "
    "as in the table of defenses, means over seeds with percentile bootstrap intervals over seeds, "
    "which are the range with 3 seeds; a seed that failed scores 0 and has no parts. share: of the "
    "victim's own training steps, those against adversaries. exploit: steps of the fresh "
    "attack to half of its matches, over those of the first (upper median). apart: how far the "
    "states lie apart that the victim visits against the stored adversary and against regular "
    "opponents, before > after (energy coefficient, 0 to 1; what chance gives stands in the "
    "diagnosis 'split'). in: seeds that are done, of those asked for."
)
SHARE = "adversarial_steps"
"""The diagnostic of a hardening's curve that says which share of its steps was adversarial."""


def defense_study_table(title: str, rows: Sequence[Row], asked: int) -> Table:
    """The table of a study of defenses; asked: seeds of the complete study."""
    table = Table(
        title,
        [
            "variant", "score (95 %)", "stored", "held", "fresh (95 %)", "clean",
            "after / before (95 %)", "share",
            "exploit", "apart", "in",
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
                mean_text([part.stored for part in parts]),
                mean_text([part.held_out for part in parts]),
                _text(known(parts, lambda part: part.fresh), 2),
                mean_text([part.clean for part in parts]),
                clean_text(row.records) if row.records else "-",
                _share(row.records),
                exploit_text(row.records),
                _apart(row.records),
                _seeds(row.records, asked),
            ]
        )
        short = fresh_fell_short(row.records)
        for flag in (*short, *sorted({flag for record in row.records for flag in record.flags})):
            table.flags.append(f"{row.label}: {flag}")
    return table


def known(parts: Sequence[DefenseParts], of: Callable[[DefenseParts], float | None]) -> list[float]:
    """A part of each seed, where it was measured."""
    return [value for part in parts if (value := of(part)) is not None]


def adversarial_share(record: Record) -> float | None:
    """The share of a hardening's own steps that was played against adversaries."""
    before, played, adversarial = 0, 0, 0.0
    for point in record.curves.get("hardening", []):
        steps, before = point.steps - before, point.steps
        if SHARE in point.diagnostics:  # the steps of attacks that a defense trains have none
            played += steps
            adversarial += steps * point.diagnostics[SHARE]
    return adversarial / played if played else None


def _share(records: Sequence[Record]) -> str:
    shares = [share for record in records if (share := adversarial_share(record)) is not None]
    return f"{sum(shares) / len(shares):.2f}" if shares else "-"


def _text(values: Sequence[float], digits: int) -> str:
    if not values:
        return "-"
    mean, low, high = interval(values)
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def _apart(records: Sequence[Record]) -> str:
    before, after = (split_texts(records, when)[0] for when in (0, 1))
    return "-" if after == "-" else f"{before} > {after}"


def _seeds(records: Sequence[Record], asked: int) -> str:
    failed = sum(record.failure is not None for record in records)
    text = f"{len(records)} of {max(asked, len(records))}"
    return f"{text}, {failed} failed" if failed else text
