"""What became of a contestant, and whose fault it was. Never a win or a loss.

Pure: takes what was seen of the containers and returns a verdict.
"""

from __future__ import annotations

import signal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Status(StrEnum):
    """How a run in containers ended."""

    OK = "ok"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out-of-memory"
    TIMED_OUT = "timed-out"
    VIOLATED = "violated-protocol"
    FLOODED = "flooded"
    NO_RESULT = "no-result"
    REFEREE_LOST = "referee-lost"
    ENGINE_LOST = "engine-lost"

    @property
    def infrastructure(self) -> bool:
        """May be tried again: not the contestant's doing."""
        return self in (Status.REFEREE_LOST, Status.ENGINE_LOST)


class Ended(BaseModel):
    """One container, when it was over."""

    model_config = ConfigDict(frozen=True)

    exit_code: int | None
    """None: the engine was gone, or it never started."""
    out_of_memory: bool = False
    """The kernel killed something in it; Podman before version 5 does not say so."""
    killed: Status | None = None
    """Why this program ended it: TIMED_OUT, FLOODED, or of a referee that outlived its contestant
    REFEREE_LOST. ENGINE_LOST: the engine could not tell what became of it."""
    wall_s: float = 0.0
    log: tuple[str, ...] = ()
    """Its last lines, printable."""
    problem: str = ""
    """What the engine said, where it failed."""


class Verdict(BaseModel):
    """What became of a run: the status, one line that explains it, the last lines of the log."""

    model_config = ConfigDict(frozen=True)

    status: Status
    message: str
    log: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """All of it in one line, of the log its end."""
        last = f"; last lines: {' | '.join(self.log[-LAST_LINES:])}" if self.log else ""
        return f"{self.status}: {self.message}{last}"


LAST_LINES = 3
"""Of a log, where everything is told in one line."""

KILLED = 128 + signal.SIGKILL
BUS_ERROR = 128 + signal.SIGBUS

SHOWN_LINES = 20
SHOWN_WIDTH = 240


def printable(text: str) -> str:
    """A line of a log for a terminal: cut, and without anything that steers one."""
    cut = text[: SHOWN_WIDTH + 1]
    shown = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in cut
    )
    return shown if len(shown) <= SHOWN_WIDTH else shown[: SHOWN_WIDTH - 2] + ".."


def judge(contestant: Ended, referee: Ended | None = None, violation: str = "") -> Verdict:
    """A contestant's verdict; without a referee, that of a container that ran alone.

    What is certain comes first: what this program or the kernel did, then what the referee saw,
    then how the contestant ended. violation: the referee's word on a breach of the protocol; a
    mere disconnection is none, since every crash ends in one.
    """
    status, message = _judge(contestant, referee, violation)
    seen = referee if referee is not None and status is Status.REFEREE_LOST else contestant
    return Verdict(status=status, message=message, log=seen.log)


def _judge(contestant: Ended, referee: Ended | None, violation: str) -> tuple[Status, str]:
    both = (contestant, referee or Ended(exit_code=0))
    lost = next((end for end in both if end.killed is Status.ENGINE_LOST), None)
    by_itself, stopped = both[1].killed is None, both[1].killed
    problem = lost.problem if lost else ""
    seconds = f"{contestant.wall_s:.0f} s"
    # What comes first wins.
    cases = (
        (lost is not None,
         Status.ENGINE_LOST, f"the container engine failed: {problem or 'no answer'}"),
        (contestant.killed is Status.FLOODED,
         Status.FLOODED, "wrote more output than is allowed, and was stopped"),
        (contestant.out_of_memory and contestant.exit_code != 0,
         Status.OUT_OF_MEMORY, "needed more memory than is allowed"),
        (bool(violation),
         Status.VIOLATED, printable(violation)),
        (by_itself and both[1].exit_code == BUS_ERROR,
         Status.VIOLATED, "took the shared arrays from under the referee"),
        # A referee's memory is bounded by its spec and grows by what its contestant asks alone,
        # which it would ask again in the next try.
        (by_itself and both[1].out_of_memory and both[1].exit_code != 0,
         Status.OUT_OF_MEMORY, "asked for what the referee has no memory for"),
        (by_itself and both[1].exit_code != 0,
         Status.REFEREE_LOST, f"the referee ended with {told(both[1].exit_code)}"),
        (contestant.killed is Status.TIMED_OUT,
         Status.TIMED_OUT, f"was not done after {seconds}, and was stopped"),
        (stopped in (Status.FLOODED, Status.TIMED_OUT),
         Status.REFEREE_LOST, f"the referee was stopped ({stopped})"),
        (contestant.exit_code != 0,
         Status.CRASHED, f"ended with {told(contestant.exit_code)}"),
        (not by_itself,
         Status.REFEREE_LOST, "the referee did not end when the contestant had"),
        (True,
         Status.OK, "ended well"),
    )  # fmt: skip
    return next((status, message) for holds, status, message in cases if holds)


def without_result(verdict: Verdict, expected: str) -> Verdict:
    """The verdict of a run that ended well, but left no usable result. expected: what was asked."""
    if verdict.status is not Status.OK:
        return verdict
    message = f"ended well, but left no {expected}"
    return verdict.model_copy(update={"status": Status.NO_RESULT, "message": message})


def told(exit_code: int | None) -> str:
    """An exit code, with the name of the signal where it means one."""
    if exit_code is None:
        return "no exit code"
    name = ""
    if exit_code > 128:
        number = exit_code - 128
        name = next((f" ({s.name})" for s in signal.Signals if s.value == number), "")
    return f"exit code {exit_code}{name}"
