"""The shipped victims are as strong as their issue asks."""

from __future__ import annotations

from typing import ClassVar

import pytest

from benchmark.evaluation.matches import episode_list, play
from benchmark.games.game import Array, Step
from benchmark.games.pong import Pong
from benchmark.policies import artifact
from benchmark.policies.policy import Policy, RandomPolicy, ZeroPolicy
from benchmark.victims import house
from benchmark.victims.recipe import RECIPES

EPISODES = 200
each = pytest.mark.parametrize("name", sorted(house()))


class CountingPong(Pong):
    """Counts hits: every hit pays one of the players the game's own reward."""

    hits: ClassVar[int] = 0
    points: ClassVar[int] = 0

    def step(self, actions: tuple[Array, Array]) -> Step:
        step = super().step(actions)
        CountingPong.hits += int((step.dense > 0).sum())
        CountingPong.points += len(step.finished)
        return step


def _victim(name: str) -> Policy:
    return artifact.load(house()[name])


def test_there_are_at_least_two() -> None:
    assert len(house()) >= 2


@each
def test_rallies_against_itself_last_ten_hits(name: str) -> None:
    CountingPong.hits = CountingPong.points = 0
    victim = _victim(name)
    play(CountingPong(50), (victim, victim), "left", episode_list("pong-v1", EPISODES))
    assert CountingPong.hits / CountingPong.points >= 10


@each
@pytest.mark.parametrize("floor", [RandomPolicy(2, 1.0), ZeroPolicy(2)], ids=["random", "zero"])
def test_it_wins_against_the_floors(name: str, floor: Policy) -> None:
    halves = play(Pong(100), (floor, _victim(name)), "right", episode_list("pong-v1", EPISODES))
    assert halves.total.win_rate >= 0.95


@each
def test_its_card_holds_the_recipe_that_made_it(name: str) -> None:
    training = dict(artifact.load_card(house()[name]).training)
    assert training.pop("command") == f"bench victims train --recipe {name}"
    assert type(RECIPES[name]).model_validate(training) == RECIPES[name]


def test_together_they_are_small() -> None:
    files = [file for folder in house().values() for file in folder.iterdir()]
    assert sum(file.stat().st_size for file in files) < 1_000_000
