"""Findings about attacks, from hand-made records."""

from __future__ import annotations

from typing import Any

from benchmark.arena.tally import Tally
from benchmark.evaluation.protocol import TIER_STEPS
from benchmark.leaderboard.findings import attacks
from benchmark.leaderboard.findings.material import Findings, Place
from benchmark.leaderboard.study import Row
from benchmark.learning.progress import CurvePoint
from benchmark.records.record import Record
from tests.factories import attacked, match, tally
from tests.leaderboard.findings.conftest import PLACE, given, trained

PLAIN = Row("baseline", [trained(100, s, 40, attack="baseline") for s in (0, 1, 2)])
AHEAD = Row("drift", [trained(110, s, 50 + s, attack="drift") for s in (0, 1, 2, 3)])
ALIKE = Row("ours", [trained(100 + 9 * s, s, 40 + (-1) ** s, attack="ours") for s in (0, 1)])
TO_COME = Row("curious", [])


def test_a_study_tells_differences_of_paired_seeds() -> None:
    """drift's fourth seed has no partner; its gains are 10, 11 and 12."""
    made = attacks.study(given([PLAIN, AHEAD, ALIKE, TO_COME]), PLACE, "baseline")
    key = "pong-v1/house/drift"
    assert made.facts[f"{key}/gain"] == "+11.0 (+8.5 to +13.5)"
    assert (made.facts[f"{key}/seeds"], made.facts[f"{key}/paired"]) == ("4", "3")
    assert made.facts["pong-v1/house/comparisons"] == "2"
    assert made.claims[f"{key}/gain"] == "above"
    assert made.claims["pong-v1/house/ours/gain"] == "open"
    assert made.claims["pong-v1/house/curious/gain"] == "not run"
    rows = made.tables["pong-v1/house"].rows
    assert [row[0] for row in rows] == ["baseline", "drift", "ours"]
    assert rows[1][-1].count("](../results/") == 4


def test_two_variants_are_set_against_each_other() -> None:
    """Neither of them the reference of the study."""
    made = attacks.two(given([PLAIN, AHEAD, ALIKE]), PLACE, "drift", "baseline")
    assert made.facts["pong-v1/house/drift - baseline/gain"] == "+11.0 (+8.5 to +13.5)"
    assert made.facts["pong-v1/house/drift - baseline/paired"] == "3"
    assert made.claims == {"pong-v1/house/drift - baseline/gain": "above"}
    absent = attacks.two(given([PLAIN, AHEAD]), PLACE, "curious", "baseline")
    assert absent.claims == {"pong-v1/house/curious - baseline/gain": "not run"}


def test_what_is_won_from_every_victim_is_told() -> None:
    """Of one game and tier, by victim and attack."""
    lite: Any = {"tier": "lite", "budget_steps": TIER_STEPS["pong-v1"]["lite"]}
    records = [
        trained(100, 0, 40, **lite), trained(140, 1, 40, **lite),
        trained(20, 0, 40, victim="b", **lite), trained(180, 0, 40, tier="full"),
        trained(180, 0, 40, tier="lite", budget_steps=TIER_STEPS["pong-v1"]["lite"] + 1),
    ]  # fmt: skip
    facts = attacks.won(given(records=records), "pong-v1", "lite").facts
    assert facts["won/pong-v1/house/ours"] == "60.0 (50.0 to 70.0)"
    assert facts["won/pong-v1/b/ours"] == "10.0 (1 seed)"
    assert facts["won/pong-v1/b/ours/replay"] == "-"


def test_variants_of_ours_stand_beside_the_usual_one_too() -> None:
    """By names of their own, so that a row of another study is not taken for them."""
    rows = [
        Row("baseline", [trained(100, seed, 50) for seed in (0, 1)]),
        Row("ours", [trained(50, 0, 30), trained(60, 1, 20)]),
        Row("ours paid by change", [trained(120, 0, 55), trained(90, 1, 65)]),
    ]
    made = attacks.varied(given(rows), "paid", PLACE, "baseline")
    key = "paid/house/ours paid by change"
    assert made.facts[f"{key}/gain"].startswith("+10.0 ")
    assert made.facts[f"{key} - ours/gain"].startswith("+35.0 ")
    assert made.facts[f"{key} - ours/end"].startswith("+25.0 ")
    assert made.claims[f"{key} - ours/end each seed"] == "all above"
    assert made.claims["paid/house/ours/each seed"] == "all below"
    assert len(made.tables["paid/house"].rows) == 3
    alone = attacks.varied(given([rows[0], rows[2]]), "paid", PLACE, "baseline")
    assert not [name for name in alone.facts if name.endswith("- ours/gain")]
    assert attacks.varied(given(), "paid", PLACE, "baseline").tables["paid/house"].rows == []


