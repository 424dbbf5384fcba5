"""Tables of defended victims: every number follows from its records."""

from __future__ import annotations

import re
from typing import Any

import pytest

from benchmark.evaluation.detection import Detection
from benchmark.leaderboard.judged import exploit_text
from benchmark.leaderboard.scoring import defense_parts, exploit_ratio
from benchmark.leaderboard.table import Table, rate_text
from benchmark.leaderboard.tables import tables
from benchmark.learning.progress import CurvePoint
from benchmark.records.record import DetectionSet, Record, StateSplit
from tests.factories import attacked, defended, make_record, match, method, player, tally


def titled(made: list[Table], start: str) -> Table:
    """The one table whose title starts so."""
    (found,) = [table for table in made if table.title.startswith(start)]
    return found


def cells(table: Table, first: str) -> dict[str, str]:
    """The one row that starts so, by column."""
    (row,) = [row for row in table.rows if row[0] == first]
    return dict(zip(table.columns, row, strict=True))


def curve(*wins: int) -> list[CurvePoint]:
    """Wins of 200 matches, every 1000 steps."""
    return [CurvePoint(steps=1000 * (k + 1), tally=tally(won, 200)) for k, won in enumerate(wins)]


def with_curves(record: Record, **curves: list[CurvePoint]) -> Record:
    """A record with other curves."""
    return record.model_copy(update={"curves": {**record.curves, **curves}})


def test_the_undefended_victim_is_a_row() -> None:
    """Of the same attack, victim and budget; others' are not."""
    records = [attacked(150), attacked(10, attack="baseline"), defended(40, 20, 60)]
    table = titled(tables(records), "Defenses")
    assert [row[0] for row in table.rows] == ["none", "retrain"]
    row = cells(table, "none")
    assert (row["attack"], row["stored"], row["clean"]) == ("ours", "0.25", "1.00")
    assert (row["held"], row["fresh"], row["score (95 %)"]) == ("-", "-", "25.0 (1 seed)")


def test_a_failed_hardening_scores_nothing() -> None:
    good = defended(40, 20, 60)
    bad = make_record([], defense="retrain", seed=1).model_copy(update={"failure": "nan"})
    assert defense_parts(bad) == (0.0, None, None, None, None)
    row = cells(titled(tables([good, bad]), "Defenses"), "retrain")
    assert row["score (95 %)"].startswith("35.0")  # the mean of 70 and 0
    assert row["fresh"] == "0.70"
    assert row["runs"] == "2 x 1 k"


@pytest.mark.parametrize(
    ("first", "fresh", "ratio", "text"),
    [
        (curve(20, 120), curve(20, 30, 40, 110), 2.0, "2.00"),
        (curve(120), curve(20, 30), float("inf"), "never"),
        (curve(20), curve(120), None, "-"),
    ],
)
def test_steps_to_exploit(first: Any, fresh: Any, ratio: float | None, text: str) -> None:
    """How much longer the fresh attack takes to win half; nothing where the first never did."""
    record = with_curves(defended(1, 1, 1), attack=first, fresh=fresh)
    assert exploit_ratio(record) == ratio
    assert exploit_text([record]) == text


def test_a_fresh_attack_that_was_not_trained_has_no_ratio() -> None:
    record = with_curves(defended(1, 1, 1), attack=curve(120))
    curves = {name: points for name, points in record.curves.items() if name != "fresh"}
    assert exploit_ratio(record.model_copy(update={"curves": curves})) is None


def test_a_defense_that_changes_nothing_keeps_clean_play() -> None:
    """The same weights under another name: before and after are told apart all the same."""
    record = defended(40, 20, 60)
    same = [
        m.model_copy(update={"victim": player(m.victim.name, "sha of house")})
        for m in record.matches
    ]
    record = record.model_copy(update={"matches": same})
    assert defense_parts(record).clean == 1.0
    one_side = [m for m in same if m.role != "regular" or m.victim.name == "house"]
    with pytest.raises(ValueError, match="before or after"):
        defense_parts(record.model_copy(update={"matches": one_side}))


def test_a_seed_without_a_ratio_is_told() -> None:
    quick = with_curves(defended(1, 1, 1), attack=curve(120), fresh=curve(20, 120))
    none = with_curves(defended(1, 1, 1, seed=1), attack=curve(20), fresh=curve(120))
    never = with_curves(defended(1, 1, 1, seed=2), attack=curve(120), fresh=curve(20))
    assert exploit_text([quick, none]) == "2.00 (1 of 2)"
    assert exploit_text([quick, never]) == "never"
    assert exploit_text([quick, quick, never]) == "2.00"


