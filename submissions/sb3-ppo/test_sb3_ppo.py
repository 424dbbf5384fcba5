"""The contract of an attack, and what is particular to this one: the engine is not ours."""

from pathlib import Path

import numpy as np
import pytest
from sb3_ppo import Sb3Ppo

from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.learning.progress import Quiet
from benchmark.policies.policy import MLPPolicy, ZeroPolicy
from benchmark.submissions.contract import failures, toy_policy

FOLDER = Path(__file__).parent
SMALL = {"matches": 16, "rollout_steps": 32, "minibatch": 128, "epochs": 1, "hidden": [8]}


@pytest.fixture
def arena() -> Arena:
    """Pong against a player who does nothing."""
    return Arena(registry.game("pong-v1")(16), "left", Mixture.of(ZeroPolicy(2)), seed=0)


def small() -> Sb3Ppo:
    return Sb3Ppo(Sb3Ppo.configure(registry.game("pong-v1").describe(), SMALL))


def test_it_keeps_the_contract() -> None:
    assert failures(Sb3Ppo, FOLDER) == []


def test_its_policy_is_a_network_of_the_benchmark() -> None:
    policy = toy_policy(Sb3Ppo, FOLDER, hidden=[24, 12])
    assert isinstance(policy, MLPPolicy)
    told = policy.card.hidden, policy.card.activation, policy.card.action_mode
    assert told == ((24, 12), "relu", "mean")


def test_the_curve_counts_every_match_of_the_arena(arena: Arena) -> None:
    """Once each: the arena's own count of ended matches, and the rollouts' steps."""
    ended = 0
    step = arena.step

    def counting(actions: np.ndarray) -> tuple:
        nonlocal ended
        told = step(actions)
        ended += int(told[2].sum())
        return told

    arena.step = counting
    progress = Quiet()
    small().train(arena, 1600, np.random.default_rng(0), progress)
    assert [point.steps for point in progress.curve] == [512, 1024, 1536]
    assert arena.steps == 1536
    assert sum(point.tally.episodes for point in progress.curve) == ended > 0


def test_the_victim_is_met_in_episodes_that_the_seed_decides(arena: Arena) -> None:
    first, second = (
        small().train(arena, 512, np.random.default_rng(seed), Quiet()).tensors() for seed in (0, 1)
    )
    assert not np.array_equal(first["layer0.weight"], second["layer0.weight"])
