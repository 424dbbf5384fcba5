"""Where the tests of commands run, and how little they play."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.records.files import to_json
from benchmark.runs.spec import EPISODES
from tests.factories import attacked, defended


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command runs in an empty folder and with a store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_STORE", str(tmp_path / "store"))
    return tmp_path


@pytest.fixture
def few_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairings of 20 episodes, where a test is not about them."""
    monkeypatch.setitem(EPISODES, "smoke", 20)


@pytest.fixture
def results(elsewhere: Path) -> Path:
    """Two records in results/."""
    folder = elsewhere / "results"
    folder.mkdir()
    for record in (attacked(50), defended(20, 10, 30)):
        (folder / f"{record.id}.json").write_bytes(to_json(record))
    return folder
