"""Whether somebody is at a job: leases/<key>.lock is locked by the process that does it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

FOLDER = "leases"


def held(root: Path, key: str) -> bool:
    """Whether the job of this key is being done now, in the store at `root`."""
    path = root / FOLDER / f"{key}.lock"
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)  # which lets go of the lock
    return False
