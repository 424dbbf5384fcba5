"""Findings about slow balls, from hand-made records."""

from __future__ import annotations

import pytest

from benchmark.arena.tally import Tally
from benchmark.errors import CheckFailed
from benchmark.leaderboard.findings import rules
from benchmark.records.record import MatchSet, Record
from tests.factories import match
from tests.leaderboard.findings.conftest import given, trained

FULL = ("pong-v1", "full")
"""Game and tier."""


def ended(played: MatchSet, slow: int, tied: int = 0) -> MatchSet:
    """The same wins of each half, so many of them by slow balls; so many of its losses tied."""
    halves = {}
    for half in ("even", "odd"):
        tally: Tally = getattr(played, half)
        parts = {
            "win:point": tally.wins - slow, "win:slow_ball": slow,
            "loss:point": tally.losses - tied, "tie:slow_ball": tied,
        }  # fmt: skip
        halves[half] = Tally(
            wins=tally.wins, ties=tied, losses=tally.losses - tied,
            breakdown={name: count for name, count in parts.items() if count},
        )  # fmt: skip
    return played.model_copy(update=halves)


def full(wins: int, seed: int, slow: int, by_regular: int = 0, **changes: object) -> Record:
    """An attack that wins of 200 matches, and of each half so many by slow balls."""
    made = trained(wins, seed, 40, tier="full", **changes)
    counts = {"attack": slow, "regular": by_regular}
    played = [ended(m, counts[m.role]) if m.role in counts else m for m in made.matches]
    return made.model_copy(update={"matches": played})


def test_slow_balls_are_taken_off_both() -> None:
    """180 and 160 of 200 are won, 140 of each by slow balls; opponents win 100, 60 so."""
    made = rules.slow_balls(
        given(
            records=[
                full(180, 0, 70, 30, attack="baseline"),
                full(160, 1, 70, 30, attack="baseline"),
            ]
        ),
        *FULL,
    )
    regular, attack = made.tables["slow balls"].rows
    assert attack[:2] == ["house", "baseline"]
    assert attack[3:7] == ["85.0 (80.0 to 90.0)", "15.0 (10.0 to 20.0)", "15.0", "0.50"]
    assert regular[3:7] == ["50.0", "20.0", "50.0", "0.29"]
    assert made.claims["slow balls/house/won"] == "all below"
    assert made.claims["slow balls/house/share"] == "all above"
    assert made.facts["slow balls/house/won"] == "15.0 to 15.0"


@pytest.mark.parametrize(
    ("slow", "claim"), [((0, 0), "all above"), ((0, 90), "on both sides"), ((90, 90), "all below")]
)
def test_attacks_are_held_against_the_regular_opponents(slow: tuple[int, int], claim: str) -> None:
    cells = [full(180, 0, slow[k], attack=name) for k, name in enumerate(("ours", "other"))]
    made = rules.slow_balls(given(records=cells), *FULL)
    assert made.claims["slow balls/house/won"] == claim


def test_without_regular_opponents_nothing_is_claimed() -> None:
    lone = full(180, 0, 0, attack="baseline")
    lone = lone.model_copy(update={"matches": [m for m in lone.matches if m.role != "regular"]})
    made = rules.slow_balls(given(records=[lone]), *FULL)
    assert not made.claims
    assert len(made.tables["slow balls"].rows) == 1
    assert not rules.original(given(original=[lone]), *FULL).claims


def test_where_no_point_is_made_there_is_no_share() -> None:
    """All matches are won by slow balls, or tied."""
    stalled = full(200, 0, 100, attack="baseline")
    made = rules.slow_balls(given(records=[stalled]), *FULL)
    assert made.tables["slow balls"].rows[1][6] == "-"
    assert made.claims["slow balls/house/share"] == "not run"
    assert "slow balls/house/share" not in made.facts


def test_only_attacks_of_the_tier_on_ranked_victims_count() -> None:
    other = [full(180, 0, 0, victim="variant", victim_ranked=False), trained(180, 0, 40)]
    assert not rules.slow_balls(given(records=other), *FULL).tables["slow balls"].rows


def test_a_record_that_does_not_tell_how_matches_ended_is_refused() -> None:
    silent = full(180, 0, 0)
    half = Tally(wins=90, losses=10)
    played = [m.model_copy(update={"even": half, "odd": half}) for m in silent.matches]
    with pytest.raises(CheckFailed, match="how its matches ended"):
        rules.slow_balls(given(records=[silent.model_copy(update={"matches": played})]), *FULL)


@pytest.mark.parametrize(
    ("wins", "claim"),
    [((150, 110), "all above"), ((150, 90), "on both sides"), ((70, 90), "all below")],
)
def test_trainings_by_the_original_rule_stand_apart(wins: tuple[int, int], claim: str) -> None:
    """Opponents win half of their matches."""
    cells = [full(w, seed, 0) for seed, w in enumerate(wins)]
    cells[0] = cells[0].model_copy(
        update={"matches": [
            ended(m, 0, 20) if m.role == "attack" else m for m in cells[0].matches]}
    )  # fmt: skip
    made = rules.original(given(original=cells), *FULL)
    (row,) = made.tables["original rule"].rows
    assert row[4] == "10.0 (0.0 to 20.0)"
    assert row[7] == "50.0"
    assert made.claims["original rule/house"] == claim


def test_regular_opponents_are_told_one_by_one() -> None:
    """Who wins most by points first; slow balls are taken off."""
    made = full(180, 0, 70, 30, attack="baseline")
    weak = ended(match("regular", 20, adversary="weak"), 0)
    made = made.model_copy(update={"matches": [*made.matches, weak]})
    told = rules.slow_balls(given(records=[made]), *FULL).facts
    assert told["slow balls/house/regular/each"] == "`rival` 20.0, `weak` 10.0"
    original = rules.original(given(original=[made]), *FULL).facts
    assert original["original rule/house/regular, each"] == "`rival` 20.0, `weak` 10.0"
