"""The `bench` command, run in this process, for the tests of its users' view."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmark import cli, registry
from benchmark.policies import artifact
from tests.factories import scribble

ROLLOUT = 65_536  # one rollout of every learner on Pong: the smallest budget
TINY = (
    "run", "--attack", "ours", "--defense", "retrain", "--budget", str(ROLLOUT),
    "--isolation", "process", "--json",  # whether or not a container engine is at hand
)  # fmt: skip


class Done(NamedTuple):
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, all of it, as JSON."""
        return json.loads(self.out)


def bench(*arguments: object) -> Done:
    """Run the console script's function in this process."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["bench", *map(str, arguments)]
    code: object = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            cli.main()
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        sys.argv = before
    assert isinstance(code, int)
    return Done(code, out.getvalue(), err.getvalue())


def refused(done: Done, *fragments: object, code: int = 2) -> None:
    """Hold that a command ended with this code, one line on standard error, and no output."""
    assert done.code == code, done
    assert done.out == ""
    assert done.err.startswith("bench: ")
    assert done.err.count("\n") == 1, done.err
    for fragment in fragments:
        assert str(fragment) in done.err, done.err


def contents(folder: Path) -> dict[str, bytes]:
    """Every file under a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def a_victim() -> str:
    """A shipped victim of Pong."""
    return next(iter(registry.Victims().cards("pong-v1")))


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Every write that is flushed fails."""

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        yield


def shelve(store: Path, name: str, **card: Any) -> Path:
    """Put a victim with random weights into a store."""
    folder = store / "victims" / name
    artifact.save(scribble(3, name=name, **card), folder)
    return folder


def flip_a_bit(path: Path) -> None:
    """Damage a file in its last byte."""
    payload = bytearray(path.read_bytes())
    payload[-1] ^= 1
    path.write_bytes(payload)
