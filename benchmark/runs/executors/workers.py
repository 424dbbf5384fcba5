"""How many workers a run gets: what was asked for, or what is faster on this machine."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmark.cores import cores
from benchmark.disk import write_atomically
from benchmark.errors import Misuse
from benchmark.records import provenance
from benchmark.records.store import Store, storage_errors
from benchmark.runs.executors.executor import Executor
from benchmark.runs.executors.hand import Tools
from benchmark.runs.executors.measure import speed
from benchmark.runs.job import Job

AUTO = "auto"
WORTH_S = 120.0
"""Of expected work: with less the measuring, half a minute, does not pay."""
SPEEDS = "speeds.json"

Sets = list[tuple[int, ...]]


@dataclass(frozen=True)
class Workers:
    """The cores of each worker, and why so; one worker works in the run's own process."""

    cores: Sets
    note: str
    gain: float | None = 1.0
    """How much faster than one worker they are together; None where that was not measured."""
    executor: Executor | None = None
    """Who does the jobs, where that is not processes of this machine."""

    @classmethod
    def alone(cls) -> Workers:
        """One, on all cores."""
        return cls([cores()], "1")

    @property
    def count(self) -> int:
        """How many jobs are done at once."""
        return len(self.cores)


def workers(
    asked: str, jobs: list[Job], seconds: float, tools: Tools, say: Callable[[str], None]
) -> Workers:
    """What `--workers` comes to for jobs that take so many seconds one by one.

    say: told before a measurement, which takes half a minute and is kept in the store.

    Raises:
        Misuse: not a number, or more workers than cores.
    """
    mine = cores()
    if asked != AUTO:
        return _asked(asked, mine)
    wide = min(len(mine), at_once(jobs, Store(tools.store)))
    if wide < 2:
        return Workers([mine], "1, one training at a time with all cores")
    if seconds < WORTH_S:
        return Workers([mine], "1, since there is little to do")
    return _faster(jobs, wide, mine, tools, say)


def _asked(asked: str, mine: tuple[int, ...]) -> Workers:
    if not (asked.isascii() and asked.isdecimal()) or int(asked) < 1:
        raise Misuse(f"--workers: expected 1 or more, or '{AUTO}', got '{asked}'")
    count = int(asked)
    if count > len(mine):
        raise Misuse(
            f"--workers {count}: this process may use {len(mine)} core(s), and each worker needs "
            "one of its own"
        )
    return Workers(split(mine, count), f"{count}, as asked for", None if count > 1 else 1.0)


def split(mine: tuple[int, ...], count: int) -> Sets:
    """Cores shared out evenly: no core twice, none left over."""
    return [mine[k * len(mine) // count : (k + 1) * len(mine) // count] for k in range(count)]


def at_once(jobs: list[Job], store: Store) -> int:
    """The most trainings that can be under way together: those as far from the plan's start."""
    depth: dict[str, int] = {}
    wide: dict[int, int] = {}
    for job in jobs:  # in an order in which needs come first
        done = store.has(job.key)
        before = max((depth.get(key, 0) for key in job.needs), default=0)
        depth[job.key] = before + (0 if done else 1)
        if job.budget_steps and not done:
            wide[depth[job.key]] = wide.get(depth[job.key], 0) + 1
    return max(wide.values(), default=0)


def _faster(
    jobs: list[Job], wide: int, mine: tuple[int, ...], tools: Tools, say: Callable[[str], None]
) -> Workers:
    """One training with all cores or several with some each, by what was measured here."""
    apart = split(mine, wide)
    against = [job for job in jobs if job.budget_steps and job.victim.source == "victim"]
    if not against:  # what is left of a run is against victims that it has yet to harden
        return Workers(apart, f"{wide}, not measured", None)
    probe, store = against[0], Store(tools.store)
    kept = _kept(store)
    where = f"{len(mine)} cores, {tools.threads} thread(s), {provenance.cpu()}"
    name = f"{probe.game}, {wide} at once, {where}"
    if name not in kept:
        say(f"measuring whether one training or {wide} at once are faster here; half a minute")
        found = {"one": speed(probe, tools, [mine]), "several": speed(probe, tools, apart)}
        kept[name] = {way: round(steps) for way, steps in found.items()}
        with storage_errors(store.root):
            store.root.mkdir(parents=True, exist_ok=True)  # the first run makes it only later
            write_atomically(store.root / SPEEDS, (json.dumps(kept, indent=1) + "\n").encode())
    one, several = kept[name]["one"], kept[name]["several"]
    told = f"measured: {several:,} steps/s of {wide} at once, {one:,} of one with all cores"
    if several <= one:
        return Workers([mine], f"1, {told}")
    return Workers(apart, f"{wide}, {told}", several / one)


def _kept(store: Store) -> dict[str, Any]:
    """Earlier measurements on this store."""
    with contextlib.suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads((store.root / SPEEDS).read_bytes())
        return found
    return {}
