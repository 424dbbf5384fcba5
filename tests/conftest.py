"""For all tests: methods run in this process, whatever engine the machine has."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of containers ask for them by name."""
    monkeypatch.setenv("BENCH_ISOLATION", "process")
