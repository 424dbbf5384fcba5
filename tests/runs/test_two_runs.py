"""Two runs in processes of their own share one store: every job is done once, by either."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmark.records.store import Store
from benchmark.runs.journal import journals

BENCH = """
import os, sys
from typing import Any
from benchmark.cli import main
from benchmark.runs.jobs import Worker

run = Worker.run

def noted(self: Worker, job: Any, *rest: Any) -> Any:
    with open(os.environ["DONE"], "a") as file:
        file.write(f"{os.getpid()} {job.key}\\n")
    return run(self, job, *rest)

Worker.run = noted
sys.argv[0] = "bench"
main()
"""
RUN = (
    "run", "--game", "pong-v1", "--victim", "house-relu", "--attack", "baseline", "--attack",
    "dense", "--seeds", "2", "--budget", "131072", "--isolation", "process", "--workers", "1",
)  # fmt: skip


def test_two_processes_on_one_store(tmp_path: Path) -> None:
    """Together they do the plan, and nothing of it twice; each reaches its end."""
    store, done = Store(tmp_path / "store"), tmp_path / "done"
    command = [sys.executable, "-c", BENCH, *RUN, "--store", str(store.root)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DONE": str(done)}
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    said = [run.communicate(timeout=300)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    keys = [line.split()[1] for line in done.read_text().splitlines()]
    assert len(keys) == len(set(keys))
    (run, *others) = journals(store)
    assert set(keys) == {entry.key for entry in run.jobs}
    assert all(journal.ended is not None for journal in (run, *others))
    assert len(store.records()) == 4
    assert not list(store.root.glob("work/*"))
    assert not list(store.root.rglob("*.tmp"))
