"""What is equal on every machine: constants, seeds, and small sums whose rounding stays small.

Courses of matches and trainings part ways where rounding differs; these do not. So a turned sign,
a wrong constant or a changed seed is found here also where no baseline is of this platform.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import mujoco
import numpy as np

from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.evaluation import matches
from benchmark.games import pong_kernel
from benchmark.games.mujoco_games import MUJOCO_GAMES
from benchmark.games.scene import FRAME_SKIP
from benchmark.learning import rollout
from benchmark.learning.loss import PPOConfig
from benchmark.learning.ppo import PPO
from benchmark.registry import attacks, game
from benchmark.regression.findings import Finding
from benchmark.regression.golden import goldens
from benchmark.regression.stock import PONG, Stock
from benchmark.seeding import STREAM_SERVE, generator, uniforms

Value = str | list[float]
"""Text must be equal; numbers within TOLERANCE of their size, or of 1 where they are smaller."""
Facts = dict[str, dict[str, Value]]
TOLERANCE = 1e-6
ROUGH = {"first gradient": 1e-4}
"""Of numbers that a network made, which older instructions alone move by 2e-6 (docs)."""
EPISODES = 1000
STEPS, SUBSTEPS = 20, 20
OPTIONS = ("timestep", "integrator", "solver", "iterations", "cone", "impratio", "gravity",
           "density", "viscosity")  # fmt: skip
ARRAYS = ("body_mass", "body_pos", "geom_size", "geom_friction", "geom_margin", "geom_solref",
          "dof_damping", "dof_armature", "jnt_stiffness", "jnt_range", "actuator_gear",
          "actuator_ctrlrange")  # fmt: skip


def measure(stock: Stock) -> Facts:
    """All of them, by what they are of and by name."""
    return {
        "episode seeds": _seeds(),
        "constants and rules of pong-v1": _pong(),
        **{f"constants and rules of {name}": _bodies(name) for name in MUJOCO_GAMES},
        "the learner": _learner(stock),
        **_methods(),
    }


def compare(before: Facts, now: Facts) -> list[Finding]:
    """A finding for everything that both sides know; what only one knows is for others to say."""
    return [_finding(name, before[name], now[name]) for name in now if name in before]


def _finding(name: str, before: Mapping[str, Value], now: Mapping[str, Value]) -> Finding:
    moved = [key for key in {**before, **now} if not _same(key, before.get(key), now.get(key))]
    changes = [f"{key} {_told(before.get(key))} to {_told(now.get(key))}" for key in moved]
    return Finding(
        form="replay", name=name, before=f"{len(before)} facts", now=f"{len(now)} facts",
        change=changes[0] if changes else "none", sure="certain: alike everywhere",
        failed=bool(moved), facts={"changes": changes},
    )  # fmt: skip


def _same(name: str, before: Value | None, now: Value | None) -> bool:
    if not isinstance(before, list) or not isinstance(now, list):
        return before == now
    tolerance = ROUGH.get(name, TOLERANCE)
    return len(before) == len(now) and all(
        abs(a - b) <= tolerance * max(1.0, abs(a)) for a, b in zip(before, now, strict=True)
    )


def _told(value: Value | None) -> str:
    text = " ".join(f"{x:.6g}" for x in value) if isinstance(value, list) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _seeds() -> dict[str, Value]:
    """The protocol's lists, and the draws that they lead to: whole numbers times 2^-53."""
    found: dict[str, Value] = {}
    for name in (PONG, *MUJOCO_GAMES):
        seeds = np.array(matches.episode_list(name, EPISODES), np.uint64)
        draws = uniforms(seeds, STREAM_SERVE, np.uint64(0), 4)
        digest = hashlib.sha256(seeds.tobytes() + draws.tobytes())
        found[name] = digest.hexdigest()[:32]
    return found


