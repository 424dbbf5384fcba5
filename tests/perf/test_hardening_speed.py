"""Hardening against attacking: the same learner in the other seat, so within 10 % is asked.

    make perf

The pairing is the same on either side of a round: one trains, the other plays frozen.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from attacks.baseline import Baseline
from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.learning.progress import Quiet
from benchmark.policies.policy import MLPPolicy, NetworkPolicy
from benchmark.registry import Victims
from tests.perf import facts
from tests.perf.test_you_shall_not_pass_speed import PLAYERS

STEPS = {"pong-v1": 4 * 65_536, "you-shall-not-pass-v1": 2 * 16_384}
ASKED = 1.1


def _pairing(game: str) -> tuple[NetworkPolicy, NetworkPolicy]:
    """An adversary and a victim with weights; the published ones need ../shared/zoo."""
    if game == "pong-v1":
        victims = Victims()
        return victims.load("house-tanh"), victims.load("house-relu")
    if len(PLAYERS) < 2:
        pytest.skip("the published players are not at hand")
    return PLAYERS["zoo-blocker-v1"], PLAYERS["zoo-runner-v1"]


@pytest.mark.parametrize("game", STEPS)
def test_hardening_in_turns_with_an_attack(benchmark: Any, game: str) -> None:
    """Wall time per step of retraining over plain PPO's in the adversary's seat."""
    batch = registry.game(game)
    card = batch.describe()
    adversary, victim = _pairing(game)
    seats = [seat.name for seat in card.seats]
    theirs = seats[1 - card.seat_index(card.adversary_seat)]
    attack = Baseline(Baseline.configure(card, {}))
    kind = registry.defenses.load("retrain")
    defense = kind(kind.configure(card, {}))
    ratios: list[float] = []
    told: dict[str, Quiet] = {}

    def make_arena(opposite: Mixture, matches: int, *, attacking: bool = False) -> Arena:
        seat = card.adversary_seat if attacking else theirs
        return Arena(batch(matches), seat, opposite, seed=0)

    def pair() -> None:
        assert isinstance(victim, MLPPolicy)
        arena = make_arena(Mixture.of(victim), attack.matches, attacking=True)
        told["attack"], told["hardening"] = Quiet(), Quiet()
        rngs = [np.random.default_rng(0) for _ in told]
        begun = time.perf_counter()
        attack.train(arena, STEPS[game], rngs[0], told["attack"])
        between = time.perf_counter()
        defense.harden(victim, make_arena, [adversary], [], STEPS[game], rngs[1], told["hardening"])
        ratios.append((time.perf_counter() - between) / (between - begun))

    benchmark.pedantic(pair, rounds=3, warmup_rounds=1)
    facts.ratio(benchmark, "wall time of hardening over attacking", ratios[1:], asked=ASKED)
    for who, progress in told.items():
        facts.won(benchmark, who, progress.curve)
