"""What lies on disk in a store besides finished things: what died half-done, and since when."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from benchmark.errors import disk_errors
from benchmark.records.store import STAGING, STALE_S

TEMPORARY = ".*.tmp"
"""Names of what `write_atomically` writes first."""


def leftovers(root: Path, parts: tuple[str, ...] = ("artifacts", "work")) -> list[Path]:
    """Staging folders and temporary files; some of them may be in use at this moment."""
    found = list(entries(root / "artifacts", STAGING + "*"))
    for part in parts:
        found += entries(root / part, TEMPORARY)
        for folder in folders(root / part):
            found += entries(folder, TEMPORARY)
    return sorted(found)


def folders(home: Path) -> list[Path]:
    """The folders of finished or unfinished things in a part of a store, links left out."""
    found = entries(home, "*")
    return [one for one in found if _is_folder(one) and not one.name.startswith(".")]


def links(home: Path) -> list[Path]:
    """What in a part of a store is a link, the part itself included: nobody follows it."""
    return [one for one in (home, *entries(home, "*")) if one.is_symlink()]


def entries(home: Path, pattern: str) -> list[Path]:
    """What a folder holds under names of this pattern; nothing where it is no folder of its own.

    Raises:
        InfrastructureError: it cannot be read, so that nobody knows what it holds.
    """
    if not _is_folder(home):
        return []
    with disk_errors(home, "make it readable, or give another --store"):
        return sorted(home / name for name in os.listdir(home) if fnmatchcase(name, pattern))


def is_stale(path: Path, now: float, after_s: float = STALE_S) -> bool:
    """Whether nothing in it was touched for so long.

    A time to come, of a clock that was set back since, is no long time ago.
    """
    return now - touched(path) > after_s


def touched(path: Path) -> float:
    """When it or anything in it was last changed; now and ever where it is gone meanwhile."""
    return max((found.st_mtime for found in _walk(path)), default=float("inf"))


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(found.st_size for found in _walk(path) if stat.S_ISREG(found.st_mode))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _walk(path: Path) -> Iterator[os.stat_result]:
    """The status of a path and of all that is in it; links are not followed."""
    try:
        found = path.lstat()
        inside = list(path.iterdir()) if stat.S_ISDIR(found.st_mode) else []
    except OSError:  # removed by whoever it belongs to
        return
    yield found
    for one in inside:
        yield from _walk(one)