def test_what_many_comparisons_leave_of_it_is_told() -> None:
    """drift's p is .003; of two comparisons it is still under .05. ours spreads more at the end."""
    made = attacks.study(given([PLAIN, AHEAD, ALIKE]), PLACE, "baseline")
    assert made.facts["pong-v1/house/drift/adjusted"] == "settled"
    assert made.facts["pong-v1/house/ours/adjusted"] == "open"
    assert made.claims["pong-v1/house/drift/each seed"] == "all above"
    assert made.claims["pong-v1/house/baseline/each seed"] == "not run"
    assert made.claims["pong-v1/house/ours/sd"] == "more than the reference"
    assert made.claims["pong-v1/house/drift/sd"] == "no more than the reference"


def test_what_the_first_seeds_said_is_told_where_more_came_after_them() -> None:
    """Three of each; the fourth and fifth, that make of it what it is, are no part of that."""
    plain = Row("baseline", [trained(100, s, 40, attack="baseline") for s in range(5)])
    gains = (3, 20, 1, 20, 20)
    later = Row("drift", [trained(100, s, 40 + gains[s], attack="drift") for s in range(5)])
    facts = attacks.study(given([plain, later, ALIKE]), PLACE, "baseline").facts
    assert facts["pong-v1/house/drift/gain"].startswith("+12.8 (")
    assert facts["pong-v1/house/drift/first seeds/gain"].startswith("+8.0 (")
    assert facts["pong-v1/house/drift/first seeds/p, adjusted"] == ".631"


def test_over_victims_every_comparison_is_counted() -> None:
    made = attacks.over_victims(given([PLAIN, AHEAD, ALIKE]), "pong-v1", "baseline")
    assert made.tables["pong-v1 - baseline"].columns == ["victim", "drift", "ours"]
    ((victim, drift, ours),) = made.tables["pong-v1 - baseline"].rows
    assert (victim, drift) == ("house", "+11.0 (+8.5 to +13.5) [3]")
    assert ours.endswith("[2]")
    assert made.facts["pong-v1 - baseline/comparisons"] == "2"
    assert made.facts["pong-v1 - baseline/settled"] == "1"
    assert made.facts["pong-v1/above/drift - baseline"] == "1"
    assert made.claims["pong-v1 - baseline"] == "settled in part"
    alone = attacks.over_victims(given([PLAIN, ALIKE]), "pong-v1", "baseline")
    assert alone.claims["pong-v1 - baseline"] == "open throughout"


def test_a_setting_of_the_reference_is_no_attack_that_is_compared() -> None:
    """What is left out stands in no table, and in no count of comparisons."""
    made = attacks.over_victims(given([PLAIN, AHEAD, ALIKE]), "pong-v1", "baseline", ["drift"])
    assert made.tables["pong-v1 - baseline"].columns == ["victim", "ours"]
    assert made.facts["pong-v1 - baseline/comparisons"] == "1"
    assert made.claims["pong-v1 - baseline"] == "open throughout"
    assert "pong-v1/house/drift - baseline" not in made.facts


def test_how_matches_are_won_is_a_claim_where_it_is_one_way_for_all() -> None:
    def row(label: str, **ways: int) -> Row:
        half = Tally(wins=50, breakdown={f"win:{way}": count for way, count in ways.items()})
        record = trained(100, 0, 40, attack=label)
        (own,) = record.of_role("attack")
        matches = [own.model_copy(update={"even": half, "odd": half})]
        return Row(label, [record.model_copy(update={"matches": matches})])

    def told(*rows: Row) -> Findings:
        return attacks.ways(given(list(rows)), PLACE)

    slow, slower = row("a", slow_ball=40, point=10), row("b", slow_ball=50)
    made = told(slow, slower, TO_COME)
    assert made.claims == {"ways/pong-v1/house": "mostly slow ball"}
    assert made.facts == {"ways/pong-v1/house/least": "80", "ways/pong-v1/house/most": "100"}
    assert told(slow, row("c", point=50)).claims["ways/pong-v1/house"] == "several"
    assert told(slow, row("c", slow_ball=20, point=15, fall=15)).claims == {
        "ways/pong-v1/house": "several"
    }
    assert told(TO_COME).claims["ways/pong-v1/house"] == "not run"


