"""Courses of training beside published ones, from hand-made curves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmark.arena.tally import Tally
from benchmark.leaderboard.findings import courses
from benchmark.leaderboard.findings.material import Material
from benchmark.leaderboard.study import Row
from benchmark.learning.progress import CurvePoint
from benchmark.records.record import Record
from tests.factories import attacked, defended, tally
from tests.leaderboard.findings.conftest import PLACE, given

WINDOWS = [
    {"from": 0, "to": 1, "mean": 10.0, "sd": 2.0},
    {"from": 1, "to": 2, "mean": 50.0, "sd": 5.0},
    {"from": 19, "to": 20, "mean": 60.0, "sd": 9.0},
]


def curve(*won: int) -> list[CurvePoint]:
    """Percent won in each million steps."""
    return [
        CurvePoint(steps=(at + 1) * courses.MILLION, tally=tally(2 * wins, 200))
        for at, wins in enumerate(won)
    ]


def course(seed: int, *won: int, **changes: Any) -> Record:
    return attacked(100, seed=seed, **changes).model_copy(
        update={"curves": {"attack": curve(*won)}}
    )


def beside(made: Material) -> Material:
    """With a published course."""
    return replace(made, published={**made.published, "theirs": {"runs": 8, "windows": WINDOWS}})


@pytest.mark.parametrize(
    ("second", "apart", "claim"),
    [(54, "+3.0", "as published"), (66, "+9.0", "apart from it")],
)
def test_windows_are_those_of_the_published_course(second: int, apart: str, claim: str) -> None:
    """What lies beyond a budget is not shown and counts for nothing."""
    cells = [course(0, 9, 52), course(1, 11, second)]
    made = courses.attacks(beside(given([Row("ours", cells)])), PLACE, "theirs")
    table = made.tables["course/pong-v1/house"]
    assert table.columns[2:-1] == ["0-1 M", "1-2 M", "19-20 M"]
    assert table.rows[0][:3] == ["*published, theirs*", "8", "10.0 (2.0)"]
    mean = (52 + second) / 2
    assert [text.split()[0] for text in table.rows[1][2:5]] == ["10.0", f"{mean:.1f}", "-"]
    assert made.facts["course/pong-v1/house/ours/apart"] == apart
    assert made.claims["course/pong-v1/house/ours"] == claim


def test_trainings_of_the_full_budget_have_rows_of_their_own() -> None:
    whole = course(0, 9, 52, tier="full", budget_steps=8_000_000)
    made = courses.attacks(beside(given([Row("ours", [])], [whole])), PLACE, "theirs")
    assert [row[0] for row in made.tables["course/pong-v1/house"].rows[1:]] == ["ours, 8 M"]
    assert made.facts["course/pong-v1/house/ours, 8 M/attack"] == "50.0 (1 seed)"
    assert made.facts["course/pong-v1/house/ours, 8 M/replay"] == "-"


def test_the_areas_of_whole_trainings_are_held_against_plain_ppo_s() -> None:
    """In all seeds, at the same budget; of plain PPO itself there is nothing to say."""
    whole = {"tier": "full", "budget_steps": 2_000_000}
    plain = [course(0, 40, 60, attack="baseline", **whole)]
    slow, mixed = [course(0, 10, 50, **whole)], [course(1, 80, 80, **whole)]
    other = [course(0, 90, 90, attack="baseline", tier="full", budget_steps=4_000_000)]

    def claims(*records: Record) -> dict[str, str]:
        made = courses.attacks(beside(given([Row("ours", [])], list(records))), PLACE, "theirs")
        name, end = "course/pong-v1/house/", "/auc to plain"
        found = made.claims.items()
        return {k.removeprefix(name).removesuffix(end): v for k, v in found if k.endswith(end)}

    assert claims(*plain, *slow, *other)["ours, 2 M"] == "all below"
    assert claims(*plain, *slow, *mixed)["ours, 2 M"] == "on both sides"
    assert claims(*plain, *mixed)["ours, 2 M"] == "all above"
    assert claims(*plain, *slow)["baseline, 2 M"] == "not run"


def test_a_variant_of_a_victim_counts_by_whatever_tier_it_has() -> None:
    records = [
        course(0, 9, 52, tier="full", victim="v"), course(0, 30, 30, tier="lite", victim="v"),
        course(0, 10, 50, tier="lite", victim="w", victim_ranked=False),
    ]  # fmt: skip
    found = courses.on_victims(beside(given(records=records)), "pong-v1", "full", ("v", "w"),
                               "ours", "theirs")  # fmt: skip
    labels = [row[0].partition(",")[0] for row in found.tables["course/pong-v1/theirs"].rows[1:]]
    assert labels == ["ours on v", "ours on w"]


def test_of_a_defense_the_victim_s_wins_are_shown() -> None:
    made = defended(10, 20, 30)
    hardened = made.model_copy(update={"curves": {"hardening": curve(80, 90)}})
    assert hardened.cell.defense is not None
    found = courses.hardenings(
        beside(given(records=[hardened])), made.cell.game, made.cell.tier,
        hardened.cell.defense.label, "theirs",
    )  # fmt: skip
    (table,) = found.tables.values()
    assert table.rows[1][2:4] == ["80.0", "90.0"]


def test_what_the_published_count_leaves_out_is_left_out_here() -> None:
    """Without a deviation of the published runs nothing is said of it."""
    won = Tally(wins=60, losses=40, breakdown={
        "win:point": 20, "win:serve_miss": 40, "loss:point": 30, "loss:serve_miss": 10,
    })  # fmt: skip
    record = attacked(100, seed=0).model_copy(
        update={"curves": {"attack": [CurvePoint(steps=courses.MILLION, tally=won)]}}
    )
    windows = [{"from": 0, "to": 1, "mean": 45.0}]
    material = given([Row("ours", [record])])
    for without, wins, apart in ((None, "60.0", "+15.0"), ("serve_miss", "40.0", "-5.0")):
        theirs = {"runs": 4, "windows": windows, "without": without}
        made = courses.attacks(replace(material, published={"t": theirs}), PLACE, "t")
        rows = made.tables["course/pong-v1/house"].rows
        assert (rows[0][2], rows[1][2]) == ("45.0", wins)
        assert made.facts["course/pong-v1/house/ours/apart"] == apart
