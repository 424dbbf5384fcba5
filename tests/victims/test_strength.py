"""How strong a victim is, counted from its own seat."""

from __future__ import annotations

from benchmark.evaluation.matches import episode_list, play
from benchmark.games.pong import Pong
from benchmark.policies.policy import RandomPolicy, ZeroPolicy
from benchmark.victims.strength import LIST, opposite, seat_of, strength
from tests.attacks.conftest import PONG, scribble


def test_wins_are_the_victim_s_own() -> None:
    victim = scribble(PONG, "right")
    opponents = {"zero": ZeroPolicy(2), "random": RandomPolicy(2, 1.0)}
    found = strength(victim, Pong(50), opponents, episodes=60)
    assert list(found) == ["zero", "random"]
    for name, standing in found.items():
        seeds = episode_list("pong-v1", 60, LIST)
        theirs = play(Pong(50), (opponents[name], victim), "left", seeds).total
        assert (standing.wins, standing.losses) == (theirs.losses, theirs.wins)
        assert standing.wins + standing.ties + standing.losses == 60


def test_it_sits_where_it_can_and_meets_who_can_sit_opposite() -> None:
    left, right = scribble(PONG, "left"), scribble(PONG, "right")
    anywhere = right.card.model_copy(update={"seat": "any"})
    either = type(right)(anywhere, right.tensors())
    game = Pong.describe()
    assert seat_of(anywhere, game) == "right"
    assert seat_of(left.card, game) == "left"
    known = {"left": left, "right": right, "either": either}
    assert list(opposite(anywhere, game, known)) == ["left", "either"]
    assert list(opposite(left.card, game, known)) == ["right", "either"]
