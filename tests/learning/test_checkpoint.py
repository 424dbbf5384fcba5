"""How often checkpoints are kept, and which are there to go on from."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from benchmark.learning.checkpoint import SHARE, Checkpoint, Pace, read, write


class Clock:
    """Stands still unless it is told otherwise."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def written(pace: Pace, clock: Clock, seconds: float) -> None:
    """Write something that takes so long."""
    with pace.writing():
        clock.now += seconds


def test_what_is_written_fast_is_written_as_often_as_asked(clock: Clock) -> None:
    pace = Pace(10.0, clock)
    for _ in range(3):
        clock.now += 10.0
        assert not pace.due
        clock.now += 0.1
        assert pace.due
        written(pace, clock, 1.0)  # a tenth of eleven seconds and less
        assert not pace.slow


def test_after_a_slow_writing_it_is_kept_rarer_until_one_is_fast(clock: Clock) -> None:
    pace = Pace(10.0, clock)
    written(pace, clock, 5.0)
    assert (pace.slow, pace.took_s, pace.pause_s) == (True, 5.0, pytest.approx(45.0))
    clock.now += 44.9
    assert not pace.due
    clock.now += 0.2
    assert pace.due
    written(pace, clock, 0.1)
    assert (pace.slow, pace.pause_s) == (False, 10.0)


@pytest.mark.parametrize("took", [0.01, 1.0, 2.0, 30.0, 1000.0])
def test_writing_takes_its_share_of_a_training_at_most(clock: Clock, took: float) -> None:
    """Updates of a second each, whatever a checkpoint takes."""
    pace, writing, began = Pace(10.0, clock), 0.0, clock.now
    for _ in range(20_000):
        clock.now += 1.0
        if pace.due:
            written(pace, clock, took)
            writing += took
    assert 0 < writing <= SHARE * (clock.now - began) + took


def test_what_could_not_be_written_is_due_again_at_once(clock: Clock) -> None:
    pace = Pace(10.0, clock)
    clock.now += 11.0
    with pytest.raises(OSError, match="full"), pace.writing():
        raise OSError("full")
    assert pace.due


@pytest.mark.parametrize("content", [None, b"", b"cut short"])
def test_what_is_not_there_or_not_whole_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "checkpoint.safetensors"
    if content is not None:
        path.write_bytes(content)
    assert read(path) is None


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ESTALE])
def test_what_cannot_be_read_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Or the training would begin anew and write over it."""
    path = tmp_path / "checkpoint.safetensors"
    write(Checkpoint(facts={"steps": 5}), path)

    def refuse(_: Path) -> bytes:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        with pytest.raises(OSError, match=os.strerror(code)):
            read(path)
    found = read(path)
    assert found is not None
    assert found.facts == {"steps": 5}
