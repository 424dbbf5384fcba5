"""Curves by columns: nothing is lost, and columns that make no curve are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.arena.tally import Tally
from benchmark.learning.progress import CurvePoint
from benchmark.records.curve import MOST_POINTS, columns, points
from benchmark.records.files import BadRecord, read, to_json
from tests.factories import attacked

ENDINGS = ["win:point", "win:slow_ball", "loss:point", "tie:", "void:nan"]
BREAKDOWN = st.dictionaries(st.sampled_from(ENDINGS), st.integers(1, 9))
DIAGNOSTICS = st.dictionaries(
    st.text(max_size=3), st.floats(allow_nan=False, allow_infinity=False), max_size=3
)


@st.composite
def curve_points(draw: st.DrawFn) -> CurvePoint:
    """A point with or without a breakdown, with the diagnostics it happens to have."""
    breakdown = draw(BREAKDOWN)
    kinds = (("wins", "win"), ("ties", "tie"), ("losses", "loss"), ("voids", "void"))
    told = {
        field: sum(n for key, n in breakdown.items() if key.startswith(f"{word}:"))
        if breakdown else draw(st.integers(0, 9))
        for field, word in kinds
    }  # fmt: skip
    return CurvePoint(
        steps=draw(st.integers(0, 99)), diagnostics=draw(DIAGNOSTICS),
        tally=Tally(**told, breakdown=breakdown),
    )  # fmt: skip


@given(st.lists(curve_points(), max_size=6))
def test_columns_are_the_curve(curve: list[CurvePoint]) -> None:
    """Endings and diagnostics that only some points have, and none at all."""
    assert points(columns(curve)) == curve


def test_a_file_holds_them_and_reads_back(tmp_path: Path) -> None:
    """A line a column, voids where there are any."""
    curve = [
        CurvePoint(10, Tally(wins=1, losses=2, breakdown={"win:point": 1, "loss:point": 2})),
        CurvePoint(20, Tally(losses=1, voids=1), {"loss": 0.5}),
    ]
    record = attacked(50).model_copy(update={"curves": {"attack": curve}})
    path = tmp_path / f"{record.id}.json"
    path.write_bytes(to_json(record))
    told = json.loads(path.read_bytes())["curves"]["attack"]
    assert told == {
        "steps": [10, 20], "wins": [1, 0], "ties": [0, 0], "losses": [2, 1], "voids": [0, 1],
        "breakdown": {"win:point": [1, 0], "loss:point": [2, 0]},
        "diagnostics": {"loss": [None, 0.5]},
    }  # fmt: skip
    assert '\n   "wins": [1, 0],\n' in path.read_text()
    assert read(path).curves["attack"] == curve


Change = Callable[[dict[str, Any]], object]
WRONG: dict[str, tuple[Change, str]] = {
    "points": (lambda c: c.update(attack=[{"steps": 1000}]), r"curves\.attack: .*object"),
    "a short column": (
        lambda c: c["attack"]["wins"].clear(), r"curves\.attack: .*'wins' has 0 values, 'steps' 1"
    ),
    "a long diagnostic": (
        lambda c: c["attack"]["diagnostics"]["loss"].append(1.0), "'loss' has 2 values, 'steps' 1"
    ),
    "a short ending": (
        lambda c: c["attack"]["breakdown"]["win:point"].clear(), "'win:point' has 0 values"
    ),
    "voids of one point": (lambda c: c["attack"].update(voids=[0, 0]), "'voids' has 2 values"),
    "counts that do not add up": (
        lambda c: c["attack"].update(wins=[4]), r"point 0: .*breakdown of 'win' adds to 3"
    ),
    "a count as text": (lambda c: c["attack"].update(wins=["3"]), r"curves\.attack\.wins\.0"),
    "a count with a point": (lambda c: c["attack"].update(wins=[3.0]), r"curves\.attack\.wins\.0"),
    "a negative count": (lambda c: c["attack"].update(wins=[-3]), r"curves\.attack\.wins\.0"),
    "an ending that no point has": (
        lambda c: c["attack"]["breakdown"].update({"win:luck": [0]}), "counts no 'win:luck'"
    ),
    "more points than any curve": (
        lambda c: c["attack"].update(steps=list(range(MOST_POINTS + 1))), r"curves\.attack\.steps"
    ),
    "no steps": (lambda c: c["attack"].pop("steps"), r"curves\.attack\.steps"),
    "a column more": (lambda c: c["attack"].update(draws=[0]), r"curves\.attack\.draws"),
    "steps that fall": (
        lambda c: c.update(
            attack={k: [0, 0] for k in ("wins", "ties", "losses")}
            | {"steps": [9, 8], "breakdown": {}, "diagnostics": {}}
        ),
        "its steps must rise, got 8 after 9",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "complaint"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_curve_is_refused(tmp_path: Path, change: Change, complaint: str) -> None:
    """With the file, the curve and what is wrong with it."""
    record = attacked(50)
    content = json.loads(to_json(record))
    change(content["curves"])
    path = tmp_path / f"{record.id}.json"
    path.write_text(json.dumps(content))
    with pytest.raises(BadRecord, match=f"{path}: .*{complaint}"):
        read(path)


def test_a_stranger_s_name_does_not_reach_the_terminal_as_it_is(tmp_path: Path) -> None:
    """One line, whatever a diagnostic is called; no escape sequence in it."""
    record = attacked(50)
    content = json.loads(to_json(record))
    content["curves"]["attack"]["diagnostics"] = {"a\nb\x1b[31m": ["much"]}
    path = tmp_path / f"{record.id}.json"
    path.write_text(json.dumps(content))
    with pytest.raises(BadRecord, match=r"curves\.attack\.diagnostics\.a") as refusal:
        read(path)
    assert str(refusal.value).isprintable()
