"""Ten thousand records: reading them, and rendering the page; seconds and memory."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmark.evaluation.protocol import TIER_STEPS
from benchmark.leaderboard import board
from benchmark.leaderboard.table import to_markdown
from benchmark.leaderboard.tables import tables
from benchmark.learning.progress import CurvePoint
from benchmark.records.files import read, to_json
from benchmark.records.record import Record
from tests.factories import attacked, defended, tally

GAMES = ("pong-v1", "sumo-ants-v1", "kick-and-defend-v1", "you-shall-not-pass-v1")
VICTIMS, SEEDS, ATTACKS, DEFENSES = 5, 5, 80, 20
ROOT = Path(__file__).parents[2]


def many() -> Iterator[Record]:
    """8000 undefended cells of tier full and 2000 defended ones, in four games."""
    rng = np.random.default_rng(0)
    for game in GAMES:
        for victim in range(VICTIMS):
            for seed in range(SEEDS):
                cell: dict[str, Any] = {
                    "game": game, "game_options": {}, "victim": f"v{victim}", "seed": seed,
                }  # fmt: skip
                for k in range(ATTACKS):
                    won = int(rng.binomial(1000, rng.beta(2 + k / 10, 4)))
                    others = [f"v{v}" for v in range(VICTIMS) if v != victim]
                    yield attacked(
                        won, attack=f"a{k}", tier="full", episodes=1000, others=others,
                        budget_steps=TIER_STEPS[game]["full"], **cell,
                    )  # fmt: skip
                for k in range(DEFENSES):
                    wins = rng.integers(0, 200, 3).tolist()
                    yield defended(*wins, tier="lite", defense=f"d{k}", **cell)


def curved(record: Record, points: int = 80) -> Record:
    """The record with as long a curve as committed records have on average."""
    curve = [
        CurvePoint(
            steps=1000 // points * (k + 1), tally=tally(k % 10, 10),
            diagnostics={"explained_variance": 0.5, "log_std": -0.5, "loss": 0.01},
        )
        for k in range(points)
    ]  # fmt: skip
    return record.model_copy(update={"curves": {"attack": curve}})


def peak_mb() -> float:
    """The most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


@pytest.mark.benchmark(group="leaderboard")
def test_rendering(benchmark: BenchmarkFixture) -> None:
    """Records to the text of all tables, links included."""
    records = list(many())
    links = {record.id: f"results/{record.id}.json" for record in records}
    before = peak_mb()
    text = benchmark.pedantic(lambda: to_markdown(tables(records, links)), rounds=1, iterations=1)
    assert text.count(".json)") >= len(records)
    benchmark.extra_info.update(records=len(records), mb_before=before, mb_peak=peak_mb())


@pytest.mark.benchmark(group="leaderboard")
def test_reading_and_rendering(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """What `bench leaderboard` does with ten thousand files, each with a curve of 80 points."""
    results = tmp_path / "results"
    results.mkdir()
    size = 0
    for record in many():
        payload = to_json(curved(record))
        size += len(payload)
        (results / f"{record.id}.json").write_bytes(payload)

    def whole() -> str:
        found, problems = board.read_results(results)
        return board.render(found, tmp_path / "leaderboard.md", problems)

    text = benchmark.pedantic(whole, rounds=1, iterations=1)
    assert "refused" not in text
    benchmark.extra_info.update(mean_kb=size / 1e4 / 1000, mb_peak=peak_mb())


@pytest.mark.benchmark(group="leaderboard: one committed record")
def test_reading_a_committed_record(benchmark: BenchmarkFixture) -> None:
    """Each file once in a round; the mean is of all of them."""
    paths = sorted((ROOT / "results").rglob("*.json"))
    benchmark(lambda: [read(path) for path in paths])
    benchmark.extra_info.update(
        records=len(paths), mean_kb=sum(p.stat().st_size for p in paths) / len(paths) / 1000
    )
