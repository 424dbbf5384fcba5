"""You Shall Not Pass: physics, environment, PPO training, and stable-baselines3's on the same game.

    make perf

The victim is the published runner where ../shared/zoo is at hand, else a random network (which
falls at once: then the figures are not comparable with those of the docs; `victim` says which).
"""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO as SB3PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from attacks.baseline import Baseline
from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.arena.stable_baselines import ArenaVecEnv
from benchmark.arena.tally import Tally
from benchmark.games.scene import FRAME_SKIP
from benchmark.games.you_shall_not_pass import YouShallNotPass
from benchmark.learning import ppo
from benchmark.learning.progress import Quiet
from benchmark.policies import zoo
from benchmark.policies.policy import NetworkPolicy, RandomPolicy
from benchmark.seeding import EpisodeSeeds
from tests.perf import facts

CARD = YouShallNotPass.describe()
ZOO = Path(__file__).parents[3] / "shared/zoo/multiagent-competition/you-shall-not-pass"
MATCHES = 64
ROLLOUTS = 2
STEPS = 256
TRAINED = ROLLOUTS * STEPS * MATCHES
PEER_MATCHES = 8
ASKED_OF_OURS = 1.25


def _zoo() -> dict[str, NetworkPolicy]:
    return {p.card.name: p for p in zoo.import_path(ZOO)} if ZOO.is_dir() else {}


PLAYERS = _zoo()
VICTIM = PLAYERS.get("zoo-runner-v1") or RandomPolicy(17, 0.4)
BLOCKER = PLAYERS.get("zoo-blocker-v1") or RandomPolicy(17, 0.4)


def _arena(matches: int) -> Arena:
    return Arena(YouShallNotPass(matches), "blocker", Mixture.of(VICTIM), seed=0)


def _note(benchmark: Any, steps: int, **more: object) -> None:
    facts.speed(benchmark, "in all", steps, [benchmark.stats.stats.median])
    benchmark.extra_info["victim"] = VICTIM.card.name
    benchmark.extra_info.update(more)


class Course:
    """A recorded course of play, so that physics and environment do the very same work."""

    def __init__(self, steps: int):
        game = YouShallNotPass(MATCHES)
        seats = (BLOCKER, VICTIM)
        obs = game.reset(EpisodeSeeds(0, MATCHES))
        rng = np.random.default_rng(0)
        self.actions = []
        for _ in range(steps):
            pair = tuple(
                policy.act(seen, None, rng.random((MATCHES, 17)))[0]
                for policy, seen in zip(seats, obs, strict=True)
            )
            obs = game.step(pair).obs
            self.actions.append(pair)

    def play(self, game: YouShallNotPass) -> tuple[float, float]:
        """Seconds for the whole game, and those of them within `Batch.step`."""
        inside, step = 0.0, game.batch.step

        def timed(*args: Any, **settings: Any) -> None:
            nonlocal inside
            started = time.perf_counter()
            step(*args, **settings)
            inside += time.perf_counter() - started

        game.reset(EpisodeSeeds(0, MATCHES))
        game.batch.step = timed
        started = time.perf_counter()
        try:
            for pair in self.actions:
                game.step(pair)
        finally:
            del game.batch.step
        return time.perf_counter() - started, inside


def test_physics_share_of_the_environment(benchmark: Any) -> None:
    """What observations, rules and restarts leave of the time, within the same run."""
    course, game = Course(150), YouShallNotPass(MATCHES)
    course.play(game)
    shares: list[float] = []

    def run() -> None:
        total, inside = course.play(game)
        shares.append(inside / total)

    benchmark.pedantic(run, rounds=9)
    what = "physics' share of the environment's time"
    facts.ratio(benchmark, what, shares, better="higher")
    benchmark.extra_info["substeps"] = FRAME_SKIP
    _note(benchmark, len(course.actions) * MATCHES)


def _play(arena: Arena, steps: int) -> float:
    """Seconds of the arena with both networks acting, nothing learned."""
    obs, _ = arena.reset(seed=0)
    rng = np.random.default_rng(0)
    started = time.perf_counter()
    for _ in range(steps):
        action, _ = BLOCKER.act(obs, None, rng.random((MATCHES, 17)))
        obs = arena.step(action)[0]
    return time.perf_counter() - started


