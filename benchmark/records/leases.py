"""Leases: runs that share a store share its work, and no two do the same job.

A lease is a lock of the kernel's on a file. Whoever dies loses it at once, however it died, and no
clock is asked; on a shared file system, that must be one that carries flock (NFS 4, Lustre, Ceph).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark.errors import InfrastructureError

FOLDER = "leases"


class Taken(InfrastructureError):
    """Somebody else does this at the moment."""


@contextlib.contextmanager
def lease(root: Path, key: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold what a key names in the store at `root`, until the block ends or the process does.

    Raises:
        Taken: somebody else holds it, for longer than wait_s.
    """
    with hold(_path(root, key), wait_s):
        yield


@contextlib.contextmanager
def hold(path: Path, wait_s: float = 0.0) -> Iterator[None]:
    """The same by a file of one's own, which is gone afterwards.

    Raises:
        Taken: somebody else holds it, for longer than wait_s.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not of a thread: a lease may be let go from another one than took it.
    lock = FileLock(path, timeout=wait_s, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise Taken(f"{path}: held by another process; let it end, then try again") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: a lock on an unlinked file is no lock
        lock.release()


def held(root: Path, key: str) -> bool:
    """Whether somebody holds it now."""
    path = _path(root, key)
    if not path.exists():
        return False
    try:
        with FileLock(path, blocking=False, thread_local=False):
            return False
    except Timeout:
        return True


def _path(root: Path, key: str) -> Path:
    return root / FOLDER / f"{key}.lock"
