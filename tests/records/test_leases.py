"""Leases: one holder at a time, among threads, processes and the dead."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from benchmark.errors import InfrastructureError
from benchmark.records.leases import FOLDER, Taken, held, lease

HOLDER = """
import sys, time
from pathlib import Path
from benchmark.records.leases import lease
with lease(Path(sys.argv[1]), "job"):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def another_process(root: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the job's lease."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    """Also within one process; afterwards it is free, and nothing is left."""
    with lease(tmp_path, "job"):
        assert held(tmp_path, "job")
        assert not held(tmp_path, "other")
        with pytest.raises(Taken), lease(tmp_path, "job"):
            pass
        with lease(tmp_path, "other"):
            pass
    assert not held(tmp_path, "job")
    assert not list((tmp_path / FOLDER).iterdir())


def test_a_lock_on_a_file_that_is_gone_is_no_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opened the file before it was unlinked, and locks it after, must look again."""
    real, stack, between = fcntl.flock, ExitStack(), iter([True])
    first = lease(tmp_path, "job")
    first.__enter__()

    def flock(file: int, how: int) -> None:
        if next(between, False):
            first.__exit__(None, None, None)
            stack.enter_context(lease(tmp_path, "job"))
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with stack, pytest.raises(Taken), lease(tmp_path, "job"):
        pass
    assert next(between, False) is False


def test_it_is_let_go_when_the_work_fails(tmp_path: Path) -> None:
    """Whatever ends the block."""
    with pytest.raises(KeyboardInterrupt), lease(tmp_path, "job"):
        raise KeyboardInterrupt
    assert not held(tmp_path, "job")


def test_it_is_let_go_where_its_file_cannot_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk that has become read-only: one line, and it is free while that is being told."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        told = pytest.raises(InfrastructureError, match="Read-only")
        with told as caught, lease(tmp_path, "job"):
            pass
    assert not held(tmp_path, "job")
    with lease(tmp_path, "job"):
        assert held(tmp_path, "job")
    del caught  # until here: with its last reference the lock would have gone by itself


def test_the_dead_hold_nothing(tmp_path: Path) -> None:
    """A process that is killed loses it at once, and its file is no obstacle."""
    with another_process(tmp_path) as process:
        assert held(tmp_path, "job")
        told = pytest.raises(Taken, match=r"job\.lock: held by another process")
        with told, lease(tmp_path, "job"):
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert (tmp_path / FOLDER / "job.lock").exists()
        assert not held(tmp_path, "job")
        with lease(tmp_path, "job"):
            assert held(tmp_path, "job")


def test_a_stopped_process_still_holds_it(tmp_path: Path) -> None:
    """However long it sleeps: no clock decides who is dead."""
    with another_process(tmp_path) as process:
        os.kill(process.pid, signal.SIGSTOP)
        os.utime(tmp_path / FOLDER / "job.lock", (0, 0))  # a clock that was set back, or forward
        assert held(tmp_path, "job")
        os.kill(process.pid, signal.SIGCONT)


def test_waiting_for_it(tmp_path: Path) -> None:
    """Up to so long, and then it is the infrastructure's failure."""
    with another_process(tmp_path) as process:
        began = time.monotonic()
        with pytest.raises(InfrastructureError), lease(tmp_path, "job", wait_s=0.3):
            pass
        assert time.monotonic() - began >= 0.3
        process.kill()
        with lease(tmp_path, "job", wait_s=10.0):
            pass


def test_asking_writes_nothing_and_takes_nothing(tmp_path: Path) -> None:
    """A stale lock of a process that died in a store that has become read-only."""
    stale = tmp_path / FOLDER / "job.lock"
    stale.parent.mkdir()
    stale.touch(mode=0o444)
    before = stale.stat().st_mtime_ns
    assert not held(tmp_path, "job")
    assert not held(tmp_path, "other")
    assert [path.name for path in stale.parent.iterdir()] == ["job.lock"]
    assert stale.stat().st_mtime_ns == before


def test_what_the_disk_refuses_is_one_line(tmp_path: Path) -> None:
    (tmp_path / FOLDER / "job.lock").mkdir(parents=True)
    told = pytest.raises(InfrastructureError, match=r"job\.lock: Is a directory; leases need")
    with told, lease(tmp_path, "job"):
        pass


def test_a_glance_at_a_lease_keeps_nobody_from_it(tmp_path: Path) -> None:
    """Somebody asks all the time whether it is held; whoever wants it has it each time."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom benchmark.records.leases import held\n"
        "print('asking', flush=True)\nwhile True: held(Path(sys.argv[1]), 'job')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == "asking\n"
        for _ in range(200):
            with lease(tmp_path, "job"):
                pass
        assert asking.poll() is None
        asking.kill()
