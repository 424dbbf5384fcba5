"""Findings about defenses, from hand-made records."""

from __future__ import annotations

from benchmark.evaluation.detection import Detection
from benchmark.leaderboard.findings import defenses
from benchmark.leaderboard.study import Row
from benchmark.records.record import DetectionSet, Record
from tests.factories import attacked, defended, make_record, match, method, player
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


def made_of(record: Record, weights: str) -> Record:
    """The same, of a hardening that made these weights."""
    return record.model_copy(update={"artifacts": {"hardening": weights}})


def mixed(share: float, fresh: int) -> Record:
    """A victim that met the adversary in this share of its episodes."""
    record = defended(20, 20, fresh, defense="mixed")
    cell = record.cell.model_copy(update={"defense": method("mixed", p=share)})
    return record.model_copy(update={"cell": cell})


def test_one_hardening_under_two_names_is_counted_once_and_a_control_not_at_all() -> None:
    """p = 1 of mixing is retraining; p = 0 never met the adversary."""
    twice = [
        made_of(defended(20, 20, 190), "w"),
        made_of(mixed(1.0, 190), "w"),
    ]
    other = made_of(defended(20, 20, 150, seed=1), "v")
    control = made_of(mixed(0.0, 10), "u")
    made = defenses.hardened(given(records=[*twice, other, control]), "pong-v1", "smoke")
    assert made.facts["pong-v1/smoke/trainings"] == "2"
    assert made.facts["pong-v1/smoke/fresh"] == "0.15 (0.05 to 0.25)"
    assert made.claims["pong-v1/smoke/hardened"] == "all fall"
    assert len(made.tables["hardened/pong-v1/smoke"].rows) == 3


def test_who_is_outside_the_mixture_is_told_before_and_after() -> None:
    cells = [
        record.model_copy(
            update={"matches": [*record.matches, match("floor", won, adversary="zero")]}
        )
        for record, won in ((defended(20, 20, 190, seed=0), 6), (defended(20, 20, 190, seed=1), 20))
    ]
    made = defenses.hardened(given(records=[*cells, attacked(180)]), "pong-v1", "smoke")
    key = "pong-v1/smoke/house/ours/retrain"
    assert made.facts[f"{key}/zero before"] == "1.0"
    assert made.facts[f"{key}/zero after"] == "6.5 (3.0 to 10.0)"
    assert made.facts[f"{key}/random after"] == "-"
    assert made.facts[f"{key}/clean seeds"] == "1.00 (1.00 to 1.00)"


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


def test_shares_are_held_against_the_adversaries_that_all_of_them_met() -> None:
    """Of two judges the worse counts, so a share that met one more would look less robust."""
    harder = match("held-out", 150, victim="house+retrain", adversary="other (seed 0)")
    met_more = defended(90, 80, 90)
    met_more = met_more.model_copy(update={"matches": [*met_more.matches, harder]})
    rows = [Row("p = 0", [met_more]), Row("p = 1", [defended(90, 60, 90, defense="all-of-it")])]
    records = [record for row in rows for record in row.records]
    made = defenses.mixing(given(records=records, mixtures={PLACE: rows}))
    assert made.facts["mixing/house/p = 0/held-out"] == "0.60 (1 seed)"
    assert made.facts["mixing/house/p = 1/held-out"] == "0.70 (1 seed)"


def test_retraining_that_did_not_hold_is_told() -> None:
    cells = [defended(20, 20, 190), defended(120, 20, 190, seed=1)]
    held = defenses.hardened(given(records=cells[:1]), "pong-v1", "smoke")
    assert held.claims["pong-v1/smoke/retrain/stored"] == "holds"
    broken = defenses.hardened(given(records=cells), "pong-v1", "smoke")
    assert broken.claims["pong-v1/smoke/retrain/stored"] == "does not hold throughout"


def test_a_fresh_attack_that_fell_short_is_told() -> None:
    """It wins 20 of 200 matches, the stored adversary 100 of them."""
    key = "pong-v1/smoke/house/ours/retrain/search"
    short = defenses.hardened(given(records=[defended(100, 20, 20)]), "pong-v1", "smoke")
    assert short.claims[key] == "fell short"
    good = defenses.hardened(given(records=[defended(20, 20, 190)]), "pong-v1", "smoke")
    assert good.claims[key] == "as good as the stored"


def test_detectors_lie_on_a_side_of_chance_or_on_both() -> None:
    def watched(auroc: float, detector: str, attack: str) -> Record:
        made = make_record([], defense=detector, attack=attack)
        counts = Detection(
            adversarial=200, regular=200, twice_u=round(auroc * 80_000), false_alarms=20
        )
        found = DetectionSet(
            role="stored", adversary=player("ours"), victim=player("house"), counts=counts
        )
        return made.model_copy(update={"detections": [found]})

    records = [
        watched(0.9, "good", "ours"), watched(0.2, "bad", "ours"),
        watched(0.9, "torn", "ours"), watched(0.2, "torn", "baseline"),
    ]  # fmt: skip
    made = defenses.detection(given(records=records))
    claims = {name.split("/")[2]: text for name, text in made.claims.items()}
    assert claims == {
        "good": "above chance", "bad": "below chance", "torn": "on both sides of chance",
    }  # fmt: skip
    assert made.facts["detection/pong-v1/good/ours/house/stored"].startswith("0.90 (")
    assert made.facts["detection/pong-v1/torn/house/stored seeds"] == "0.20 to 0.90"
    assert len(made.tables["detection"].rows) == 4
    assert defenses.detection(given()).tables["detection"].rows == []
