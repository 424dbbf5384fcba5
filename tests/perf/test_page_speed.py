"""The page of ten thousand records in Chromium: opening, sorting and filtering its index."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmark.page.site import STATIC, site
from tests.page.conftest import chromium as chromium  # noqa: PLC0414 - a fixture
from tests.perf.test_leaderboard_speed import curved, many

PAINTED = "new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
SORT = """() => {
  const longest = Array.from(document.querySelectorAll('main table'))
    .sort((a, b) => b.rows.length - a.rows.length)[0];
  longest.tHead.querySelector('th.n button').click();
  return longest.rows.length;
}"""
FILTER = """() => {
  const field = document.querySelector('form.filters input');
  field.value = 'a77';
  field.dispatchEvent(new Event('input', {bubbles: true}));
}"""


class Clock:
    """Wall time until the next picture, and the page's own CPU time: other processes take none."""

    def __init__(self, page: Any):
        self._page, self._metrics = page, page.context.new_cdp_session(page)
        self._metrics.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
        self._metrics.send("Performance.enable")

    def _cpu(self) -> float:
        found = self._metrics.send("Performance.getMetrics")["metrics"]
        return float(next(m["value"] for m in found if m["name"] == "TaskDuration"))

    def __call__(self, act: Any) -> dict[str, float]:
        """Seconds that an act took."""
        cpu, started = self._cpu(), time.perf_counter()
        act()
        self._page.evaluate(PAINTED)
        wall = time.perf_counter() - started
        return {"wall_s": round(wall, 3), "cpu_s": round(self._cpu() - cpu, 3)}


@pytest.fixture(scope="module")
def index(tmp_path_factory: Any) -> Path:
    """The index alone, with the files that it needs."""
    folder: Path = tmp_path_factory.mktemp("site")
    records = {Path(record.id): curved(record, 60) for record in many()}
    made = site(records)
    name, content = next(made)
    assert isinstance(content, bytes)
    (folder / name).write_bytes(content)
    for static in STATIC:
        source = Path(__file__).parents[2] / "benchmark" / "page" / "static" / static
        (folder / static).write_bytes(source.read_bytes())
    return folder / name


@pytest.mark.benchmark(group="page")
def test_the_index_of_ten_thousand_records(
    benchmark: BenchmarkFixture, chromium: Any, index: Path
) -> None:
    """Asked: opens and sorts in under a second each."""
    found: list[dict[str, Any]] = []

    def look() -> None:
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        clock = Clock(page)
        opened = clock(lambda: page.goto(index.as_uri()))
        sorted_ = clock(lambda: page.evaluate(SORT))
        filtered = clock(lambda: page.evaluate(FILTER))
        nodes = page.evaluate("document.querySelectorAll('*').length")
        found.append({"open": opened, "sort": sorted_, "filter": filtered, "nodes": nodes})
        page.close()

    benchmark.pedantic(look, rounds=3, warmup_rounds=1)
    benchmark.extra_info.update(page=found, index_kb=index.stat().st_size // 1000)
