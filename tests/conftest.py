"""For all tests: methods run in this process, whatever engine the machine has; no test is timed."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# A busy machine fails nothing: speed is measured in tests/perf.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of containers ask for them by name."""
    monkeypatch.setenv("BENCH_ISOLATION", "process")
