"""Leases: runs that share a store share its work, and no two do the same job.

A lease is a lock of the kernel's on a file. Whoever dies loses it at once, however it died, and no
clock is asked; on a shared file system, that must be one that carries flock (NFS 4, Lustre, Ceph).
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark.errors import InfrastructureError, disk_errors

FOLDER = "leases"
GLANCE_S = 0.05
"""How long a lease is waited for at least: `held` takes a share of it for an instant."""


REMEDY = "leases need a folder that can be written and a disk that carries flock"


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
        InfrastructureError: the disk refuses the file or the lock.
    """
    # Not of a thread: a lease may be let go from another one than took it.
    lock = FileLock(path, timeout=max(wait_s, GLANCE_S), poll_interval=0.01, thread_local=False)
    with disk_errors(path, REMEDY):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise Taken(f"{path}: held by another process; let it end, then try again") from error
    try:
        yield
    finally:
        with disk_errors(path, REMEDY):
            try:  # while it is held: a lock on an unlinked file is no lock
                path.unlink(missing_ok=True)
            finally:  # also on a disk that has become read-only: a file that stays is no obstacle
                lock.release()


def held(root: Path, key: str) -> bool:
    """Whether somebody holds it now; writes nothing, so that it can be asked of any store.

    Raises:
        InfrastructureError: the disk refuses the question.
    """
    path = _path(root, key)
    with disk_errors(path, REMEDY):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
    return False


def _path(root: Path, key: str) -> Path:
    return root / FOLDER / f"{key}.lock"