def _train(
    steps: int, progress: Quiet, kind: type[Baseline] = Baseline, **settings: object
) -> dict[str, float]:
    """Wall and CPU seconds of a training, which reports to `progress`."""
    attack = kind(kind.configure(CARD, settings))
    arena = _arena(attack.matches)
    wall, cpu = time.perf_counter(), time.process_time()
    attack.train(arena, steps, np.random.default_rng(0), progress)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


COSTS: dict[str, tuple[str, dict[str, object]]] = {
    "ours": ("ours", {}),
    **{name: (name, {}) for name in ("dense", "unfamiliar", "drift", "imap", "curiosity")},
    "value-difference": ("value-difference", {}),
}


@pytest.mark.parametrize("name", COSTS)
def test_cost_of_attacks_in_turns_with_the_baseline(benchmark: Any, name: str) -> None:
    """Wall time per step over plain PPO's on the same settings; `ours`: at most 1.25 is asked."""
    attack, settings = COSTS[name]
    kind = registry.attacks.load(attack)
    ratios: list[float] = []
    told: dict[str, Quiet] = {}

    def pair() -> None:
        told["baseline"], told[name] = Quiet(), Quiet()
        plain = _train(TRAINED, told["baseline"])
        shaped = _train(TRAINED, told[name], kind, **settings)
        ratios.append(shaped["wall"] / plain["wall"])

    benchmark.pedantic(pair, rounds=3 if name == "ours" else 2)
    asked = ASKED_OF_OURS if name == "ours" else None
    facts.ratio(benchmark, "wall time over the baseline's", ratios, asked=asked)
    for who, progress in told.items():
        facts.won(benchmark, who, progress.curve)
    _note(benchmark, 2 * TRAINED)


def test_training_over_environment(benchmark: Any) -> None:
    """PPO against the same arena with both networks acting and nothing learned, in turns."""
    arena = _arena(MATCHES)
    ratios: list[float] = []
    cpu: list[float] = []
    told = Quiet()

    def pair() -> None:
        nonlocal told
        told = Quiet()
        alone = _play(arena, ROLLOUTS * STEPS)
        trained = _train(TRAINED, told)
        ratios.append(alone / trained["wall"])
        cpu.append(trained["cpu"] / TRAINED * 1e6)

    benchmark.pedantic(pair, rounds=3, warmup_rounds=1)
    what = "speed of training over the environment's with both acting"
    facts.ratio(benchmark, what, ratios[1:], better="higher")
    facts.won(benchmark, "baseline", told.curve)
    benchmark.extra_info["cpu_s_per_million_steps"] = round(float(np.median(cpu[1:])), 1)


