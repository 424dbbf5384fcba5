"""What a check found, line by line: before, now, by how much, how sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from benchmark.arena.tally import Tally
from benchmark.leaderboard.table import Table

Form = Literal["replay", "training", "table", "policies"]


class Finding(BaseModel):
    """One comparison. facts: the numbers behind its words, for --json."""

    model_config = ConfigDict(frozen=True)

    form: Form
    name: str
    before: str
    now: str
    change: str
    sure: str
    failed: bool
    facts: dict[str, Any] = {}


def table(findings: Sequence[Finding], title: str, failed: str = "REGRESSED") -> Table:
    """Findings as rows; those that failed first, under that word."""
    made = Table(title, ["form", "what", "verdict", "baseline", "now", "change", "how sure"], 3)
    for one in sorted(findings, key=lambda found: not found.failed):
        verdict = failed if one.failed else "ok"
        made.rows.append([one.form, one.name, verdict, one.before, one.now, one.change, one.sure])
    return made


def counts(tally: Tally) -> str:
    """'142 / 0 / 258', and voids where there are any."""
    voids = [tally.voids] if tally.voids else []
    return " / ".join(map(str, [tally.wins, tally.ties, tally.losses, *voids]))


def points(change: float) -> str:
    """A difference of rates in points: '-5.0'."""
    return f"{100 * change:+.1f}"
