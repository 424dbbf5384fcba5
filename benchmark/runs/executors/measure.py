"""How fast a training is with all cores, and how fast several are with some cores each.

Plain PPO against the run's own victim, no method's code: which of the two ways wins depends on the
game (MuJoCo steps in threads, Pong does not) and on the machine, hardly on the method.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection

import numpy as np

from benchmark.arena.mixture import Mixture
from benchmark.errors import InfrastructureError
from benchmark.learning.loss import PPOConfig
from benchmark.learning.ppo import PPO
from benchmark.learning.progress import CurvePoint, Quiet
from benchmark.learning.threads import use_threads
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.executors.hand import Tools
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker
from benchmark.runs.staging import arena_of

SECONDS = 4.0
READY_S = 120.0
"""For imports and compilation on a slow machine."""
MEASURED = PPOConfig(
    matches=64, rollout_steps=128, minibatch=2048, epochs=4, learning_rate=3e-4, gamma=0.99,
    log_std=0.0, shards=2,
)  # fmt: skip
ENDLESS = 10**12


class _Enough(Exception):
    """The time is over."""


class _Stopwatch(Quiet):
    """Takes the time from the first update on, which compiles, to the first after SECONDS."""

    def __init__(self, wait_for: Connection):
        super().__init__()
        self._wait_for = wait_for
        self._begun: tuple[float, int] | None = None
        self.speed = 0.0

    def report(self, point: CurvePoint) -> None:
        now = time.perf_counter()
        if self._begun is None:
            self._wait_for.send("ready")
            self._wait_for.recv()
            self._begun = time.perf_counter(), point.steps
            return
        began, steps = self._begun
        if now - began >= SECONDS:
            self.speed = (point.steps - steps) / (now - began)
            raise _Enough


def speed(job: Job, tools: Tools, cores: Sequence[tuple[int, ...]]) -> float:
    """Environment steps a second of as many trainings at once as there are sets of cores.

    job: a training of the run, whose game and victim are taken.
    """
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        pairs = []
        for some in cores:
            ours, theirs = context.Pipe()
            process = context.Process(target=_measure, args=(theirs, job, tools, some))
            process.start()
            theirs.close()
            stack.callback(process.join)
            stack.callback(process.terminate)
            pairs.append(ours)
        try:
            for ours in pairs:
                if not ours.poll(READY_S):
                    raise InfrastructureError(f"no training began within {READY_S:.0f} s")
                ours.recv()
            for ours in pairs:
                ours.send("go")
            return sum(float(ours.recv()) for ours in pairs)
        except (EOFError, BrokenPipeError) as error:
            raise InfrastructureError(
                "a process that was to measure speed died; say --workers N"
            ) from error


def _measure(connection: Connection, job: Job, tools: Tools, cores: tuple[int, ...]) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    use_threads(tools.threads)
    store = Store(tools.store)
    victim = Worker(store, Victims(store.victims)).victim(job)
    plain = job.model_copy(update={"seed": 0})
    arena = arena_of(plain, job.seat, Mixture.of(victim), MEASURED.matches)
    watch = _Stopwatch(connection)
    try:
        PPO(arena, MEASURED, np.random.default_rng(0)).learn(ENDLESS, watch)
    except _Enough:
        connection.send(watch.speed)