class Watch:
    """Wall and CPU seconds spent in some methods, those of inner ones taken off the outer."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}
        self._inner = [[0.0, 0.0]]

    def on(self, owner: Any, method: str, part: str) -> None:
        """Count the time of `owner.method` as `part`."""
        call = getattr(owner, method)
        self.spent.setdefault(part, [0.0, 0.0])

        def timed(*args: Any, **settings: Any) -> Any:
            self._inner.append([0.0, 0.0])
            started = time.perf_counter(), time.process_time()
            made = call(*args, **settings)
            passed = (time.perf_counter() - started[0], time.process_time() - started[1])
            inner = self._inner.pop()
            for k in (0, 1):
                self.spent[part][k] += passed[k] - inner[k]
                self._inner[-1][k] += passed[k]
            return made

        setattr(owner, method, timed)


def test_parts_of_a_training(benchmark: Any) -> None:
    """Wall and CPU seconds per million steps, part by part; peak memory of this process."""
    attack = Baseline(Baseline.configure(CARD, {}))
    learner = ppo.PPO(_arena(MATCHES), attack.config, np.random.default_rng(0))
    learner.enter(learner.arena)
    watch = Watch()
    for owner, method, part in (
        (learner.arena.game.batch, "step", "physics"),
        (learner.arena.game, "step", "observations, rules, restarts"),
        (learner.arena.players, "act", "victim"),
        (learner.network.pi, "infer", "adversary"),
        (learner.network.vf, "infer", "values"),
        (learner.filter, "apply", "normalisation"),
        (learner.filter, "update", "normalisation"),
        (learner._collector, "collect", "the rest of a rollout"),
        (learner, "update", "update"),
    ):
        watch.on(owner, method, part)

    tallies: list[Tally] = []

    def rollout() -> None:
        collected = learner._collector.collect()
        tallies.append(collected.tally)
        learner.update(collected, 1.0)

    rollout()
    for part in watch.spent.values():
        part[:] = [0.0, 0.0]
    benchmark.pedantic(rollout, rounds=6)
    scale = 1e6 / (6 * STEPS * MATCHES)
    benchmark.extra_info["wall_and_cpu_s_per_million"] = {
        part: [round(wall * scale, 1), round(cpu * scale, 1)]
        for part, (wall, cpu) in watch.spent.items()
    }
    whole = sum(wall for wall, _ in watch.spent.values())
    for part in ("physics", "update"):
        what = f"share of {part} in a training's time"
        facts.ratio(benchmark, what, [watch.spent[part][0] / whole])
    facts.won(benchmark, "baseline", Tally.sum(tallies))
    benchmark.extra_info["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    _note(benchmark, STEPS * MATCHES)


class OneMatch(gymnasium.Env[Any, Any]):
    """The arena with one match as a plain environment, which is what a DummyVecEnv takes."""

    def __init__(self, seed: int):
        self._arena = Arena(YouShallNotPass(1), "blocker", Mixture.of(VICTIM), seed)
        self.observation_space = self._arena.single_observation_space
        self.action_space = self._arena.single_action_space

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        obs, _ = self._arena.reset(seed=seed)
        return obs[0], {}

    def step(self, action: Any) -> Any:
        obs, reward, ended, truncated, info = self._arena.step(action[None])
        last = info["final_obs"][0] if ended[0] else obs[0]
        return last, float(reward[0]), bool(ended[0]), bool(truncated[0]), {}


def _peer(kind: str) -> SB3PPO:
    config = Baseline.configure(CARD, {})
    if kind == "dummy":
        env: Any = DummyVecEnv(
            [lambda seed=seed: Monitor(OneMatch(seed)) for seed in range(PEER_MATCHES)]
        )
        n_steps = STEPS * MATCHES // PEER_MATCHES
    else:
        env, n_steps = ArenaVecEnv(_arena(MATCHES)), STEPS
    return SB3PPO(
        "MlpPolicy", env, device="cpu", seed=0, n_steps=n_steps, batch_size=config.minibatch,
        n_epochs=config.epochs, learning_rate=config.learning_rate, gamma=config.gamma,
        policy_kwargs={
            "activation_fn": torch.nn.Tanh,
            "net_arch": list(config.hidden),
            "log_std_init": config.log_std,
        },
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["dummy", "arena"])
def test_training_over_stable_baselines(benchmark: Any, kind: str) -> None:
    """In turns: our PPO, then theirs with the same rollout, network, minibatch and epochs.

    dummy: 8 environments in its process, as it is mostly used; arena: our 64 matches through the
    adapter, which leaves the learner's share of the difference.
    """
    model = _peer(kind)
    steps = TRAINED // ROLLOUTS
    walls: list[tuple[float, float]] = []
    told = Quiet()

    def pair() -> None:
        nonlocal told
        told = Quiet()
        started = time.perf_counter()
        model.learn(steps)
        walls.append((time.perf_counter() - started, _train(steps, told)["wall"]))

    benchmark.pedantic(pair, rounds=3, warmup_rounds=1)
    theirs, ours = np.array(walls[1:]).T
    what = "wall time of stable-baselines3 over ours"
    facts.ratio(benchmark, what, theirs / ours, better="higher")
    facts.won(benchmark, "ours, first rollout", told.curve)
    facts.speed(benchmark, "ours", steps, ours)
    facts.speed(benchmark, "stable-baselines3", steps, theirs)
