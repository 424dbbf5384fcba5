"""Exporting records: writing their rows, over reading the records."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from benchmark.leaderboard import board
from benchmark.records.export import KINDS, rows_of
from benchmark.records.tabular import FORMATS
from tests.perf import facts

RESULTS = Path(__file__).parents[2] / "results"


@pytest.mark.parametrize("what", ["matches", "curves"])
def test_export_over_reading(benchmark: Any, what: str) -> None:
    """Of the committed records, each format in turns with reading their files."""
    ratios: dict[str, list[float]] = {form: [] for form in FORMATS}

    def turn() -> None:
        started = time.perf_counter()
        records = list(board.read_results(RESULTS)[0].values())
        read = time.perf_counter() - started
        for form, write in FORMATS.items():
            started = time.perf_counter()
            write(KINDS[what][0], rows_of(records, what))
            ratios[form].append((time.perf_counter() - started) / read)

    benchmark.pedantic(turn, rounds=3, warmup_rounds=1)
    for form, found in ratios.items():
        facts.ratio(benchmark, f"time of {form} over reading", found[1:])
