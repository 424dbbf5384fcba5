"""A file that may be a published policy: read whole, within a limit, refused in one line."""

from __future__ import annotations

from pathlib import Path

from benchmark.errors import Misuse

MAX_BYTES = 64 * 1024 * 1024


class BadZooFile(Misuse):
    """A file that is not one of the published policies, or one that was damaged."""


def size_of(path: Path) -> int:
    """A file's size in bytes; raises BadZooFile where it cannot be told."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise BadZooFile(f"{path}: cannot be read ({error.strerror or error})") from error


def check_size(path: Path) -> None:
    """Raise BadZooFile for a file that no published policy fills."""
    if size_of(path) > MAX_BYTES:
        raise BadZooFile(f"{path}: larger than {MAX_BYTES >> 20} MiB; not a published policy")


def read_bytes(path: Path) -> bytes:
    """A file's content; raises BadZooFile where it is too large or cannot be read."""
    check_size(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadZooFile(f"{path}: cannot be read ({error.strerror or error})") from error
