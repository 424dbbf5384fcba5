"""What a clone of this repository costs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST = 60_000_000
"""Bytes: the board is to be full one day, and still cloned without a thought."""


def git(*args: str) -> str:
    """What git says of this checkout."""
    command = ["git", "-C", str(ROOT), *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an archive, which has no history")
def test_it_stays_under_60_mb() -> None:
    """Its files and their history together; what lies about unreachable is no part of a clone."""
    paths = [ROOT / name for name in git("ls-files", "-z").split("\0") if name]
    files = sum(path.lstat().st_size for path in paths if path.exists())
    history = int(git("rev-list", "--disk-usage", "--objects", "HEAD"))
    assert 1_000_000 < files < files + history < MOST
