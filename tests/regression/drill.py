"""Faults planted in the source of a copy, and unchanged repeats: what `bench check replay` says.

    python -m tests.regression.drill faults            one replay a fault; minutes
    python -m tests.regression.drill faults --weak     as if no baseline were of this platform
    python -m tests.regression.drill facts             the same by the facts alone; a minute
    python -m tests.regression.drill repeats --count 20
    python -m tests.regression.drill pool --store DIR  trainings of a store, split at random

A fault is a line of code that is replaced by another, so that compiled rules are reached too. The
measured answers are in docs/regression.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmark.records.store import Store
from benchmark.regression import baseline, training
from benchmark.regression.baseline import FOLDER
from benchmark.regression.falls import falls

ROOT = Path(__file__).parents[2]
COPIED = ("benchmark", "attacks", "defenses", "tests/regression")
COMMAND = "import sys; from benchmark import cli; sys.argv = ['bench', *sys.argv[1:]]; cli.main()"


FACTS = """
import json
from benchmark.regression import baseline, facts
from benchmark.regression.stock import Stock
before = next(iter(baseline.replays(baseline.FOLDER)[0].values()))
now = facts.measure(Stock(baseline.FOLDER / baseline.POLICIES))
print(json.dumps([one.model_dump() for one in facts.compare(before.facts, now) if one.failed]))
"""


class Fault(NamedTuple):
    """One line of one file, and what it becomes."""

    name: str
    file: str
    right: str
    wrong: str


FAULTS = (
    Fault(
        "the learner's advantage, its sign turned", "benchmark/learning/ppo.py",
        "self.hooks.advantages(rollout, advantages)", "self.hooks.advantages(rollout, -advantages)",
    ),
    Fault(
        "the saliency weight of `ours`, 1 / (2 + d) for 1 / (1 + d)", "attacks/saliency.py",
        "return 1.0 / (1.0 + distance)", "return 1.0 / (2.0 + distance)",
    ),
    Fault(
        "the reward of `ours`, its sign turned", "attacks/ours.py",
        "rollout.pay(bonus(", "rollout.pay(-bonus(",
    ),
    Fault(
        "Pong's serve, 2 % faster along x", "benchmark/games/pong_kernel.py",
        "direction * (2.0 + 0.5", "direction * (2.04 + 0.5",
    ),
    Fault(
        "MuJoCo's timestep, 3.03 ms for 3 ms", "benchmark/games/scene.py",
        "TIMESTEP = 0.003\n", "TIMESTEP = 0.00303\n",
    ),
    Fault(
        "the floor's friction, 1.01 for 1", "benchmark/games/scene.py",
        "FLOOR_FRICTION = (1.0,", "FLOOR_FRICTION = (1.01,",
    ),
    Fault(
        "one evaluation seed of every list", "benchmark/evaluation/matches.py",
        '"episode", k) for k', '"episode", k + 10_000 * (k == 7)) for k',
    ),
)  # fmt: skip


def copied(fault: Fault | None, into: Path) -> Path:
    """A copy of the source with a fault in it; raises ValueError where its line is not there."""
    for part in COPIED:
        shutil.copytree(ROOT / part, into / part, ignore=shutil.ignore_patterns("__pycache__"))
    if fault is not None:
        path = into / fault.file
        text = path.read_text(encoding="utf-8")
        if text.count(fault.right) != 1:
            raise ValueError(
                f"{fault.file}: '{fault.right}' is there {text.count(fault.right)} times"
            )
        path.write_text(text.replace(fault.right, fault.wrong), encoding="utf-8")
    return into


def estranged(home: Path) -> Path:
    """The copy with baselines of another platform only, so that bits are not compared."""
    folder = home / FOLDER
    for path, one in baseline.replays(folder)[0].items():
        platform = one.platform.model_copy(update={"vendor": "none"})
        other = one.model_copy(update={"platform": platform})
        baseline.write(other, folder, baseline.replay_name(platform))
        path.unlink()
    return home


def replayed(home: Path) -> tuple[int, list[dict[str, Any]]]:
    """The exit code of `bench check replay` in a copy, and its findings."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "check", "replay", "--json"],
        cwd=home, env={**os.environ, "PYTHONPATH": str(home)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    return done.returncode, json.loads(done.stdout)["findings"]


def faults(*, weak: bool) -> int:
    """Every fault alone: a line of a table each. 1 where one is missed."""
    missed = 0
    print("| fault | exit | comparisons that fail | of these with other counts | such as |")
    print("|---|---|---|---|---|")
    for fault in FAULTS:
        with tempfile.TemporaryDirectory() as folder:
            home = copied(fault, Path(folder))
            code, findings = replayed(estranged(home) if weak else home)
        failed = [one for one in findings if one["failed"]]
        counted = [one for one in failed if one["before"] != one["now"]]
        worst = told(max(failed, key=wins_moved)) if failed else "-"
        print(f"| {fault.name} | {code} | {len(failed)} of {len(findings)} | {len(counted)} |"
              f" {worst} |", flush=True)  # fmt: skip
        missed += code == 0
    return int(missed > 0)


def by_facts() -> int:
    """Every fault alone, and which facts are no longer so; of a method's reward there are none."""
    print("| fault | facts that fail, of 10 groups | such as |\n|---|---|---|")
    for fault in FAULTS:
        with tempfile.TemporaryDirectory() as folder:
            home = copied(fault, Path(folder))
            done = subprocess.run(
                [sys.executable, "-c", FACTS], cwd=home,
                env={**os.environ, "PYTHONPATH": str(home)}, capture_output=True, text=True,
                check=True,
            )  # fmt: skip
        failed = json.loads(done.stdout)
        worst = told(failed[0]) if failed else "-"
        print(f"| {fault.name} | {len(failed)} | {worst} |", flush=True)
    return 0


def wins_moved(finding: dict[str, Any]) -> int:
    """By how many wins the two sides of a finding differ."""
    facts = finding["facts"]
    if "now" not in facts:  # of a constant
        return 0
    return abs(int(facts["now"]["wins"]) - int(facts["before"]["wins"]))


def told(finding: dict[str, Any]) -> str:
    """What it is about and what it says."""
    return f"{finding['name']}: {finding['change']}"


def repeats(count: int) -> int:
    """The unchanged source again and again, in processes of their own. 1 where one alarms."""
    with tempfile.TemporaryDirectory() as folder:
        home = copied(None, Path(folder))
        codes = []
        for _ in range(count):
            codes.append(replayed(home)[0])
            print(f"exit codes so far: {codes}", flush=True)
    return int(any(codes))


def pool(store: Path, rounds: int = 10_000) -> int:
    """The seeds of a store, split at random into 20 for a baseline and the rest: how many alarm."""
    trained = training.measured(Store(store).records())
    cells = [list(wins.values()) for wins in trained.cells.values()]
    rng = np.random.default_rng(0)
    alarms = []
    for _ in range(rounds):
        split = [rng.permutation(wins) for wins in cells]
        old = [wins[: training.BASELINE_SEEDS].tolist() for wins in split]
        new = [wins[training.BASELINE_SEEDS :].tolist() for wins in split]
        alarms.append(any(one.regressed for one in falls(old, new, trained.episodes)))
    print(f"seeds {[len(wins) for wins in cells]}: {sum(alarms)} of {rounds} splits alarm, "
          f"{sum(alarms[:20])} of the first twenty")  # fmt: skip
    return int(any(alarms[:20]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["faults", "facts", "repeats", "pool"])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--weak", action="store_true")
    parser.add_argument("--store", type=Path, default=Path("store"))
    given = parser.parse_args()
    if given.what == "pool":
        return pool(given.store)
    if given.what == "facts":
        return by_facts()
    return faults(weak=given.weak) if given.what == "faults" else repeats(given.count)


if __name__ == "__main__":
    sys.exit(main())
