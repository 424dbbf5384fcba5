"""Tests marked `browser` need Debian's Chromium and the playwright package; without, they are
skipped and say why. BENCH_NEEDS_BROWSER=1 makes that a failure.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.page.folder import replace_folder
from benchmark.page.site import site
from benchmark.records.files import to_json
from benchmark.records.record import Record
from tests.factories import attacked, defended, method

Write = Callable[..., Path]


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker."""
    config.addinivalue_line("markers", "browser: needs Chromium and playwright")


def unavailable(reason: str) -> None:
    """Skip, or fail where a browser was promised."""
    if os.environ.get("BENCH_NEEDS_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A running headless Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        unavailable("no chromium: apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be missing
    except ImportError as error:
        unavailable(f"{error}: pip install playwright")
    with sync_playwright() as driver:
        # Chromium refuses its sandbox to root, which is who runs tests in a container.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


def swept(p: float, *, stored: int = 9, seed: int = 0, rate: float = 0.5) -> Record:
    """A cell of a defense whose share p is set."""
    record = defended(stored, 90, 70 + seed, seed=seed, tier="lite")
    settings = method("mixed", p=p, rate=rate)
    cell = record.cell.model_copy(update={"defense": settings})
    return record.model_copy(update={"id": cell.id, "cell": cell})


def some_records() -> list[Record]:
    """Two games and tiers, two attacks on two victims, a sweep of a defense: what a page shows."""
    made = [
        attacked(wins + seed, attack=attack, victim=victim, seed=seed, tier="lite",
                 others=[other])
        for attack, victim, other, wins in (
            ("ours", "house", "rival", 150),
            ("ours", "rival", "house", 90),
            ("dense", "house", "rival", 9),
            ("dense", "rival", "house", 120),
        )
        for seed in range(3)
    ]  # fmt: skip
    made += [
        swept(p, stored=80 - 20 * at, seed=seed)
        for at, p in enumerate((0.0, 0.5, 1.0))
        for seed in range(2)
    ]
    return [*made, attacked(100, game="sumo-ants-v1", track="white-box", tier="smoke")]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the site of records and gives its folder."""

    def write_site(records: list[Record], problems: list[str] | None = None) -> Path:
        found = {}
        (tmp_path / "results").mkdir(exist_ok=True)
        for record in records:
            path = tmp_path / "results" / f"{record.id}.json"
            path.write_bytes(to_json(record))
            found[path] = record
        replace_folder(tmp_path / "site", site(found, problems or []))
        return tmp_path / "site"

    return write_site