def test_settings_of_the_baseline_are_told_apart() -> None:
    def cell(seed: int, weight: float) -> Record:
        made = trained(100, seed, 40, attack="baseline")
        config = {"preset": "published", "value_weight": weight}
        method = made.cell.attack.model_copy(update={"config": config})
        return made.model_copy(update={"cell": made.cell.model_copy(update={"attack": method})})

    records = [cell(0, 0.5), cell(1, 0.5), cell(2, 0.25)]
    made = attacks.settings(given(records=records), PLACE)
    assert [row[:3] for row in made.tables["settings"].rows] == [
        ["published", "0.25", "1 x 1 k"],
        ["published", "0.5", "2 x 1 k"],
    ]
    assert made.facts["setting/published/0.25/1 k/wins"] == "50.0 (1 seed)"


def test_one_quick_training_of_the_published_setting_ends_the_claim() -> None:
    """By what it won between 1.5 and 2 M steps."""

    def cell(seed: int, preset: str, won: int) -> Record:
        made = trained(100, seed, 40, attack="baseline", budget_steps=2_000_000)
        config = {"preset": preset, "value_weight": 0.5}
        method = made.cell.attack.model_copy(update={"config": config})
        curve = [CurvePoint(steps=1_750_000, tally=tally(won, 200))]
        cell = made.cell.model_copy(update={"attack": method})
        return made.model_copy(update={"cell": cell, "curves": {"attack": curve}})

    def told(*records: Record) -> str:
        return attacks.settings(given(records=records), PLACE).claims["settings/published"]

    tuned, late = [cell(0, "tuned", 50), cell(1, "tuned", 60)], cell(0, "published", 20)
    assert told(*tuned, late) == "slower throughout"
    assert told(*tuned, late, cell(1, "published", 55)) == "not slower throughout"
    assert told(*tuned) == "not run"


def test_a_variant_stands_beside_the_victim_that_it_is_of() -> None:
    """And not beside other victims, other attacks or other budgets."""
    made = attacks.broken(
        given(
            records=[
                trained(190, 0, 40, victim="may1-axis-bug", victim_ranked=False),
                trained(100, 0, 40, victim="may1"),
                trained(110, 1, 40, victim="may1", budget_steps=2000),
                trained(120, 2, 40, victim="may1", attack="other"),
                trained(130, 3, 40, victim="house"),
            ]
        ),
        "pong-v1",
    )
    told = {row[0]: row[3] for row in made.tables["broken"].rows}
    assert told == {"may1": "50.0 (1 seed)", "may1-axis-bug": "95.0 (1 seed)"}
    assert made.tables["broken"].columns[4:] == [
        "won by regular opponents", "won by random", "won by zero", "records",
    ]  # fmt: skip
    assert made.facts["broken/may1/regular opponents"] == "50.0"
    assert made.facts["broken/may1/random"] == "2.0"
    assert made.facts["broken/may1/zero"] == "1.0"
    assert attacks.broken(given(), "pong-v1").tables["broken"].rows == []


def test_the_broken_victim_is_compared_over_opponents_that_both_met() -> None:
    """The strong one that only one of the two met would make the other look stronger."""
    whole, variant = "may1", "may1-axis-bug"
    alone = match("regular", 180, adversary="strong", victim=variant)
    both = attacked(190, victim=variant, victim_ranked=False)
    made = attacks.broken(
        given(
            records=[
                both.model_copy(update={"matches": [*both.matches, alone]}),
                attacked(100, victim=whole),
            ]
        ),
        "pong-v1",
    )
    for name in (whole, variant):
        assert made.facts[f"broken/{name}/regular opponents"] == "50.0"
        assert made.facts[f"broken/{name}/opponents"] == "1"


def test_a_place_without_the_reference_is_left_out() -> None:
    made = attacks.over_victims(given([AHEAD], place=Place("pong-v1", "x")), "pong-v1", "baseline")
    assert made.tables["pong-v1 - baseline"].rows == []
    assert made.facts["pong-v1/victims"] == "0"
