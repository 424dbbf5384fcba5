"""Exported rows: every count of every record, the same in each format, and no formula."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from benchmark.arena.tally import Tally
from benchmark.errors import CheckFailed, InfrastructureError, Misuse
from benchmark.evaluation.detection import Detection
from benchmark.evaluation.statistics import wilson
from benchmark.leaderboard import board
from benchmark.learning.progress import CurvePoint
from benchmark.records import tabular
from benchmark.records.export import KINDS, rows_of
from benchmark.records.record import DetectionSet, Record, StateSplit
from tests.factories import attacked, defended, make_record, match, player, tally

COMMITTED = Path(__file__).parents[2] / "results"
Rows = list[dict[str, Any]]


def row_of(model: type[BaseModel], cells: dict[str, str]) -> dict[str, Any]:
    """A line of csv as docs/export.md says that it is to be read."""
    made: dict[str, Any] = {}
    for name, (kind, nullable) in tabular.columns(model).items():
        cell = cells[name]
        if not cell and nullable:
            made[name] = None
        else:
            made[name] = cell.removeprefix("'") if kind is str else kind(json.loads(cell))
    return made


def from_csv(model: type[BaseModel], payload: bytes) -> Rows:
    """Read back with the standard library."""
    lines = csv.DictReader(io.StringIO(payload.decode(), newline=""), strict=True)
    return [row_of(model, line) for line in lines]


def from_jsonl(_: type[BaseModel], payload: bytes) -> Rows:
    """One object a line."""
    return [json.loads(line) for line in payload.decode("ascii").splitlines()]


def from_parquet(_: type[BaseModel], payload: bytes) -> Rows:
    """Read back with pyarrow."""
    found: Rows = pyarrow.parquet.read_table(io.BytesIO(payload)).to_pylist()
    return found


READERS: dict[str, Callable[[type[BaseModel], bytes], Rows]] = {
    "csv": from_csv, "jsonl": from_jsonl, "parquet": from_parquet,
}  # fmt: skip


def detected() -> Record:
    """A detector's record, which has no matches."""
    counts = Detection(adversarial=200, regular=200, twice_u=60_000, false_alarms=30)
    found = DetectionSet(
        role="stored", adversary=player("ours (seed 0)"), victim=player("house"), counts=counts
    )
    return make_record([], defense="density").model_copy(update={"detections": [found]})


def everything() -> list[Record]:
    """Records of every kind: attacked, defended, detected, failed, with a curve of two points."""
    split = StateSplit(adversary=player("a"), victim=player("house"), apart=0.5, floor=-0.01)
    curve = [
        CurvePoint(steps=10, tally=Tally()),
        CurvePoint(steps=20, tally=Tally(wins=1, voids=1), diagnostics={"kl": 0.1, "loss": -1e-9}),
    ]
    tied = match("attack", 50).model_copy(update={"even": tally(25, 100, ties=7)})
    first = attacked(50, others=["b"])
    first = first.model_copy(
        update={
            "matches": [tied, *first.matches[1:]], "splits": [split], "curves": {"attack": curve},
        }
    )  # fmt: skip
    failed = attacked(0, seed=3).model_copy(update={"matches": [], "failure": "NaN at 5 steps"})
    return [first, defended((11, 12), 20, 30), detected(), failed]


def dumped(records: list[Record], what: str) -> Rows:
    """The rows as dictionaries."""
    return [row.model_dump() for row in rows_of(records, what)]


@pytest.mark.parametrize("what", KINDS)
@pytest.mark.parametrize("form", READERS)
def test_every_format_gives_the_same_rows_back(form: str, what: str) -> None:
    """Types, missing values and the last digit included; columns in the model's order."""
    model = KINDS[what][0]
    rows = dumped(everything(), what)
    found = READERS[form](model, tabular.writer(form)(model, rows_of(everything(), what)))
    assert rows
    assert found == rows
    assert [[type(v) for v in row.values()] for row in found] == [
        [type(v) for v in row.values()] for row in rows
    ]
    assert {tuple(row) for row in found} == {tuple(model.model_fields)}


def test_match_rows_have_every_count_and_the_boards_rates() -> None:
    """One row a match set, in order; halves add up to the whole."""
    records = everything()
    rows = dumped(records, "matches")
    sets = [(record, played) for record in records for played in record.matches]
    assert len(rows) == len(sets) > 5
    for row, (record, played) in zip(rows, sets, strict=True):
        whole = played.tally
        assert (row["record"], row["role"]) == (record.id, played.role)
        assert (row["adversary"], row["against"]) == (played.adversary.name, played.victim.name)
        for part in ("wins", "ties", "losses", "voids"):
            assert row[part] == getattr(whole, part) == row[f"even_{part}"] + row[f"odd_{part}"]
            assert row[f"even_{part}"] == getattr(played.even, part)
        assert (row["win_rate"], row["non_loss_rate"]) == (whole.win_rate, whole.non_loss_rate)
        assert (row["win_rate_low"], row["win_rate_high"]) == wilson(whole.wins, whole.episodes)
        assert json.loads(row["breakdown"]) == whole.breakdown


def test_the_cell_is_on_every_row() -> None:
    """Attack and defense with what was set, and none where there is no defense."""
    undefended, hardened = attacked(50), defended(1, 2, 3)
    first, second = dumped([undefended], "matches")[0], dumped([hardened], "matches")[0]
    assert (first["defense"], first["defense_config"]) == (None, None)
    assert (second["defense"], second["training"]) == ("retrain", "hardening")
    assert json.loads(second["attack_config"]) == hardened.cell.attack.config
    for name in ("game", "seat", "seed", "tier", "budget_steps", "episodes", "track"):
        assert second[name] == getattr(hardened.cell, name)
    assert (first["commit"], first["isolation"], first["level"]) == ("abc", "process", 0)


