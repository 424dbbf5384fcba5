"""Whether somebody is at a job is told by the kernel's lock, not by a file that lies there."""

from __future__ import annotations

import fcntl
from pathlib import Path

from benchmark.records.leases import held


def test_a_lease_is_held_while_its_file_is_locked(tmp_path: Path) -> None:
    path = tmp_path / "leases" / "key.lock"
    path.parent.mkdir()
    assert not held(tmp_path, "key")
    path.touch()
    assert not held(tmp_path, "key")
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert held(tmp_path, "key")
        assert held(tmp_path, "key"), "asking must not let go of it"
        assert not held(tmp_path, "other")
    assert not held(tmp_path, "key")
    with path.open() as file:  # asking took nothing
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