def _pong() -> dict[str, Value]:
    """Every number of the compiled rules, a serve, and some steps of matches from fixed states."""
    constants: dict[str, Value] = {
        name: f"{value:.12g}"
        for name, value in sorted(vars(pong_kernel).items())
        if name.isupper() and isinstance(value, (int, float))
    }
    rng = generator("facts", PONG)
    state = np.zeros((8, 12))
    ways = [pong_kernel.serve(state, row, rng.random((8, 4))) for row in range(8)]
    constants["serves"] = _sums(state)
    actions = rng.uniform(-1, 1, (2, 8, 2)).astype(np.float32)
    timeout, way = np.full(8, pong_kernel.RALLY_TIMEOUT), np.array(ways)
    bounces, event = np.zeros(8, int), np.zeros(8, int)
    for _ in range(STEPS):
        pong_kernel.advance_all(state, timeout, way, bounces, actions[0], actions[1], event)
    constants["steps"] = _sums(state)
    return constants


def _bodies(name: str) -> dict[str, Value]:
    """Of the compiled models, since that is what is played; and where they fall in some steps."""
    kind: Any = game(name)
    ranked = kind.compose(kind.Options(physics="ranked")).model
    original = kind.compose(kind.Options(physics="original")).model
    found: dict[str, Value] = {"FRAME_SKIP": str(FRAME_SKIP)}
    found |= {of: _numbers(getattr(ranked.opt, of)) for of in OPTIONS}
    found |= {f"{of}, original": _numbers(getattr(original.opt, of)) for of in OPTIONS}
    found |= {of: _numbers(getattr(ranked, of)) for of in ARRAYS}
    data = mujoco.MjData(ranked)
    data.ctrl[:] = 0.3 * np.cos(np.arange(ranked.nu))
    mujoco.mj_step(ranked, data, nstep=SUBSTEPS)
    found["steps"] = _sums(data.qpos)
    return found


def _learner(stock: Stock) -> dict[str, Value]:
    """Advantages of fixed rewards, and the first gradient in fixed matches: its course to them."""
    waves = np.cos(np.arange(54) ** 1.5).reshape(3, 6, 3).astype(np.float32)
    ends = waves[2] > 0.7
    advantages, returns = rollout.gae(waves[0], waves[1], ends, waves[2, 0], 0.99, 0.95)
    kind = game(PONG)
    card = kind.describe()
    victim = Mixture.of(stock.player("house-tanh", PONG))
    arena = Arena(kind(16, kind.Options()), card.adversary_seat, victim, seed=1)
    config = PPOConfig(
        matches=16, rollout_steps=64, minibatch=1024, epochs=1, learning_rate=1e-3, gamma=0.99,
        log_std=-0.5,
    )  # fmt: skip
    learner = PPO(arena, config, generator("facts", "learner"))
    learner.enter(arena)
    point = learner.improve(1024)
    # Adam's first moment after one step is a tenth of the gradient.
    gradient = learner.checkpoint().get("optimiser")["0.exp_avg"].astype(float) * 10.0
    return {
        "advantages": _rounded(advantages.ravel()),
        "returns": _rounded(returns.ravel()),
        "first loss": _rounded([point.diagnostics["loss"]]),
        "first gradient": _sums(gradient),
    }


def _methods() -> Facts:
    """What the methods of the golden trainings say of themselves."""
    names = sorted({golden.attack for golden in goldens()})
    said = {name: attacks.load(name).facts() for name in names}
    return {f"attack {name}": dict(facts) for name, facts in said.items() if facts}


def _numbers(values: Any) -> str:
    """Each number to 12 digits, in the order of their first appearance, and how often."""
    flat = np.atleast_1d(np.asarray(values, float)).ravel() + 0.0
    counted = Counter(f"{0.0 if abs(x) < 1e-12 else x:.12g}" for x in flat)
    return " ".join(text if n == 1 else f"{text}x{n}" for text, n in counted.items())


def _sums(values: np.ndarray[Any, Any]) -> list[float]:
    """Four sums of many numbers, each number in each with another weight."""
    flat = np.asarray(values, float).ravel()
    at = np.arange(len(flat))
    return _rounded(math.fsum(flat * np.cos((k + 1) * at + k)) for k in range(4))


def _rounded(values: Iterable[float]) -> list[float]:
    return [float(f"{x:.9g}") for x in values]
