"""Golden trainings: tiny seeded ones whose every bit is kept.

Win rates after seconds of training say nothing; bits say at once that a learner, a method or an
arena computes something else than it did. What they cannot say is whether that is worse: a change
that is meant to move results moves these too, and is followed by `bench check replay --update`.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from benchmark.arena.tally import Tally
from benchmark.display import Silent
from benchmark.errors import CheckFailed
from benchmark.learning.progress import CURVE
from benchmark.records.cell import content_hash
from benchmark.records.store import Store
from benchmark.regression.stock import PONG, Stock
from benchmark.runs.executors.local import LocalExecutor
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker
from benchmark.runs.plan import make_plan
from benchmark.runs.spec import WHITE_BOX, resolve_run

NOTHING_SET: Mapping[str, Any] = MappingProxyType({})
YSNP = "you-shall-not-pass-v1"
PONG_PPO: dict[str, Any] = {"matches": 64}
MUJOCO_PPO: dict[str, Any] = {"matches": 8, "rollout_steps": 64, "minibatch": 128}
ROLLOUTS = 4
STAGED_ROLLOUTS = 8
"""Of defenses that train adversaries of their own."""


class Golden(NamedTuple):
    """A training by its method; a defense's is the hardening of what `attack` was trained on."""

    name: str
    attack: str
    defense: str | None = None
    settings: Mapping[str, Any] = NOTHING_SET
    """Of the method that is looked at."""
    game: str = PONG
    victim: str = "house-tanh"
    rollouts: int = ROLLOUTS


class Trained(BaseModel):
    """What came of it. first, last: diagnostics after the first update and after the last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tally: Tally
    first: dict[str, float]
    last: dict[str, float]
    digest: str


def goldens() -> list[Golden]:
    """Every method of this project, and of `ours` the parts that its default leaves out."""
    return [*_attacks(), *_defenses(), *_bodies()]


def _attacks() -> Iterator[Golden]:
    yield Golden("attack baseline", "baseline")
    yield Golden("attack ours", "ours")
    loss = {"mode": "loss", "eta": 0.2, "eps_s": 0.01, "saliency": "gradient"}
    yield Golden("attack ours, as a loss with saliency", "ours", settings=loss)
    for name in ("unfamiliar", "drift"):
        yield Golden(f"attack {name}", name, settings={"familiar_steps": 8192})
    for name in ("dense", "value-difference", "curiosity", "imap"):
        yield Golden(f"attack {name}", name)


def _defenses() -> Iterator[Golden]:
    for name in ("retrain", "mixed", "parameter-noise"):
        yield Golden(f"defense {name}", "baseline", name)
    staged: dict[str, dict[str, Any]] = {
        "iterated": {"rounds": 2}, "population": {"generations": 2, "adversaries": 1},
    }  # fmt: skip
    for name, settings in staged.items():
        small = {**settings, "attack_config": PONG_PPO}
        yield Golden(f"defense {name}", "baseline", name, small, rollouts=STAGED_ROLLOUTS)


def _bodies() -> Iterator[Golden]:
    for name in ("baseline", "dense", "ours"):
        yield Golden(f"{YSNP}: attack {name}", name, game=YSNP, victim=f"{YSNP} runner")
    yield Golden(
        f"{YSNP}: defense mixed, of a victim with a memory", "baseline", "mixed",
        game=YSNP, victim=f"{YSNP} runner lstm", rollouts=2,
    )  # fmt: skip


def train(golden: Golden, stock: Stock) -> Trained:
    """Do it, in a store that is thrown away.

    Raises:
        CheckFailed: the training failed.
    """
    with tempfile.TemporaryDirectory(prefix="bench-check-") as folder:
        store = Store(Path(folder))
        store.prepare()
        trainings = _trainings(golden, stock)
        failures = LocalExecutor(Worker(store, stock)).run(trainings, Silent())
        if failures:
            raise CheckFailed(f"{golden.name}: {failures[0].label}: {failures[0].message}")
        return _trained(store, trainings[-1])


def _trainings(golden: Golden, stock: Stock) -> list[Job]:
    """The training asked for, after the adversary that it needs where it is a defense's."""
    ppo = PONG_PPO if golden.game == PONG else MUJOCO_PPO
    rollout = ppo["matches"] * ppo.get("rollout_steps", 128)
    part = "attack" if golden.defense is None else "defense"
    settings = {"attack": dict(ppo), "defense": dict(ppo)}
    settings[part] |= golden.settings
    spec = resolve_run(
        victims=stock, game_name=golden.game, victim_names=[golden.victim],
        attack_names=[golden.attack], defense_names=[golden.defense] if golden.defense else [],
        seeds=1, tier="smoke", budget=golden.rollouts * rollout,
        settings={k: v for k, v in settings.items() if k == "attack" or golden.defense},
        command="bench check", track=WHITE_BOX,
    )  # fmt: skip
    jobs = make_plan(spec).jobs
    if golden.defense is None:
        return [next(job for job in jobs if job.kind == "attack")]
    hardening = next(job for job in jobs if job.kind == "harden")
    return [next(job for job in jobs if job.key in hardening.needs), hardening]


def _trained(store: Store, job: Job) -> Trained:
    """The weights and the whole curve, hashed; of the curve also what a person can read."""
    result, policy = store.result(job.key), store.policy(job.key)
    curve = CURVE.validate_python(result["curve"])
    weights = {
        name: hashlib.sha256(tensor.tobytes()).hexdigest()
        for name, tensor in policy.tensors().items()
    }
    return Trained(
        tally=Tally.sum(point.tally for point in curve),
        first=curve[0].diagnostics,
        last=curve[-1].diagnostics,
        digest=content_hash([weights, result["curve"]]),
    )
