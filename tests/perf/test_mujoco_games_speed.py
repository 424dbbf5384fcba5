"""All six MuJoCo games: 200 matches of a random adversary against a published victim.

    make perf

Without ../shared/zoo there is nothing to measure, and the test is skipped.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from benchmark import registry
from benchmark.evaluation.matches import EVALUATION_MATCHES, episode_list, play
from benchmark.policies import zoo
from benchmark.policies.policy import ANY
from tests.perf import facts

ZOO = Path(__file__).parents[3] / "shared/zoo/multiagent-competition"
GAMES = [name for name in registry.games.names() if name != "pong-v1"]
EPISODES = 200
PEER = "you-shall-not-pass-v1"


@pytest.mark.skipif(not ZOO.is_dir(), reason="no published victims at hand")
def test_random_against_the_zoo_in_every_game(benchmark: Any) -> None:
    """Seconds for each game, its compilation included, in all, and of You Shall Not Pass's."""
    victims = zoo.import_path(ZOO)
    seconds: dict[str, float] = {}

    def all_games() -> None:
        for name in GAMES:
            started = time.perf_counter()
            game = registry.game(name)(EVALUATION_MATCHES)
            me = game.card.seat_index(game.card.adversary_seat)
            other = game.card.seats[1 - me].name
            victim = next(v for v in victims if v.card.game == name and v.card.seat in (ANY, other))
            random = registry.floors(registry.game(name))["random"]
            seats = (random, victim) if me == 0 else (victim, random)
            halves = play(game, seats, game.card.adversary_seat, episode_list(name, EPISODES))
            seconds[name] = round(time.perf_counter() - started, 2)
            facts.won(benchmark, f"random, {name}", halves.total)

    benchmark.pedantic(all_games, rounds=1, warmup_rounds=0)
    benchmark.extra_info["seconds"] = seconds
    for name in GAMES:
        if name != PEER:
            facts.ratio(benchmark, f"{name} over {PEER}", [seconds[name] / seconds[PEER]])