def test_others_who_met_the_defended_victim() -> None:
    record = defended(40, 20, 60)
    more = [
        match("floor", 10, adversary="random", victim="house+retrain"),
        match("floor", 4, adversary="zero", victim="house+retrain"),
        match("foreign", 100, adversary="ours (seed 0)", victim="house+retrain"),
    ]
    record = record.model_copy(update={"matches": [*record.matches, *more]})
    row = cells(titled(tables([record]), "Who else"), "retrain")
    assert row["random wins"].startswith("5.0 (")
    assert row["zero wins"].startswith("2.0 (")
    assert row["regular opponents win"].startswith("50.0 (")
    assert row["other victims' adversaries win"].startswith("50.0 (")


def test_transfer_over_defended_victims() -> None:
    """The fresh adversary's, by the defended victim that it was trained on."""
    records = []
    for here, there in (("a", "b"), ("b", "a")):
        one = defended(40, 20, 60, victim=here)
        matches = [
            m.model_copy(update={"victim": player(f"{here}+retrain")}) if m.role == "fresh" else m
            for m in one.matches
        ]
        moved = match("transfer", 30, adversary="ours (fresh)", victim=f"{there}+retrain")
        records.append(one.model_copy(update={"matches": [*matches, moved]}))
    table = titled(tables(records), "Transfer of ours over retrain")
    assert table.columns == ["trained on", "a+retrain", "b+retrain"]
    assert cells(table, "a+retrain")["a+retrain"].startswith("30 (")
    assert cells(table, "a+retrain")["b+retrain"].startswith("15 (")


def detected(seed: int, stored: int, held_out: int) -> Record:
    """A detector's record; the numbers are twice U of 10 x 10 matches."""

    def found(role: Any, twice_u: int) -> DetectionSet:
        counts = Detection(adversarial=10, regular=10, twice_u=twice_u, false_alarms=seed)
        return DetectionSet(
            role=role, adversary=player("ours"), victim=player("house"), counts=counts
        )

    record = make_record([], seed=seed, episodes=10)
    cell = record.cell.model_copy(update={"defense": method("density")})
    both = [found("stored", stored), found("held-out", held_out)]
    return record.model_copy(update={"cell": cell, "id": cell.id, "detections": both})


def test_of_several_held_out_adversaries_the_one_told_worst_counts() -> None:
    """And one seed keeps the interval of its own counts."""
    one = detected(0, 200, 160)
    more = one.detections[1].model_copy(
        update={"counts": Detection(adversarial=10, regular=10, twice_u=100, false_alarms=9)}
    )
    record = one.model_copy(update={"detections": [*one.detections, more]})
    row = cells(titled(tables([record]), "Detection"), "density")
    assert row["held-out (95 %)"].startswith("0.50 (")
    low, high = (float(x) for x in row["held-out (95 %)"].split("(")[1][:-1].split("-"))
    assert low < 0.4 < 0.6 < high
    assert row["alarms "] == "90.0"
    assert row["stranger (95 %)"] == "-"


def test_of_several_strangers_the_one_that_is_taken_most_counts() -> None:
    """The other choice would flatter the detector."""
    one = detected(0, 200, 160)
    strangers = [
        DetectionSet(
            role="regular", adversary=player(name), victim=player("house"),
            counts=Detection(adversarial=10, regular=10, twice_u=twice_u, false_alarms=1),
        )
        for name, twice_u in (("x", 60), ("y", 140))
    ]  # fmt: skip
    record = one.model_copy(update={"detections": [*one.detections, *strangers]})
    row = cells(titled(tables([record]), "Detection"), "density")
    assert row["stranger (95 %)"].startswith("0.70 (")


def test_detection() -> None:
    made = tables([detected(0, 200, 100), detected(1, 180, 120)])
    assert not [table for table in made if table.title.startswith("Defenses")]
    row = cells(titled(made, "Detection"), "density")
    assert row["stored (95 %)"] == "0.95 (0.90-1.00)"
    assert row["held-out (95 %)"] == "0.55 (0.50-0.60)"
    assert row["alarms"] == "5.0"  # 1 of 20
    assert row["runs"] == "2 x 1 k"


def test_of_one_seed_the_interval_is_over_matches() -> None:
    row = cells(titled(tables([detected(0, 150, 100)]), "Detection"), "density")
    low, high = (float(x) for x in row["stored (95 %)"].split("(")[1][:-1].split("-"))
    assert low < 0.75 < high


