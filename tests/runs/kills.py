"""Runs that are killed at random moments, again and again: what they leave behind in the end.

    python -m tests.runs.kills --kills 100        half an hour on two idle cores
    python -m tests.runs.kills --kills 3 --games pong-v1

A run trains, hardens and plays, on Pong with the defense that mixes and on You Shall Not Pass, with
one process and with workers. Each kill is a SIGKILL to the run or to one of its workers; the same
command is begun again until it ends by itself. Then its records must be those of a run that nobody
disturbed, the store must verify, and nothing half written may be left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.records.files import read
from benchmark.records.store import Store
from tests.factories import scribble

COMMAND = """
import sys
from benchmark.cli import main
sys.argv[0] = "bench"
main()
"""
HASTE = """
from benchmark.learning import checkpoint
checkpoint.EVERY_S = 0.2  # else most kills would find none
"""
"""What every process of a run begins with, its workers too: Python looks for a sitecustomize."""
TRACKER = b"multiprocessing.resource_tracker"
LOST = 3
"""The exit code of a run that lost a job to two deaths: the same command tries it again."""
KILLS_A_RUN = 5
PACE_S = 12.0
"""Between one kill and the next at most: about what a run's start and some training take."""
PONG = (
    "--game", "pong-v1", "--victim", "house-relu", "--defense", "mixed", "--budget", "800000",
    "--seeds", "2",
)  # fmt: skip
WALK = (
    "--game", "you-shall-not-pass-v1", "--victim", "runner", "--budget", "12288", "--seeds", "1",
    "--set", "attack.matches=16", "--set", "attack.rollout_steps=128",
    "--set", "attack.minibatch=512",
)  # fmt: skip
RUNS = {"pong-v1": PONG, "you-shall-not-pass-v1": WALK}


@dataclass
class Case:
    """One run, killed some times, and what is wrong with what it left."""

    game: str
    workers: int
    kills: int = 0
    resumed: int = 0
    """Starts of the run that found an unfinished training's checkpoint."""
    problems: tuple[str, ...] = ()


def argv(game: str, store: Path, workers: int) -> list[str]:
    """The command of a run."""
    return [
        sys.executable, "-c", COMMAND, "run", *RUNS[game], "--attack", "baseline",
        "--tier", "smoke", "--isolation", "process", "--workers", str(workers),
        "--store", str(store), "--json",
    ]  # fmt: skip


def prepared(store: Path) -> Store:
    """A store with two of the many policies that cannot walk: physics cares for no skill."""
    made = Store(store)
    for seed, seat in enumerate(("runner", "blocker")):
        policy = scribble(
            seed, name=seat, seat=seat, game="you-shall-not-pass-v1", obs_dim=380, act_dim=17
        )
        made.file_victim(policy)
    return made


def begin(game: str, store: Path, workers: int) -> subprocess.Popen[bytes]:
    """Begin a run, or go on with it."""
    haste = store.parent / "haste"
    haste.mkdir(exist_ok=True)
    (haste / "sitecustomize.py").write_text(HASTE)
    path = os.pathsep.join([str(haste), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    return subprocess.Popen(
        argv(game, store, workers), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=environment,
    )  # fmt: skip


def told(store: Path) -> dict[str, Any]:
    """All of a store's records that may not depend on when and where they were made."""
    left = {"timings", "provenance", "command"}
    return {
        path.stem: json.loads(read(path).model_dump_json(exclude=left))
        for path in sorted((store / "records").glob("*.json"))
    }


def processes(parent: int) -> list[int]:
    """A run and its workers; not the helper by which Python tidies up after them."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    try:
        found = [int(pid) for pid in children.read_text().split()]
        return [parent, *(pid for pid in found if TRACKER not in _command_of(pid))]
    except OSError:
        return [parent]


def _command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def disturb(
    game: str, store: Path, workers: int, rng: random.Random, kills: int
) -> tuple[int, int]:
    """Run to the end against so many kills: how many fell before, how often it was resumed."""
    done = resumed = 0
    while True:
        resumed += any(store.glob("work/*/checkpoint.safetensors"))
        process, before = begin(game, store, workers), done
        while done < kills and process.poll() is None:
            time.sleep(rng.uniform(0.0, PACE_S))
            if process.poll() is None:
                done += 1
                os.kill(rng.choice(processes(process.pid)), signal.SIGKILL)
        _, errors = process.communicate()
        if process.returncode == 0:
            return done, resumed
        ours = process.returncode in (-signal.SIGKILL, LOST) and done > before
        if not ours:
            raise AssertionError(f"exit code {process.returncode}: {errors.decode()[-2000:]}")


def problems(store: Path, expected: dict[str, Any]) -> Iterator[str]:
    """What is not as it should be after a disturbed run has ended."""
    found = told(store)
    if found.keys() != expected.keys():
        yield f"{len(found)} records, expected {len(expected)}"
    yield from (f"record {key} differs" for key in found if found[key] != expected.get(key))
    check = [sys.executable, "-c", COMMAND, "store", "verify", "--store", str(store)]
    verified = subprocess.run(check, capture_output=True, text=True, check=False)
    if verified.returncode:
        yield f"does not verify: {verified.stdout[-500:]}{verified.stderr[-500:]}"
    for path in (*store.rglob("*.tmp"), *store.glob("artifacts/.*"), *store.glob("work/*")):
        yield f"left behind: {path.relative_to(store)}"


def run(kills: int, games: Sequence[str], seed: int) -> Iterator[Case]:
    """Cases until there were so many kills; each is of another game, or number of workers."""
    rng, total, turn = random.Random(seed), 0, 0
    with tempfile.TemporaryDirectory(prefix="bench-kills-") as folder:
        expected: dict[str, dict[str, Any]] = {}
        for game in games:
            calm = prepared(Path(folder) / f"calm-{game}").root
            disturb(game, calm, 1, rng, 0)
            expected[game] = told(calm)
            assert expected[game], f"no record of {game}"
        while total < kills:
            case = Case(games[turn % len(games)], 1 + turn // len(games) % 2)
            store = prepared(Path(folder) / str(turn)).root
            wanted = min(KILLS_A_RUN, kills - total)
            case.kills, case.resumed = disturb(case.game, store, case.workers, rng, wanted)
            case.problems = tuple(problems(store, expected[case.game]))
            total, turn = total + case.kills, turn + 1
            yield case


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line a case; exit code 1 if anything was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--games", nargs="+", choices=list(RUNS), default=list(RUNS))
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    total = wrong = resumed = 0
    for case in run(asked.kills, asked.games, asked.seed):
        total, wrong = total + case.kills, wrong + bool(case.problems)
        resumed += case.resumed
        line = "; ".join(case.problems) or "as undisturbed"
        place = f"{case.game}, {case.workers} worker(s), {case.resumed} start(s) from a checkpoint"
        print(f"{total:4} kills  {place}: {line}", flush=True)
    print(f"{total} kills, {resumed} starts from a checkpoint, {wrong} run(s) with problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
