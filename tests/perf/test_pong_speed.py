"""Pong: the environment alone, PPO training, stable-baselines3's PPO in the same arena, `ours`.

    make perf

Peers are measured in turns: what counts are the ratios in `extra_info`.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO as SB3PPO

from attacks.baseline import Baseline
from attacks.ours import Ours
from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.arena.ledger import Ledger
from benchmark.arena.mixture import Mixture
from benchmark.arena.stable_baselines import ArenaVecEnv
from benchmark.games.pong import Pong
from benchmark.learning.progress import Quiet
from benchmark.seeding import EpisodeSeeds
from tests.games.pong_twin import PongTwin
from tests.perf import facts

CARD = registry.game("pong-v1").describe()
TRAINED_STEPS = 4 * 512 * 128
SB3_STEPS = 512 * 128
TWIN_STEPS, COMPILED_STEPS = 8, 640


def _arena(matches: int, ledger: Ledger | None = None) -> Arena:
    victims = registry.Victims()
    name = next(iter(victims.cards("pong-v1")))
    mixture = Mixture.of(victims.load(name))
    return Arena(Pong(matches), "left", mixture, seed=0, ledger=ledger)


@pytest.mark.parametrize("matches", [64, 1024])
def test_environment_alone(benchmark: Any, matches: int) -> None:
    """The compiled rules over the same rules in NumPy, on the same actions."""
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (64, 2, matches, 2)).astype(np.float32)
    games = {"compiled": Pong(matches), "twin": PongTwin(matches)}
    each: dict[str, list[float]] = {name: [] for name in games}

    def turn() -> None:
        for name, game in games.items():
            steps = COMPILED_STEPS if name == "compiled" else TWIN_STEPS
            each[name].append(_seconds(game, actions, steps) / steps)

    benchmark.pedantic(turn, rounds=9, warmup_rounds=1)
    ours, theirs = np.array(each["compiled"][1:]), np.array(each["twin"][1:])
    facts.ratio(benchmark, "time in NumPy over compiled", theirs / ours, better="higher")
    facts.speed(benchmark, "compiled", matches, ours)
    facts.speed(benchmark, "in NumPy", matches, theirs)


def _seconds(game: Pong, actions: NDArray[np.float32], steps: int) -> float:
    game.reset(EpisodeSeeds(0, game.matches))
    started = time.perf_counter()
    for k in range(steps):
        left, right = actions[k % len(actions)]
        game.step((left, right))
    return time.perf_counter() - started


def _train(kind: type[Baseline], steps: int, **settings: object) -> tuple[float, Quiet]:
    """CPU seconds of a training, and what it reported."""
    attack = kind(kind.configure(CARD, settings))
    started = time.process_time()
    progress = Quiet()
    attack.train(_arena(attack.matches), steps, np.random.default_rng(0), progress)
    return time.process_time() - started, progress


MEMORY = """
import resource
from benchmark.learning.threads import use_threads
from tests.perf.test_pong_speed import Baseline, TRAINED_STEPS, _train
use_threads(1)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
_train(Baseline, TRAINED_STEPS)
print(before, peak())
"""


def test_memory_of_a_training(benchmark: Any) -> None:
    """Peak resident memory of a process that trains, over that with its packages loaded, in MB."""
    peaks: list[list[int]] = []

    def run() -> None:
        done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, check=True)
        peaks.append([int(word) for word in done.stdout.split()])

    benchmark.pedantic(run, rounds=1)
    before, after = peaks[0]
    facts.ratio(benchmark, "peak memory over that before training", [after / before])
    benchmark.extra_info["peak_mb"] = after


VARIANTS: dict[str, dict[str, object]] = {
    "ours": {},
    "ours-all-terms": {"eta": 1.0, "saliency": "gradient"},
    "ours-loss": {"mode": "loss", "eta": 0.2, "saliency": "gradient"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_cost_of_ours_in_turns_with_the_baseline(benchmark: Any, name: str) -> None:
    """CPU time over the baseline's, pair by pair, so that a machine's drift cancels."""
    _train(Ours, SB3_STEPS, **VARIANTS[name])
    seconds: list[tuple[float, float]] = []
    told: dict[str, Quiet] = {}

    def pair() -> None:
        plain, told["baseline"] = _train(Baseline, TRAINED_STEPS)
        shaped, told[name] = _train(Ours, TRAINED_STEPS, **VARIANTS[name])
        seconds.append((plain, shaped))

    benchmark.pedantic(pair, rounds=3)
    plain, shaped = np.array(seconds).T
    facts.ratio(benchmark, "CPU time over the baseline's", shaped / plain)
    for who, progress in told.items():
        facts.won(benchmark, who, progress.curve)
    facts.speed(benchmark, "baseline", TRAINED_STEPS, plain)
    facts.speed(benchmark, name, TRAINED_STEPS, shaped)


@pytest.mark.parametrize("setting", ["ours", "defaults"])
def test_stable_baselines_in_the_same_arena(benchmark: Any, setting: str) -> None:
    """In turns with our baseline: with our batch, epochs and network, and with its defaults."""
    config = Baseline.configure(CARD, {})
    alike: dict[str, Any] = {
        "n_steps": config.rollout_steps, "batch_size": config.minibatch,
        "n_epochs": config.epochs, "learning_rate": config.learning_rate, "gamma": config.gamma,
        "policy_kwargs": {"activation_fn": torch.nn.ReLU, "net_arch": list(config.hidden)},
    }  # fmt: skip
    matches = config.matches if setting == "ours" else 8
    steps = SB3_STEPS if setting == "ours" else 8 * 2048
    ledger = Ledger(CARD, "left")
    model = SB3PPO(
        "MlpPolicy", ArenaVecEnv(_arena(matches, ledger)), device="cpu", seed=0,
        **(alike if setting == "ours" else {}),
    )  # fmt: skip
    seconds: list[tuple[float, float]] = []
    ours = Quiet()

    def pair() -> None:
        nonlocal ours
        started = time.process_time()
        model.learn(steps)
        theirs = time.process_time() - started
        trained, ours = _train(Baseline, SB3_STEPS)
        seconds.append((theirs / steps, trained / SB3_STEPS))

    rounds = 5 if setting == "ours" else 2
    benchmark.pedantic(pair, rounds=rounds, warmup_rounds=setting == "ours")
    theirs, own = np.array(seconds[-rounds:]).T
    what = "CPU time per step of stable-baselines3 over ours"
    facts.ratio(benchmark, what, theirs / own, better="higher")
    facts.won(benchmark, "ours, first rollout", ours.curve)
    facts.won(benchmark, f"stable-baselines3, {ledger.steps} steps", ledger.pending)
    facts.speed(benchmark, "ours", 1, own)
    facts.speed(benchmark, "stable-baselines3", 1, theirs)
