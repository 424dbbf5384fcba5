"""Automatic flags are found in the counts, whatever a record says of itself."""

from __future__ import annotations

import pytest

from benchmark.arena.tally import Tally
from benchmark.leaderboard.flags import fewer_met, flags, fresh_fell_short, same_policy
from benchmark.leaderboard.table import to_markdown
from benchmark.leaderboard.tables import tables
from benchmark.learning.progress import CurvePoint
from benchmark.records.flags import of_counts
from benchmark.records.record import Record
from tests.factories import attacked, defended, make_record, match, tally


def tied(ties: int, role: str = "attack") -> Record:
    """Half of 200 matches won or tied."""
    half = tally(100 - ties // 2, 100, ties // 2)
    played = match(role, 0).model_copy(update={"even": half, "odd": half})
    return make_record([played])


def joined(one: Record, other: Record) -> Record:
    """With the matches of both."""
    return one.model_copy(update={"matches": [*one.matches, *other.matches]})


def changed(record: Record) -> Record:
    """Its fresh adversary was trained with changes that no commit has."""
    made = {"fresh": {"dirty": True}, "hardening": {"dirty": False}, "attack": {"dirty": None}}
    return record.model_copy(update={"provenance": made})


def voided(record: Record) -> Record:
    """Two matches void and a training with one."""
    half = Tally(wins=60, losses=39, voids=1, breakdown={})
    played = record.matches[0].model_copy(update={"even": half, "odd": half})
    curve = [CurvePoint(steps=1000, tally=Tally(voids=1))]
    return record.model_copy(
        update={"matches": [played, *record.matches[1:]], "curves": {"attack": curve}}
    )


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (attacked(50), []),
        (
            attacked(50).model_copy(update={"retries": {"attack": 1, "fresh": 2}}),
            ["retries after infrastructure failures: 3"],
        ),
        (tied(100), []),
        (tied(102), ["ties above 50 %"]),
        (tied(100, "fresh"), []),
        (tied(102, "fresh"), ["ties above 50 % (fresh)"]),
        (tied(102, "regular"), []),  # of an undefended victim: how the game goes
        (joined(tied(102, "regular"), tied(0, "fresh")), ["ties above 50 % (regular)"]),
        (tied(102, "floor"), []),
        (changed(defended(1, 1, 1)), ["trained with code that its commit does not have: fresh"]),
        (attacked(5), ["no better than random"]),  # the floor wins 4
        (attacked(5, track="none"), []),
        (defended(1, 1, 1), []),
        (voided(attacked(50)), ["void matches in training: 1", "void matches: 2"]),
        (attacked(50).model_copy(update={"steps": {"attack": 1001}}), ["budget overrun"]),
        (attacked(5).model_copy(update={"flags": ["NaN seen"]}),
         ["NaN seen", "no better than random"]),
    ],
)  # fmt: skip
def test_flags(record: Record, expected: list[str]) -> None:
    assert flags(record) == expected


def begun(wins: int, steps: int) -> Record:
    """An attack whose first 100 training matches, played in so many steps of 1000, are known."""
    curve = [CurvePoint(steps=steps, tally=tally(wins, 100))]
    return attacked(50).model_copy(update={"curves": {"attack": curve}})


def _alone(record: Record) -> Record:
    """The record without its floors."""
    return record.model_copy(update={"matches": record.of_role("attack")})


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (begun(50, 50), ["head start"]),
        (begun(50, 51), []),  # by then it may have learnt
        (begun(25, 50), []),  # the floor wins 2 of 100; by chance
        (begun(0, 50), []),
        (_alone(begun(50, 50)), []),  # without floors nothing is known of it
        (defended(1, 1, 1).model_copy(update={"curves": begun(50, 50).curves}), []),
    ],
)
def test_who_wins_at_once_knew_it_before(record: Record, expected: list[str]) -> None:
    assert flags(record) == expected


@pytest.mark.parametrize("record", [attacked(5), tied(150), voided(attacked(50))])
def test_a_run_and_the_board_say_the_same(record: Record) -> None:
    """In the same words, so that a flag that both find stands once."""
    trained = [point.tally for curve in record.curves.values() for point in curve]
    said = of_counts(record.matches, trained, learned=True)
    assert sorted(said) == flags(record)
    assert flags(record.model_copy(update={"flags": said})) == flags(record)


def test_a_silent_record_is_flagged_on_the_page() -> None:
    assert "ours on house: no better than random" in to_markdown(tables([attacked(5)]))


def test_who_met_fewer_victims_than_others_did_is_flagged() -> None:
    """Transfer is a mean over those that were at hand."""
    few, many = attacked(50, others=["b"]), attacked(50, attack="x", others=["b", "c"])
    assert fewer_met([few, many]) == ["ours on house: met 2 of 3 other victims"]
    assert fewer_met([few]) == []


def test_a_fresh_attack_that_falls_short_of_the_stored_one_is_flagged() -> None:
    """Where chance does not explain it, and the other way round never."""
    assert fresh_fell_short([defended(60, 0, 10)]) == [
        "fresh adversaries win 5.0, the stored ones at hand 30.0: the fresh attack fell short"
    ]
    assert fresh_fell_short([defended(12, 0, 10)]) == []
    assert fresh_fell_short([defended(10, 0, 60)]) == []


def test_seeds_that_gave_one_policy_are_told() -> None:
    """Below the table of attacks, though no record can know it by itself."""
    one, other = attacked(50), attacked(60, seed=1)
    assert same_policy([one, other]) == []
    twin = other.model_copy(update={"matches": one.matches})
    assert same_policy([twin, one]) == ["seeds 0 and 1 gave the same policy"]
    shown = to_markdown(tables([one, twin]))
    assert "ours on house: seeds 0 and 1 gave the same policy" in shown
