"""What the socket costs: training before a referee's process over training in one's own, in turns.

    make perf

Both plans play the very same matches. Wall time counts where the machine is otherwise idle;
microseconds of a vector step are those of the transport: remote less in-process, nothing learned.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attacks.baseline import Baseline
from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.arena.mixture import Mixture
from benchmark.arena.remote import RemoteArena
from benchmark.learning.progress import Quiet
from benchmark.policies import artifact
from benchmark.policies.policy import Policy
from benchmark.registry import Victims
from tests.perf import facts
from tests.perf.test_you_shall_not_pass_speed import VICTIM

STEPS = {"pong-v1": 4 * 65_536, "you-shall-not-pass-v1": 2 * 16_384}
ASKED = {"pong-v1": 1.25, "you-shall-not-pass-v1": 1.10}
ROUNDS = {"pong-v1": 9, "you-shall-not-pass-v1": 5}
VECTOR_STEPS = {"pong-v1": 256, "you-shall-not-pass-v1": 64}
SEED_BASE = 1


def _victim(game: str) -> Policy:
    return Victims().load("house-tanh") if game == "pong-v1" else VICTIM


def _local(game: str, matches: int) -> Arena:
    batch = registry.game(game)
    seat = batch.describe().adversary_seat
    mixture = Mixture.of(_victim(game))
    return Arena(batch(matches), seat, mixture, seed=0, seed_base=SEED_BASE)


@contextmanager
def _remote(game: str, matches: int, folder: Path) -> Iterator[RemoteArena]:
    """An arena before a referee in a process of its own."""
    folder.mkdir()
    artifact.save(_victim(game), folder / "victim")
    spec = {
        "game": game, "seat": registry.game(game).describe().adversary_seat,
        "members": {"victim": str(folder / "victim")}, "mixture": [["victim", 1.0]],
        "budget_steps": 10**9, "seed_base": SEED_BASE,
    }  # fmt: skip
    (folder / "spec").write_text(json.dumps(spec))
    named = [f"--{k}={folder / k}" for k in ("spec", "socket", "arrays", "snapshots", "ledger")]
    process = subprocess.Popen([sys.executable, "-m", "benchmark.arena.referee", *named])
    try:
        deadline = time.monotonic() + 60
        while not (folder / "ledger").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        arena = RemoteArena.connect(folder / "socket", folder / "arrays", matches)
        yield arena
        arena.close()
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()


def _seconds(arena: Arena, game: str, progress: Quiet) -> float:
    card = registry.game(game).describe()
    attack = Baseline(Baseline.configure(card, {}))
    begun = time.perf_counter()
    attack.train(arena, STEPS[game], np.random.default_rng(0), progress)
    return time.perf_counter() - begun


@pytest.mark.parametrize("game", STEPS)
def test_training_before_a_referee_in_turns_with_training_alone(
    benchmark: Any, game: str, tmp_path: Path
) -> None:
    matches = Baseline.configure(registry.game(game).describe(), {}).matches
    ratios: list[float] = []
    told: dict[str, Quiet] = {}
    with _remote(game, matches, tmp_path / "run") as remote:
        local = _local(game, matches)

        def pair() -> None:
            told["alone"], told["before a referee"] = Quiet(), Quiet()
            alone = _seconds(local, game, told["alone"])
            ratios.append(_seconds(remote, game, told["before a referee"]) / alone)

        benchmark.pedantic(pair, rounds=ROUNDS[game], warmup_rounds=1)
    what = "wall time before a referee over alone"
    facts.ratio(benchmark, what, ratios[1:], asked=ASKED[game])
    for who, progress in told.items():
        facts.won(benchmark, who, progress.curve)


@pytest.mark.parametrize("game", STEPS)
def test_microseconds_of_a_vector_step(benchmark: Any, game: str, tmp_path: Path) -> None:
    card = registry.game(game).describe()
    matches = Baseline.configure(card, {}).matches
    seat = card.seats[card.seat_index(card.adversary_seat)]
    shape = (VECTOR_STEPS[game], matches, seat.act_dim)
    actions = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)

    def each(arena: Arena) -> float:
        arena.reset(seed=1)
        begun = time.perf_counter()
        for action in actions:
            arena.step(action)
        return 1e6 * (time.perf_counter() - begun) / len(actions)

    local_us: list[float] = []
    remote_us: list[float] = []
    with _remote(game, matches, tmp_path / "run") as remote:
        local = _local(game, matches)

        def pair() -> None:
            local_us.append(each(local))
            remote_us.append(each(remote))

        benchmark.pedantic(pair, rounds=9, warmup_rounds=1)
    alone, before = float(np.median(local_us[1:])), float(np.median(remote_us[1:]))
    ratios = np.array(remote_us[1:]) / np.array(local_us[1:])
    facts.ratio(benchmark, "vector step before a referee over alone", ratios)
    benchmark.extra_info["local_us"] = round(alone)
    benchmark.extra_info["remote_us"] = round(before)
    benchmark.extra_info["transport_us"] = round(before - alone)
    benchmark.extra_info["least_transport_us"] = round(min(remote_us[1:]) - min(local_us[1:]))