def test_the_masked_victim_stands_beside_the_seeing_one() -> None:
    record = attacked(150)
    blind = [
        match("masked", 20, adversary="ours (seed 0)"),
        match("masked", 60, adversary="rival"),
    ]
    record = record.model_copy(update={"matches": [*record.matches, *blind]})
    row = cells(titled(tables([record]), "Diagnosis 'masked'"), "none")
    found = [text.split(" ")[0] for text in list(row.values())[3:]]
    assert found == ["75.0", "10.0", "50.0", "30.0"]


def test_the_same_two_in_the_masked_table_are_counted_once() -> None:
    """A regular opponent meets the same victim in the same matches in every seed's record."""
    records = []
    for seed in (0, 1):
        made = attacked(150, seed=seed)
        blind = [match("masked", 20, adversary=f"ours (seed {seed})"),
                 match("masked", 60, adversary="rival")]  # fmt: skip
        records.append(made.model_copy(update={"matches": [*made.matches, *blind]}))
    row = list(cells(titled(tables(records), "Diagnosis 'masked'"), "none").values())[3:]
    once = [rate_text(tally(wins, 200)) for wins in (100, 60)]
    assert row[:2] == [rate_text(tally(wins, 400)) for wins in (300, 40)]
    assert row[2:4] == once


def test_the_split_before_and_after() -> None:
    record = defended(40, 20, 60)
    splits = [
        StateSplit(adversary=player("ours"), victim=player(name), apart=apart, floor=0.001)
        for name, apart in (("house", 0.25), ("house+retrain", 0.125))
    ]
    record = record.model_copy(update={"splits": splits})
    row = cells(titled(tables([record]), "Diagnosis 'split'"), "retrain")
    assert list(row.values())[3:] == ["0.250", "0.001", "0.125", "0.001"]


def test_clean_play_is_also_told_without_its_cap() -> None:
    """A victim that gained by more training: C is 1, the ratio is not."""
    row = cells(titled(tables([defended(40, 20, 60, clean=(150, 100))]), "Defenses"), "retrain")
    assert row["clean"] == "1.00"
    ratio, low, high = (float(x) for x in re.findall(r"[\d.]+", row["after / before (95 %)"]))
    assert ratio == pytest.approx(2.0, abs=0.02)  # 100 of 200 held after 50
    assert 1.4 < low < 1.6 < 2.5 < high < 2.8


def test_a_row_has_the_lowest_level_of_its_records() -> None:
    records = [defended(40, 20, 60), defended(40, 20, 60, seed=1)]
    records[1] = records[1].model_copy(update={"level": 2})
    assert cells(titled(tables(records), "Defenses"), "retrain")["level"] == "0"


def test_each_diagnosis_has_a_vote_of_its_own() -> None:
    """Two records of one training, looked into in two ways: both are told."""
    blind = match("masked", 20, adversary="ours (seed 0)")
    masked = attacked(150, diagnoses=["masked"])
    masked = masked.model_copy(update={"matches": [*masked.matches, blind]})
    apart = StateSplit(adversary=player("ours"), victim=player("house"), apart=0.5, floor=0.0)
    split = attacked(150, diagnoses=["split"]).model_copy(update={"splits": [apart]})
    made = tables([masked, split])
    assert len(titled(made, "Diagnosis 'masked'").rows) == 1
    assert len(titled(made, "Diagnosis 'split'").rows) == 1
    assert len(titled(made, "Attacks").rows) == 1


def test_transfer_over_defended_victims_links_its_records() -> None:
    """By the defended victim that the fresh adversary was trained on, whatever it is called."""
    one = defended(40, 20, 60)
    moved = match("transfer", 30, adversary="ours (fresh)", victim="b+retrain")
    one = one.model_copy(update={"matches": [*one.matches, moved]})
    table = titled(tables([one], {one.id: "x.json"}), "Transfer of ours over retrain")
    assert cells(table, "house+retrain")["records"] == "[0](x.json)"


def test_how_many_judged_a_row_is_told() -> None:
    """Fewer adversaries are easier to hold, so rows of other numbers do not compare."""
    alone, judged = defended(10, 20, 30), defended(10, 20, 30, seed=1)
    more = match("held-out", 40, victim="house+retrain", adversary="other (seed 1000)")
    judged = judged.model_copy(update={"matches": [*judged.matches, more]})

    def judges(*records: Record) -> str:
        table = titled(tables(list(records)), "Defenses on")
        return dict(zip(table.columns, table.rows[-1], strict=True))["judges"]

    assert (judges(alone), judges(judged), judges(alone, judged)) == ("3", "4", "3-4")
