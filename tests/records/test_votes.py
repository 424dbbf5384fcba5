"""One vote a cell, given to the record that says most."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmark.evaluation.protocol import EPISODES
from benchmark.records.record import Record
from benchmark.records.votes import latest, one_vote
from tests.factories import attacked, defended


def ids(records: list[Record]) -> list[str]:
    return [record.id for record in records]


def test_the_longest_played_has_the_vote_then_the_one_in_most_company() -> None:
    short, long = attacked(5, episodes=10, others=["b", "c"]), attacked(10, episodes=20)
    assert ids(one_vote([short, long])) == [long.id]
    alone, accompanied = attacked(50), attacked(50, others=["b"])
    assert ids(one_vote([alone, accompanied])) == [accompanied.id]


def test_who_plays_on_has_no_vote_for_it() -> None:
    """Else an author could stop where it looks best, or replace a rival by one more match."""
    asked, more = attacked(50, episodes=EPISODES["smoke"]), attacked(1, episodes=1001)
    assert asked.cell.tier == "smoke"
    assert ids(one_vote([more, asked])) == [asked.id]


def test_nobody_s_own_word_stands_in_for_what_was_verified() -> None:
    """Whoever meets one victim more, or plays longer, does not replace a rival's record."""
    verified = attacked(50).model_copy(update={"level": 2})
    longer, accompanied = attacked(10, episodes=1000), attacked(10, others=["b"])
    assert ids(one_vote([longer, accompanied, verified])) == [verified.id]


def test_another_seed_or_victim_has_a_vote_of_its_own() -> None:
    records = [attacked(50), attacked(50, seed=1), attacked(50, victim="b")]
    assert set(ids(one_vote(records))) == set(ids(records))


def test_a_victim_under_a_second_name_has_one_vote() -> None:
    own, again = attacked(50), attacked(90, victim="house ")
    victim = again.cell.victim.model_copy(update={"sha256": own.cell.victim.sha256})
    cell = again.cell.model_copy(update={"victim": victim})
    assert len(one_vote([own, again.model_copy(update={"cell": cell, "id": cell.id})])) == 1


CELLS = [
    attacked(50), attacked(60, others=["b"]), attacked(70, others=["c"]),
    attacked(80, others=["b", "c"]), attacked(300, episodes=1000), attacked(50, seed=1),
]  # fmt: skip


@given(st.permutations(CELLS))
def test_the_order_of_records_decides_nothing(records: list[Record]) -> None:
    assert ids(one_vote(records)) == ids(one_vote(CELLS))


def versioned(record: Record, version: int, part: str = "attack") -> Record:
    """The same of another version of its attack or defense."""
    changed = getattr(record.cell, part).model_copy(update={"version": version})
    cell = record.cell.model_copy(update={part: changed})
    return record.model_copy(update={"cell": cell, "id": cell.id})


def test_of_a_method_only_the_latest_version_counts() -> None:
    """An attack's, wherever it was at work; one that has no other stays, whatever its number."""
    old, new = attacked(50), versioned(attacked(60, seed=1), 3)
    others = [versioned(attacked(70, attack="baseline"), 2)]
    assert ids(latest([old, new, *others])) == ids([new, *others])
    assert latest([defended(1, 2, 3), new]) == [new]


def test_a_defense_of_an_earlier_version_does_not_count() -> None:
    old, new = defended(1, 2, 3), versioned(defended(4, 5, 6, seed=1), 2, "defense")
    assert ids(latest([old, new])) == [new.id]
