"""Records of earlier versions of this program: read, and what is wrong with them told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.learning.progress import CURVE, CurvePoint
from benchmark.records.files import BadRecord, read, to_json
from benchmark.records.record import Record
from tests.factories import attacked, defended, tally


def first(record: Record) -> dict[str, Any]:
    """The record as schema 1 had it: its curves point by point."""
    content: dict[str, Any] = json.loads(to_json(record))
    curves = {name: json.loads(CURVE.dump_json(curve)) for name, curve in record.curves.items()}
    return content | {"schema_version": 1, "curves": curves}


@pytest.mark.parametrize("record", [attacked(50, others=["b"]), defended(20, 10, 30)])
def test_schema_1_is_read_and_written_as_schema_2(tmp_path: Path, record: Record) -> None:
    """Point by point; what is read is the same record, and so is its file from then on."""
    curve = [CurvePoint(9, tally(1, 3), {"loss": 0.5}), CurvePoint(20, tally(0, 3), {"kl": 1.0})]
    record = record.model_copy(update={"curves": record.curves | {"attack": curve}})
    path = tmp_path / f"{record.id}.json"
    path.write_text(json.dumps(first(record)))
    assert read(path) == record
    assert to_json(read(path)) == to_json(record)


@pytest.mark.parametrize(
    ("curves", "complaint"),
    [
        (None, "curves: "),
        ({"attack": {"steps": []}}, r"curves\.attack: "),
        ({"attack": [{"steps": 1}]}, r"curves\.attack\.0\.tally: "),
        ({"attack": [{"steps": 1, "tally": {"wins": "1"}}]}, r"curves\.attack\.0\.tally\.wins: "),
        ({"attack": [{"steps": 1, "tally": {}, "diagnostics": {"a": float("nan")}}]}, "curves"),
    ],
)
def test_curves_that_schema_1_cannot_have_are_refused(
    tmp_path: Path, curves: object, complaint: str
) -> None:
    """As it was told then; also columns, which came with schema 2."""
    record = attacked(50)
    path = tmp_path / f"{record.id}.json"
    path.write_text(json.dumps(first(record) | {"curves": curves}))
    with pytest.raises(BadRecord, match=f"{path}: {complaint}"):
        read(path)
