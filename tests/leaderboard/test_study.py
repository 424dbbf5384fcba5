"""A study's table and figure, from hand-made records."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmark.errors import InfrastructureError, Misuse
from benchmark.leaderboard.figure import save_figure
from benchmark.leaderboard.study import Row, area, differences, interval, study_table
from benchmark.learning.progress import CurvePoint
from benchmark.records.record import Record
from tests.factories import attacked, tally


def record(wins: int, seed: int, curve: tuple[int, ...] = (50, 150)) -> Record:
    """An attack's record; curve: wins of 200 training matches in equal parts of the budget."""
    made = attacked(wins, seed=seed)
    each = made.cell.budget_steps // len(curve)
    points = [CurvePoint(steps=(i + 1) * each, tally=tally(w, 200)) for i, w in enumerate(curve)]
    return made.model_copy(update={"curves": {"attack": points}})


REFERENCE = Row("plain", [record(100, 0), record(120, 1)])
BETTER = Row("better", [record(140, 0, (150, 150)), record(150, 1, (150, 150)), record(1, 7)])
NONE = Row("to come", [])


def cells(label: str, asked: int = 3) -> dict[str, str]:
    """A row of the table by column."""
    table = study_table("Study", [REFERENCE, BETTER, NONE], REFERENCE, asked)
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    return rows[label]


def test_differences_are_paired_by_seed() -> None:
    """Seed 7, which the reference lacks, is no part of them."""
    rate = differences(BETTER, REFERENCE, lambda r: float(r.cell.seed))
    assert rate == [0.0, 0.0]
    assert cells("better")["difference"] == "+17.5 (+15.0 to +20.0)"


def test_beside_the_bootstrap_stands_students_interval() -> None:
    """Differences of AUC 20 and 30: the mean 25, 12.706 standard errors of 5 either way."""
    curves = ((140, 140), (160, 160))
    row = Row("better", [record(100, seed, curve) for seed, curve in enumerate(curves)])
    table = study_table("Study", [REFERENCE, row], REFERENCE, 2)
    at = table.columns.index("Student's 95 %")
    assert table.rows[1][at - 1] == "+25.0 (+20.0 to +30.0)"
    assert table.rows[1][at] == "-38.5 to +88.5"
    assert table.rows[0][at] == "-"


def test_the_reference_row() -> None:
    row = cells("plain")
    assert row["win rate (95 %)"] == "55.0 (50.0 to 60.0)"
    assert row["sd"] == "7.1"
    assert row["AUC (95 %)"] == "50.0 (50.0 to 50.0)"
    assert row["to 50 / 80 %"] == "1 k / never"
    assert row["difference"] == row["difference "] == "-"
    assert row["in"] == "2 of 3"


@pytest.mark.parametrize(("quick", "told"), [(1, "never"), (2, "1 k")])
def test_a_seed_that_never_got_there_is_the_slowest(quick: int, told: str) -> None:
    """One quick seed of three does not make the median, two do."""
    curves = [(0, 150)] * quick + [(0, 20)] * (3 - quick)
    row = Row("a", [record(1, seed, curve) for seed, curve in enumerate(curves)])
    table = study_table("Study", [row], row, 3)
    assert table.rows[0][table.columns.index("to 50 / 80 %")].split(" / ")[0] == told


def test_the_reference_may_be_any_row() -> None:
    table = study_table("Study", [REFERENCE, BETTER], BETTER, 2)
    assert table.rows[0][2] == "-17.5 (-20.0 to -15.0)"
    assert table.rows[1][2] == "-"
    assert "to 'better'" in table.note


def test_more_seeds_than_asked_are_counted() -> None:
    assert cells("better", asked=2)["in"] == "3 of 3"


def test_what_the_curves_tell_is_averaged_over_the_points_that_tell_it() -> None:
    """The share of the gradient, and whether the signal goes with winning."""
    told: list[dict[str, float]] = [
        {}, {"added_gradient": 0.2, "signal_agreement": -0.5}, {"signal_agreement": 0.2},
    ]  # fmt: skip
    curve = [CurvePoint(300 * (i + 1), tally(3, 10), one) for i, one in enumerate(told)]
    row = Row("a", [record(1, 0).model_copy(update={"curves": {"attack": curve}})])
    table = study_table("Study", [row, REFERENCE], row, 1)
    at = table.columns.index("added")
    assert table.columns[at + 1] == "agrees"
    assert table.rows[0][at : at + 2] == ["0.2", "-0.15"]
    assert table.rows[1][at : at + 2] == ["-", "-"]


def test_a_variant_without_records_is_there_and_says_so() -> None:
    row = cells("to come")
    assert row["in"] == "0 of 3"
    assert {v for k, v in row.items() if k not in ("variant", "in")} == {"-"}


def test_flags_are_shown() -> None:
    flagged = record(0, 0).model_copy(update={"flags": ["seed 0 diverged"]})
    row = Row("a", [flagged])
    assert study_table("Study", [row], row, 1).flags == ["a: seed 0 diverged"]


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_equal_records_give_equal_pictures(tmp_path: Path, suffix: str) -> None:
    first, second = (tmp_path / f"{name}{suffix}" for name in "ab")
    for path in (first, second):
        save_figure(path, "Study", [REFERENCE, BETTER, NONE], REFERENCE)
    assert first.read_bytes() == second.read_bytes()


def test_a_single_seed_can_be_drawn(tmp_path: Path) -> None:
    """Whose interval is rounded and whose difference is not, to either side."""
    for wins in (1, 2):  # thirds, one rounded up and one down
        steps = attacked(9).cell.budget_steps
        curve = [CurvePoint(steps=steps, tally=tally(wins, 3))]
        row = Row("one", [record(9, 0).model_copy(update={"curves": {"attack": curve}})])
        mean, low, high = interval(differences(row, REFERENCE, area))
        assert low <= mean <= high
        save_figure(tmp_path / f"{wins}.svg", "Study", [REFERENCE, row], REFERENCE)


def test_the_picture_names_what_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "study.svg"
    save_figure(path, "Study 'x'", [REFERENCE, BETTER], REFERENCE)
    text = path.read_text()
    for word in ("plain (2)", "better (3)", "environment steps", "AUC of 'plain'"):
        assert re.search(re.escape(word).replace("'", "(?:'|&#x27;)"), text), word


def test_a_png_is_one(tmp_path: Path) -> None:
    save_figure(tmp_path / "a.png", "Study", [REFERENCE], REFERENCE)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size[0] > 1000


@pytest.mark.parametrize(
    ("name", "rows", "told"),
    [("a.jpg", [REFERENCE], "a figure is .svg or .png"), ("a.svg", [NONE], "nothing to draw")],
)
def test_what_cannot_be_drawn_is_refused(
    tmp_path: Path, name: str, rows: list[Any], told: str
) -> None:
    with pytest.raises(Misuse, match=told):
        save_figure(tmp_path / name, "Study", rows, rows[0])


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError, match="cannot be written"):
        save_figure(tmp_path / "file" / "a.svg", "Study", [REFERENCE], REFERENCE)
