"""A record holds everyone that its cell names, each in its own place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmark.records.players import check_players
from benchmark.records.record import MatchSet, Record
from tests.factories import attacked, defended, match, player

Forge = Callable[[list[MatchSet]], list[MatchSet]]


def without(role: str, adversary: str | None = None) -> Forge:
    """Leave the matches of a role out, or those of one adversary."""
    return lambda matches: [
        m for m in matches if m.role != role or adversary not in (None, m.adversary.name)
    ]


def played_by(role: str, name: str, victim: str | None = None) -> Forge:
    """Put another adversary under a role, against one victim or all."""
    return lambda matches: [
        m.model_copy(update={"adversary": player(name)})
        if m.role == role and victim in (None, m.victim.name)
        else m
        for m in matches
    ]


def in_the_other_mode(matches: list[MatchSet]) -> list[MatchSet]:
    """Exchange which mode of the attack's matches is the one that is ranked."""
    return [
        m.model_copy(update={"ranked_mode": not m.ranked_mode}) if m.role in OF_BOTH_MODES else m
        for m in matches
    ]


OF_BOTH_MODES = ("attack", "fresh")


def forged(record: Record, forge: Forge) -> Record:
    return record.model_copy(update={"matches": forge(list(record.matches))})


def undefended() -> Record:
    """With a rival, another victim, and matches in the mode that is not ranked."""
    record = attacked(50, others=["b"])
    other = match("attack", 90, ranked=False)
    return record.model_copy(update={"matches": [*record.matches, other]})


@pytest.mark.parametrize("record", [undefended(), defended(20, 10, 30)], ids=["attack", "defense"])
def test_what_was_played_as_planned_is_in_order(record: Record) -> None:
    check_players(record)


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (without("regular"), "no matches with 'rival', which the cell knows"),
        (without("transfer"), "no matches with 'b', which the cell knows"),
        (played_by("regular", "zero"), "'regular' matches of 'zero', which the cell does not know"),
        (in_the_other_mode, "ranked in two modes: mean and sampled"),
    ],
)
def test_an_attack_s_record_names_everyone_it_met(forge: Forge, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_players(forged(undefended(), forge))


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (without("held-out"), "'held-out' matches of 0 adversaries, the cell names 1"),
        (played_by("stored", "zero"), "'stored' matches of 'zero', not of the adversary that"),
        (played_by("fresh", "zero"), "'fresh' matches of 'zero', not of the adversary that"),
        (
            played_by("regular", "house", victim="house+retrain"),
            "'regular' matches are of other opponents before than after",
        ),
        (
            lambda matches: [*matches, match("held-out", 0, adversary="zero", victim="h")],
            "'held-out' matches of 2 adversaries, the cell names 1",
        ),
    ],
)  # fmt: skip
def test_a_defense_s_judges_are_those_that_it_names(forge: Forge, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_players(forged(defended(20, 10, 30), forge))


def test_a_judge_that_failed_in_training_is_missed_by_name_only() -> None:
    record = forged(defended(20, 10, 30), without("held-out"))
    check_players(record.model_copy(update={"lost": {"held-out": "train ours"}}))