def test_a_point_without_matches_has_no_rate() -> None:
    """0 of 0 is not 0; a void match is in the denominator."""
    first, second = dumped(everything()[:1], "curves")
    assert (first["steps"], first["win_rate"], first["wins"]) == (10, None, 0)
    assert (second["steps"], second["win_rate"], second["voids"]) == (20, 0.5, 1)
    assert json.loads(second["diagnostics"]) == {"kl": 0.1, "loss": -1e-9}


def test_failed_trainings_and_detections_are_not_lost() -> None:
    """Neither has a match set; each has rows of its own."""
    records = everything()
    assert {row["record"] for row in dumped(records, "matches")} == {r.id for r in records[:2]}
    (failed,) = [row for row in dumped(records, "records") if row["failure"]]
    assert failed["record"] == records[3].id
    (found,) = dumped(records, "detections")
    assert (found["auroc"], found["false_alarm_rate"]) == (0.75, 0.15)
    assert found["auroc_low"] < 0.75 < found["auroc_high"]


def test_a_cell_that_has_no_vote_on_the_board_is_marked() -> None:
    """Of two that differ only in who else was at hand, the one with more company counts."""
    alone, together = attacked(50), attacked(60, others=["b"])
    rows = dumped([alone, together], "records")
    assert {row["record"]: row["counted"] for row in rows} == {alone.id: False, together.id: True}


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\u200b=1", "'=1", "'", "\uff1d1"],
)
def test_what_a_spreadsheet_takes_for_a_formula_is_text(name: str) -> None:
    """An apostrophe in front, in text alone; taking one off gives the name back."""
    played = match("attack", 50, adversary=name)
    record = attacked(50).model_copy(update={"matches": [played]})
    model, rows = KINDS["matches"][0], list(rows_of([record], "matches"))
    payload = tabular.to_csv(model, rows)
    (line,) = csv.DictReader(io.StringIO(payload.decode(), newline=""))
    assert line["adversary"] == "'" + name
    assert from_csv(model, payload)[0]["adversary"] == name


def test_numbers_and_plain_names_are_left_alone() -> None:
    """A negative diagnostic is in JSON text, a negative number of its own keeps its sign."""
    (row,) = rows_of(everything()[:1], "splits")
    payload = tabular.to_csv(type(row), [row]).decode()
    assert ",0.5,-0.01\n" in payload
    assert "'" not in payload


@settings(max_examples=30)
@given(st.text(), st.text())
def test_any_name_comes_back_from_every_format(adversary: str, victim: str) -> None:
    """Quotes, separators, line breaks, controls: one row, the same names."""
    played = match("attack", 5, adversary=adversary, victim=victim)
    record = attacked(5).model_copy(update={"matches": [played]})
    model = KINDS["matches"][0]
    for form, read in READERS.items():
        (row,) = read(model, tabular.writer(form)(model, rows_of([record], "matches")))
        assert (row["adversary"], row["against"]) == (adversary, victim), form


def test_half_a_surrogate_pair_is_written_out() -> None:
    """JSON can hold it, UTF-8 cannot: no format crashes on it."""
    record = attacked(5).model_copy(update={"matches": [match("attack", 5, adversary="a\ud800")]})
    model = KINDS["matches"][0]
    for form, read in READERS.items():
        (row,) = read(model, tabular.writer(form)(model, rows_of([record], "matches")))
        assert row["adversary"] == "a\\ud800"


def test_a_number_beyond_parquets_is_one_clear_line() -> None:
    """csv and jsonl hold it."""
    model, rows = KINDS["records"][0], list(rows_of([attacked(5, seed=2**70)], "records"))
    with pytest.raises(CheckFailed, match="64 bits"):
        tabular.to_parquet(model, rows)
    assert from_csv(model, tabular.to_csv(model, rows))[0]["seed"] == 2**70


def test_no_rows_are_still_a_table() -> None:
    """A header, or a schema."""
    model = KINDS["splits"][0]
    assert tabular.to_csv(model, []).decode().count("\n") == 1
    assert from_parquet(model, tabular.to_parquet(model, [])) == []
    with pytest.raises(Misuse, match="did you mean 'parquet'"):
        tabular.writer("parket")


def test_without_pyarrow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """One clear line."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InfrastructureError, match="pip install pyarrow"):
        tabular.to_parquet(KINDS["splits"][0], [])


def test_the_committed_records_export_whole() -> None:
    """Sums over the rows are sums over the records, computed apart from the files' own JSON."""
    found, problems = board.read_results(COMMITTED)
    assert not problems
    raw = [json.loads(path.read_bytes()) for path in found]
    wins = sum(m[half]["wins"] for r in raw for m in r["matches"] for half in ("even", "odd"))
    rows = dumped(list(found.values()), "matches")
    assert sum(row["wins"] for row in rows) == wins > 0
    assert len(rows) == sum(len(r["matches"]) for r in raw)
    points = sum(len(curve["steps"]) for r in raw for curve in r["curves"].values())
    rates = [row["win_rate"] for row in dumped(list(found.values()), "curves")]
    assert len(rates) == points
    assert np.nanmax(np.array(rates, dtype=float)) <= 1


def test_an_earlier_version_is_not_counted() -> None:
    """As on the board, which shows it under 'Filed' only."""
    old = attacked(10)
    new = attacked(20, attack="ours")
    later = new.cell.attack.model_copy(update={"version": 2})
    cell = new.cell.model_copy(update={"attack": later})
    new = new.model_copy(update={"cell": cell, "id": cell.id})
    counted = {row.record: row.counted for row in rows_of([old, new], "records")}
    assert counted == {old.id: False, new.id: True}
