"""What a clone of this repository costs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST = 60_000_000
"""Bytes: the board is to be full one day, and still cloned without a thought."""


def git(*args: str) -> str:
    """What git says of this checkout; skips the test where there is none."""
    try:
        return subprocess.run(
            ["git", "-C", str(ROOT), *args], check=True, capture_output=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")


def test_it_stays_under_60_mb() -> None:
    """Its files and their history together."""
    paths = [ROOT / name for name in git("ls-files", "-z").split("\0") if name]
    files = sum(path.lstat().st_size for path in paths if path.exists())
    counted = dict(line.split(": ") for line in git("count-objects", "-v").splitlines())
    history = 1024 * (int(counted["size"]) + int(counted["size-pack"]))
    assert 1_000_000 < files < files + history < MOST
