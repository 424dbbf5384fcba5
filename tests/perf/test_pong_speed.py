"""Pong: the environment alone, PPO training, stable-baselines3's PPO in the same arena, `ours`.

    make perf

Every figure is in `extra_info` as steps per second; ratios hold within one run.
"""

from __future__ import annotations

import resource
import time
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO as SB3PPO

from attacks.baseline import Baseline
from attacks.ours import Ours
from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.arena.stable_baselines import ArenaVecEnv
from benchmark.games.pong import Pong
from benchmark.learning.progress import Quiet
from benchmark.seeding import EpisodeSeeds

CARD = registry.game("pong-v1").describe()
TRAINED_STEPS = 4 * 512 * 128
SB3_STEPS = 512 * 128


def _arena(matches: int) -> Arena:
    victims = registry.Victims()
    name = next(iter(victims.cards("pong-v1")))
    return Arena(Pong(matches), "left", Mixture.of(victims.load(name)), seed=0)


def _record(benchmark: Any, steps: int, **facts: object) -> None:
    stats = benchmark.stats.stats
    benchmark.extra_info["steps_per_s"] = round(steps / stats.median)
    benchmark.extra_info["best_steps_per_s"] = round(steps / stats.min)
    benchmark.extra_info.update(facts)


@pytest.mark.parametrize("matches", [64, 1024])
def test_environment_alone(benchmark: Any, matches: int) -> None:
    game = Pong(matches)
    game.reset(EpisodeSeeds(0, matches))
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (64, 2, matches, 2)).astype(np.float32)

    def play() -> None:
        for left, right in actions:
            game.step((left, right))

    for _ in range(10):
        play()
    benchmark.pedantic(play, rounds=20, iterations=5)
    _record(benchmark, 64 * matches, matches=matches)


def _train(kind: type[Baseline], steps: int, **settings: object) -> float:
    attack = kind(kind.configure(CARD, settings))
    started = time.process_time()
    progress = Quiet()
    attack.train(_arena(attack.matches), steps, np.random.default_rng(0), progress)
    return time.process_time() - started


def test_memory_of_a_training(benchmark: Any) -> None:
    """Peak resident memory of this process, trainings and torch included, in MB."""
    benchmark.pedantic(lambda: _train(Baseline, TRAINED_STEPS), rounds=1)
    benchmark.extra_info["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Baseline, {}),
        (Ours, {}),
        (Ours, {"norm": "l2"}),
        (Ours, {"norm": "linf"}),
        (Ours, {"mode": "reward", "eta": 1.0, "saliency": "gradient"}),
        (Ours, {"mode": "loss", "eta": 0.2, "saliency": "gradient"}),
    ],
    ids=["baseline", "ours", "ours-l2", "ours-linf", "ours-all-terms", "ours-loss"],
)
def test_training(benchmark: Any, kind: type[Baseline], settings: dict[str, object]) -> None:
    benchmark.pedantic(lambda: _train(kind, TRAINED_STEPS, **settings), rounds=7, warmup_rounds=1)
    _record(benchmark, TRAINED_STEPS, attack=kind.name, settings=settings)


VARIANTS: dict[str, dict[str, object]] = {
    "ours": {},
    "ours-all-terms": {"eta": 1.0, "saliency": "gradient"},
    "ours-loss": {"mode": "loss", "eta": 0.2, "saliency": "gradient"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_cost_of_ours_in_turns_with_the_baseline(benchmark: Any, name: str) -> None:
    """CPU time over the baseline's, pair by pair, so that a machine's drift cancels."""
    _train(Ours, TRAINED_STEPS, **VARIANTS[name])
    ratios: list[float] = []

    def pair() -> None:
        plain = _train(Baseline, TRAINED_STEPS)
        ratios.append(_train(Ours, TRAINED_STEPS, **VARIANTS[name]) / plain)

    benchmark.pedantic(pair, rounds=5)
    benchmark.extra_info["cost"] = [round(ratio, 3) for ratio in sorted(ratios)]
    benchmark.extra_info["median_cost"] = round(sorted(ratios)[len(ratios) // 2], 3)


@pytest.mark.parametrize("setting", ["ours", "defaults"])
def test_stable_baselines_in_the_same_arena(benchmark: Any, setting: str) -> None:
    """With our tuned batch, minibatch, epochs and network, and with its own defaults."""
    config = Baseline.configure(CARD, {})
    alike: dict[str, Any] = {
        "n_steps": config.rollout_steps, "batch_size": config.minibatch,
        "n_epochs": config.epochs, "learning_rate": config.learning_rate, "gamma": config.gamma,
        "policy_kwargs": {"activation_fn": torch.nn.ReLU, "net_arch": list(config.hidden)},
    }  # fmt: skip
    matches = config.matches if setting == "ours" else 8
    steps = SB3_STEPS if setting == "ours" else 8 * 2048
    model = SB3PPO(
        "MlpPolicy", ArenaVecEnv(_arena(matches)), device="cpu", seed=0,
        **(alike if setting == "ours" else {}),
    )  # fmt: skip
    benchmark.pedantic(lambda: model.learn(steps), rounds=5, warmup_rounds=1)
    _record(benchmark, steps, peer="stable-baselines3", setting=setting, matches=matches)
