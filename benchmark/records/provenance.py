"""Where a record was made: commit, packages, machine."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmark import __version__
from benchmark.cores import available_cores
from benchmark.learning.threads import current_threads

CODE = ("benchmark", "attacks", "defenses", "pyproject.toml", "requirements.lock")
PACKAGES = ("numpy", "torch", "numba", "mujoco", "gymnasium", "scipy")
_ROOT = Path(__file__).resolve().parents[2]


def collect() -> dict[str, Any]:
    """Facts about this machine and this checkout; absent ones are null."""
    commit = _git("rev-parse", "HEAD")
    return {
        "benchmark": __version__,
        "origin": _git("remote", "get-url", "origin"),
        "commit": commit,
        "dirty": None if commit is None else _git("status", "--porcelain", "--", *CODE) != "",
        "lock": _sha256(_ROOT / "requirements.lock"),
        "packages": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": cpu(),
        "cores": available_cores(),
        "threads": current_threads(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _git(*arguments: str) -> str | None:
    if not (_ROOT / ".git").exists():  # an installed package, perhaps inside another repository
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(_ROOT), *arguments],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def cpu() -> str:
    """What this machine calls its processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def resumed(began: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The provenance of a training that another process goes on with.

    What differs by then, the date aside, is listed under `resumed`, the last time last.
    """
    differs = {k: v for k, v in now.items() if k != "date" and v != began.get(k)}
    earlier = list(began.get("resumed", []))
    if not differs or differs in earlier[-1:]:
        return began
    return {**began, "resumed": [*earlier, differs]}
