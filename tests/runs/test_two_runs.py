"""Two runs in processes of their own share one store: every training is done once, by either."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from benchmark.records.store import Store
from benchmark.runs.journal import journals

BENCH = "import sys; sys.argv[0] = 'bench'; from benchmark.cli import main; main()"
RUN = (
    "run", "--game", "pong-v1", "--victim", "house-relu", "--attack", "baseline", "--attack",
    "dense", "--seeds", "2", "--budget", "131072", "--isolation", "process", "--workers", "1",
)  # fmt: skip


def test_two_processes_on_one_store(tmp_path: Path) -> None:
    """Both say to their end what they did; together it is the plan, and nothing of it twice."""
    command = [sys.executable, "-c", BENCH, *RUN, "--store", str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(2)
    ]
    said = [run.communicate(timeout=300)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    trained = re.findall(r"^done (train .*?, seed \d)", "\n".join(said), re.M)
    wanted = [f"train {a}, house-relu, seed {s}" for a in ("baseline", "dense") for s in (0, 1)]
    assert sorted(trained) == wanted
    store = Store(tmp_path)
    assert len(store.records()) == len(wanted)
    assert {journal.ended is not None for journal in journals(store)} == {True}
    assert not list(tmp_path.glob("work/*"))
    assert not list(tmp_path.rglob("*.tmp"))
