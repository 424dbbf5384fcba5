"""Material of hand-made records: a game that is called Pong, another with a second physics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.leaderboard.findings.make import VARIED
from benchmark.leaderboard.findings.material import Material, Place
from benchmark.leaderboard.study import Row
from benchmark.learning.progress import CurvePoint
from benchmark.records.record import Record
from tests.factories import attacked, tally

PLACE = Place("pong-v1", "house")


def trained(wins: int, seed: int, area: int, **changes: Any) -> Record:
    """An undefended record of 200 matches whose curve wins `area` % throughout."""
    made = attacked(wins, seed=seed, **changes)
    curve = [CurvePoint(steps=1000, tally=tally(2 * area, 200))]
    return made.model_copy(update={"curves": {"attack": curve}})


def given(
    rows: Sequence[Row] = (),
    records: Sequence[Record] = (),
    mixtures: Mapping[Place, Sequence[Row]] | None = None,
    place: Place = PLACE,
    original: Sequence[Record] = (),
) -> Material:
    """Material of these rows at one place, and of these records beside them."""
    every = [*records, *(record for row in rows for record in row.records)]
    return Material(
        records=every,
        original_rule=original,
        masked=[record for record in every if record.of_role("masked")],
        links={record.id: f"../results/{record.id}.json" for record in [*every, *original]},
        attacks={place: rows} if rows else {},
        varied={name: {place: rows} if rows else {} for name in VARIED},
        mixtures=mixtures or {},
        published={
            "fidelity": {"change": "-5.0", "error": "2.0"},
            "attack": {"runs": 8, "windows": [{"from": 0, "to": 1, "mean": 1.3, "sd": 0.2}]},
        },
    )
