"""Verdicts from exit codes and what else was seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.isolation.status import (
    SHOWN_WIDTH,
    Ended,
    Status,
    judge,
    printable,
    told,
    without_result,
)

WELL = Ended(exit_code=0, log=("done",))
DIED = Ended(exit_code=1, log=("Traceback", "boom"))
LATE = Ended(exit_code=137, killed=Status.TIMED_OUT, wall_s=12)
FULL = Ended(exit_code=137, out_of_memory=True)
LOUD = Ended(exit_code=137, killed=Status.FLOODED)
GONE = Ended(exit_code=None, killed=Status.ENGINE_LOST, problem="no such socket")
BUS = Ended(exit_code=135)
HUNG = Ended(exit_code=137, killed=Status.REFEREE_LOST)


@pytest.mark.parametrize(
    ("contestant", "referee", "violation", "status", "fragment"),
    [
        (WELL, None, "", Status.OK, "well"),
        (WELL, WELL, "", Status.OK, "well"),
        (DIED, WELL, "", Status.CRASHED, "exit code 1"),
        (Ended(exit_code=139), WELL, "", Status.CRASHED, "SIGSEGV"),
        # A code that looks like the kernel's kill, without the kernel's word for it.
        (Ended(exit_code=137), WELL, "", Status.CRASHED, "SIGKILL"),
        (FULL, WELL, "", Status.OUT_OF_MEMORY, "memory"),
        # Something in it was killed, and it went on without.
        (Ended(exit_code=0, out_of_memory=True), WELL, "", Status.OK, "well"),
        (LATE, WELL, "", Status.TIMED_OUT, "12 s"),
        (LATE, LATE, "", Status.TIMED_OUT, "12 s"),
        (LOUD, WELL, "", Status.FLOODED, "output"),
        (WELL, WELL, "a step beyond the budget", Status.VIOLATED, "a step beyond the budget"),
        (DIED, WELL, "NaN actions", Status.VIOLATED, "NaN"),
        (FULL, WELL, "hung up", Status.OUT_OF_MEMORY, "memory"),
        (LATE, BUS, "", Status.VIOLATED, "shared arrays"),
        # A referee needs what its contestant asks for: that is the contestant's doing.
        (WELL, FULL, "", Status.OUT_OF_MEMORY, "the referee has no memory"),
        (DIED, FULL, "", Status.OUT_OF_MEMORY, "the referee has no memory"),
        (LATE, FULL, "", Status.OUT_OF_MEMORY, "the referee has no memory"),
        (DIED, FULL, "a step beyond the budget", Status.VIOLATED, "beyond the budget"),
        (WELL, Ended(exit_code=0, out_of_memory=True), "", Status.OK, "well"),
        (DIED, Ended(exit_code=137), "", Status.REFEREE_LOST, "SIGKILL"),
        (DIED, DIED, "", Status.REFEREE_LOST, "exit code 1"),
        (LATE, DIED, "", Status.REFEREE_LOST, "exit code 1"),
        (DIED, LATE, "", Status.REFEREE_LOST, "stopped"),
        (WELL, HUNG, "", Status.REFEREE_LOST, "did not end"),
        (DIED, HUNG, "", Status.CRASHED, "exit code 1"),
        (GONE, WELL, "", Status.ENGINE_LOST, "no such socket"),
        (WELL, GONE, "", Status.ENGINE_LOST, "no such socket"),
        (LOUD, GONE, "NaN", Status.ENGINE_LOST, "no such socket"),
    ],
)
def test_what_became_of_it(
    contestant: Ended, referee: Ended | None, violation: str, status: Status, fragment: str
) -> None:
    """By the most certain of what was seen."""
    verdict = judge(contestant, referee, violation)
    assert verdict.status is status
    assert fragment in verdict.message
    assert verdict.log == (referee if status is Status.REFEREE_LOST and referee else contestant).log


def test_only_infrastructure_may_be_tried_again() -> None:
    """All else is the contestant's own."""
    again = {status for status in Status if status.infrastructure}
    assert again == {Status.REFEREE_LOST, Status.ENGINE_LOST}


def test_no_result_is_a_status_of_what_ended_well() -> None:
    """And hides no other."""
    empty = without_result(judge(WELL), "policy")
    assert (empty.status, empty.message) == (Status.NO_RESULT, "ended well, but left no policy")
    assert without_result(judge(DIED), "policy").status is Status.CRASHED


@given(st.text(max_size=1000))
def test_a_line_of_a_log_cannot_steer_a_terminal(text: str) -> None:
    """No escape, no newline, no direction mark, bounded width."""
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) <= SHOWN_WIDTH
    assert shown == text or not text.isprintable() or len(text) > SHOWN_WIDTH


def test_exit_codes_are_told_with_their_signal() -> None:
    """Where they have one."""
    assert told(3) == "exit code 3"
    assert told(135) == "exit code 135 (SIGBUS)"
    assert told(255) == "exit code 255"
    assert told(None) == "no exit code"
