"""Findings about adversaries elsewhere, from hand-made records."""

from __future__ import annotations

import pytest

from benchmark.arena.tally import Tally
from benchmark.leaderboard.findings import conditions
from benchmark.leaderboard.study import Row
from benchmark.records.record import MatchSet, Record
from tests.factories import match
from tests.leaderboard.findings.conftest import PLACE, given, trained


def replayed(seed: int, here: int, there: int) -> Record:
    """A record whose adversary wins `here` of 200 matches, and `there` in the other physics."""
    made = trained(here, seed, 40)
    again = match("replay", there, adversary=f"ours (seed {seed})")
    return made.model_copy(update={"matches": [*made.matches, again]})


def lying(played: MatchSet) -> MatchSet:
    """The same matches, all of whose wins were had lying down."""
    halves = {
        half: Tally(wins=t.wins, losses=t.losses, breakdown={
            conditions.LYING: t.wins, "loss:goal": t.losses})
        for half, t in (("even", played.even), ("odd", played.odd))
    }  # fmt: skip
    return played.model_copy(update=halves)


@pytest.mark.parametrize(
    ("there", "change", "beyond"),
    [((160, 162, 158), "below", "below"), ((188, 190, 186), "below", "open"),
     ((200, 180, 199), "open", "open")],
)  # fmt: skip
def test_losing_more_than_regular_players_is_told_apart(
    there: tuple[int, ...], change: str, beyond: str
) -> None:
    """Those lose 5 points, with a standard error of 2."""
    row = Row("ours", [replayed(seed, 200, there[seed]) for seed in range(3)])
    made = conditions.replay(given([row]), PLACE)
    assert made.claims["replay/ours"] == change
    assert made.claims["replay/ours beyond regular play"] == beyond
    small = float(made.facts["replay/ours/excess, p adjusted"].replace("<", "")) < 0.05
    assert small == (beyond == "below")


def test_with_more_rows_an_excess_is_less_sure() -> None:
    rows = [Row(name, [replayed(s, 200, (190, 176, 150)[s]) for s in range(3)]) for name in "ab"]
    one, two = (conditions.replay(given(rows[:n]), PLACE).facts for n in (1, 2))
    name = "replay/a/excess, p adjusted"
    assert float(two[name]) == pytest.approx(2 * float(one[name]), abs=0.0011)
    assert (one["replay/comparisons"], two["replay/comparisons"]) == ("1", "2")


def test_the_change_is_of_the_same_policies() -> None:
    """One without a replay is not counted; how wins were had is told of each physics."""
    cells = [replayed(0, 180, 160), replayed(1, 180, 140), trained(10, 2, 40)]
    cells[:2] = [r.model_copy(update={"matches": [lying(m) for m in r.matches]}) for r in cells[:2]]
    made = conditions.replay(given([Row("ours", cells)]), PLACE)
    assert made.facts["replay/ours/change"].startswith("-15.0 (")
    assert (made.facts["replay/ours/seeds"], made.facts["replay/ours/lying"]) == ("2", "100 %")
    assert [row[0] for row in made.tables["replay"].rows] == ["ours", "*regular: rival*"]
    assert made.facts["replay/rival/won"] == "50.0"


def test_transfer_is_held_against_regular_opponents() -> None:
    """They win half; a single training that wins more does not make the mean."""
    ones = [trained(190, s, 40, victim="a", others=["b"], tier="full") for s in (0, 1)]
    ones[0] = ones[0].model_copy(
        update={"matches": [*ones[0].matches[:-1], match("transfer", 120, victim="b")]}
    )
    ones[1] = ones[1].model_copy(
        update={"matches": [*ones[1].matches[:-1], match("transfer", 20, victim="b")]}
    )
    others = [trained(180, 0, 40, victim="b", tier="full")]
    made = conditions.transfer(given(records=[*ones, *others]), "pong-v1", "full")
    assert made.facts["transfer/a/b"] == "35 (10 to 60)"
    assert (made.facts["transfer/ahead"], made.facts["transfer/meetings"]) == ("1", "2")
    assert (made.facts["transfer/better"], made.facts["transfer/pairs"]) == ("0", "1")
    assert made.claims["transfer"] == "none beats the regular opponents"
    assert made.facts["transfer/exceptions"] == "none"
    assert made.facts["transfer/regulars"] == "1 for `a` and `b`"
    table = made.tables["transfer"]
    assert table.columns == ["trained on", "trainings", "a", "b"]
    assert table.rows[-3:-1] == [
        ["*regular opponents*", "-", "50", "50"],
        ["*the strongest of them*", "-", "50 rival", "50 rival"],
    ]
    assert made.facts["transfer/beyond the strongest"] == "0"


def test_a_cell_of_fewer_trainings_than_its_row_says_how_many() -> None:
    ones = [trained(190, 0, 40, victim="a", others=["b"], tier="full"),
            trained(190, 1, 40, victim="a", tier="full")]  # fmt: skip
    made = conditions.transfer(given(records=ones), "pong-v1", "full")
    (row,) = [row for row in made.tables["transfer"].rows if row[0] == "a"]
    assert row[1] == "2"
    assert row[2].startswith("95 (")
    assert row[3].endswith("[1]")


def test_one_pairing_ahead_changes_the_claim() -> None:
    records = [
        trained(190, 0, 40, victim="a", others=["b"], tier="full"),
        trained(180, 0, 40, victim="b", tier="full"),
    ]
    ahead = match("transfer", 150, victim="b")
    records[0] = records[0].model_copy(update={"matches": [*records[0].matches[:-1], ahead]})
    made = conditions.transfer(given(records=records), "pong-v1", "full")
    assert made.claims["transfer"] == "some do"
    assert made.facts["transfer/exceptions"] == "those of `a` on `b`"
    assert made.facts["transfer/beyond the strongest"] == "1"
    assert made.facts["transfer/a/b/by"] == "point, 100 %"
