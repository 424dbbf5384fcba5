"""A study of defenses: table and figure, from hand-made records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.errors import Misuse
from benchmark.leaderboard.defense_figure import save_defense_figure
from benchmark.leaderboard.defense_study import SHARE, adversarial_share, defense_study_table
from benchmark.leaderboard.study import Row
from benchmark.learning.progress import CurvePoint
from benchmark.records.record import Record, StateSplit
from tests.factories import defended, player, tally


def record(seed: int, fresh: int, shares: tuple[float, ...] = (0.25, 0.75)) -> Record:
    """A defended record with the diagnostics of its hardening."""
    made = defended(20, 40, fresh, seed=seed, clean=(100, 150))
    points = [
        CurvePoint(steps=1000 * (k + 1), tally=tally(1, 2), diagnostics={SHARE: share})
        for k, share in enumerate(shares)
    ]
    splits = [
        StateSplit(adversary=player("ours"), victim=player(name), apart=apart, floor=0.0)
        for name, apart in (("house", 0.5), ("hardened", 0.25))
    ]
    curves = {**made.curves, "hardening": points}
    return made.model_copy(update={"curves": curves, "splits": splits})


ROWS = [Row("p = 0", [record(0, 100), record(1, 60)]), Row("p = 1", [])]


def test_a_row_is_the_mean_of_its_seeds() -> None:
    table = defense_study_table("Study", ROWS, 3)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["stored"] == "0.90"
    assert row["held"] == "0.80"
    assert row["fresh (95 %)"] == "0.60 (0.50-0.70)"
    assert row["clean"] == "0.50"
    assert row["score (95 %)"] == "30.0 (25.0-35.0)"  # 100 x .5 x .5 and .7
    assert row["share"] == "0.50"
    assert row["apart"] == "0.500 > 0.250"
    assert row["in"] == "2 of 3"


def test_a_variant_to_come_is_a_row_of_nothing() -> None:
    assert defense_study_table("Study", ROWS, 3).rows[1] == ["p = 1", *["-"] * 9, "0 of 3"]


def test_the_share_is_by_steps_and_of_the_victim_s_own() -> None:
    """Points of attacks that a defense trains for itself have none."""
    made = record(0, 100)
    points = [
        CurvePoint(
            steps=steps, tally=tally(1, 2), diagnostics={} if share is None else {SHARE: share}
        )
        for steps, share in ((3000, 0.5), (7000, None), (8000, 0.9))
    ]
    made = made.model_copy(update={"curves": {**made.curves, "hardening": points}})
    assert adversarial_share(made) == pytest.approx((3 * 0.5 + 0.9) / 4)


def test_a_failed_seed_is_told() -> None:
    bad = record(1, 0).model_copy(update={"failure": "nan", "matches": []})
    row = defense_study_table("Study", [Row("p = 0", [record(0, 100), bad])], 3).rows[0]
    assert row[-1] == "2 of 3, 1 failed"


def test_the_share_of_a_hardening_that_reports_none() -> None:
    assert adversarial_share(defended(1, 1, 1)) is None


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_figure_is_drawn_alike_every_time(tmp_path: Path, suffix: str) -> None:
    one, other = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    for path in (one, other):
        save_defense_figure(path, "Study", ROWS)
    assert one.read_bytes() == other.read_bytes()
    if suffix == ".png":
        assert len(np.unique(np.asarray(Image.open(one).convert("L")))) > 50
    else:
        assert "against a fresh one" in one.read_text()


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="nothing to draw"):
        save_defense_figure(tmp_path / "a.svg", "Study", ROWS[1:])
