"""Findings about defenses, from hand-made records."""

from __future__ import annotations

from benchmark.leaderboard.findings import defenses
from benchmark.leaderboard.study import Row
from tests.factories import attacked, defended
from tests.leaderboard.findings.conftest import PLACE, given


def test_hardened_victims_from_the_known_adversary_to_the_fresh_one() -> None:
    """Held are the matches that the adversary does not win."""
    cells = [defended(20, 100, 190 - seed, seed=seed) for seed in (0, 1)]
    before = [attacked(180, seed=seed) for seed in (0, 1)]
    made = defenses.hardened(given(records=[*cells, *before]), "pong-v1", "smoke")
    (row,) = made.tables["hardened/pong-v1/smoke"].rows
    assert row[:4] == ["house", "ours", "retrain", "2 x 1 k"]
    assert row[5:8] == ["0.90 (0.90 to 0.90)", "0.50 (0.50 to 0.50)", "0.05 (0.05 to 0.06)"]
    assert made.facts["pong-v1/smoke/trainings"] == "2"
    assert made.claims["pong-v1/smoke/hardened"] == "all fall"


def test_one_victim_that_stands_changes_the_claim() -> None:
    cells = [defended(20, 20, 190), defended(20, 20, 100, seed=1)]
    made = defenses.hardened(given(records=cells), "pong-v1", "smoke")
    assert made.claims["pong-v1/smoke/hardened"] == "some stand"
    none = defenses.hardened(given(), "pong-v1", "smoke")
    assert none.claims["pong-v1/smoke/hardened"] == "not run"


def test_what_the_victim_held_before_is_of_the_very_adversaries() -> None:
    """Those of other trainings are not counted."""
    cell = defended(20, 20, 190, seed=0)
    same = attacked(180, seed=0)
    other = attacked(20, seed=5)
    made = defenses.hardened(given(records=[cell, same, other]), "pong-v1", "smoke")
    key = "pong-v1/smoke/house/ours/retrain/before"
    assert made.facts[key] == "0.10 (1 seed)"


def test_mixing_names_the_shares_after_which_regular_play_is_worse() -> None:
    rows = [
        Row("p = 0", [defended(90, 90, 90, clean=(100, 90), defense="none-of-it")]),
        Row("p = 1", [defended(90, 90, 90, clean=(100, 180))]),
        Row("p = 2", []),
    ]
    records = [record for row in rows for record in row.records]
    made = defenses.mixing(given(records=records, mixtures={PLACE: rows}))
    assert made.claims["mixing/clean play is lost at"] == "p = 1"
    assert [row[0] for row in made.tables["mixing"].rows] == ["p = 0", "p = 1"]
    assert made.facts["mixing/house/p = 0/fresh"] == "0.55 (1 seed)"
    assert not any("p = 2" in name for name in made.facts)
    assert defenses.mixing(given()).claims["mixing/clean play is lost at"] == "none"
