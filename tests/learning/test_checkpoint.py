"""How often checkpoints are kept: at most a share of the time goes into writing them."""

from __future__ import annotations

import pytest

from benchmark.learning.checkpoint import SHARE, Pace


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
