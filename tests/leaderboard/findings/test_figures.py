"""The figures of the page: drawn from what they say, and from all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from benchmark.leaderboard.findings.figures import Picture, of_attacks, of_defenses, of_victims
from benchmark.leaderboard.study import Row
from tests.factories import defended
from tests.leaderboard.findings.conftest import PLACE, given, trained

ROWS = [
    Row("baseline", [trained(100, seed, 40, attack="baseline") for seed in (0, 1)]),
    Row("dense", [trained(100, seed, 45, attack="dense") for seed in (0, 1)]),
    Row("ours", [trained(110, 0, 50)]),
    Row("to come", []),
]
HARDENED = [defended(20, 100, 190, seed=seed) for seed in (0, 1)]
MATERIAL = given(ROWS, records=HARDENED, mixtures={PLACE: [Row("p = 0.5", HARDENED)]})
PICTURES = {
    "attacks": of_attacks(MATERIAL, PLACE, "baseline"),
    "victims": of_victims(MATERIAL, "pong-v1", ("baseline", "dense")),
    "defenses": of_defenses(MATERIAL, "pong-v1", "smoke"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_figure_says_which_records_it_shows(name: str, tmp_path: Path) -> None:
    """And equal records give equal bytes."""
    first, second = tmp_path / "one.svg", tmp_path / "two.svg"
    PICTURES[name].save(first)
    PICTURES[name].save(second)
    assert PICTURES[name].source in first.read_text(encoding="utf-8")
    assert first.read_bytes() == second.read_bytes()


def test_other_records_are_another_source() -> None:
    records = [record for row in ROWS for record in row.records]
    one = Picture("x", records, lambda left, right: None)
    assert one.source.startswith("5 records, ")
    assert one.source == Picture("x", records[::-1], lambda left, right: None).source
    assert one.source != Picture("x", records[1:], lambda left, right: None).source


def test_what_is_drawn_is_there(tmp_path: Path) -> None:
    """Names of what has records, the published curve, the shares."""
    PICTURES["attacks"].save(tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    for label in ("baseline (2)", "ours (1)", "published attack", "(8, sd)"):
        assert label in text
    assert "to come" not in text
    PICTURES["defenses"].save(tmp_path / "d.svg")
    text = (tmp_path / "d.svg").read_text(encoding="utf-8")
    assert "retrain, house (2)" in text
    assert ">0.5<" in text


def test_a_png_is_drawn_as_well(tmp_path: Path) -> None:
    PICTURES["victims"].save(tmp_path / "v.png")
    with Image.open(tmp_path / "v.png") as image:
        assert image.size[0] > 1000
