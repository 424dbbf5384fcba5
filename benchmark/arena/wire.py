"""What referee and contestant say to each other.

On a Unix stream socket there are three kinds of frame, told apart by their first byte:

    0         a request or its answer: four bytes of length (big-endian), then JSON
    255       bytes that belong to the frame before, weights after a policy's card or a checkpoint:
              four bytes of length, then the bytes
    1..254    a step in the arena of this number; nothing follows. The answer is the same byte

The numbers of a step do not pass here: see `arrays.py`. Every frame is judged as if the other
side were hostile, and `Violation` says what was wrong with it.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from benchmark.cores import available_cores
from benchmark.errors import CheckFailed, first_problem
from benchmark.games.game import GameCard
from benchmark.policies.policy import PolicyCard

PROTOCOL = 2
CONTROL, BYTES = 0, 255
MAX_ARENAS = 254
MAX_CONTROL = 256 * 1024
"""Bytes of JSON in a frame."""
FRAME_S = 20.0
"""Seconds in which a frame that has begun must be complete."""
SPIN_S = 5e-4
"""Seconds in which a frame is looked out for before sleeping until it comes. To be woken takes as
long as a good part of a cheap game's step; on a single core the other side needs it for itself."""
_LENGTH = struct.Struct(">I")


class Status(StrEnum):
    """How a contestant's session stands, or what ended it."""

    RUNNING = "running"
    DONE = "done"
    """The contestant said that it has finished."""
    DISCONNECTED = "disconnected"
    """It went without a word: its own exit status says why."""
    STALLED = "stalled"
    """It said nothing, or took no answer, for longer than the referee's patience."""
    MALFORMED = "malformed-message"
    OUT_OF_ORDER = "out-of-order"
    BAD_ACTIONS = "bad-actions"
    BAD_POLICY = "bad-policy"
    OVER_BUDGET = "over-budget"
    OVER_LIMIT = "over-limit"
    """More arenas, matches, policies, reports or checkpoints than are granted."""
    UNKNOWN_SNAPSHOT = "unknown-snapshot"
    BAD_ARRAYS = "bad-arrays"
    """The file of the arrays was cut short, or what should hold it was filled."""
    STOPPED = "stopped"
    """The referee was told to stop."""
    FAILED = "referee-failed"
    """The referee's own failure: infrastructure, nobody's win or loss."""


class Violation(CheckFailed):
    """What ends a session: a status, and one printable line."""

    def __init__(self, status: Status, line: str):
        super().__init__("".join(c if c.isprintable() else "?" for c in line)[:300])
        self.status = status


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


ArenaNumber = Annotated[int, Field(ge=1, le=MAX_ARENAS)]
Handle = Annotated[int, Field(ge=1, lt=2**53)]
Share = Annotated[float, Field(ge=0, le=1)]


class Hello(_Message):
    """The first request; answered by a `Welcome`."""

    op: Literal["hello"] = "hello"
    protocol: int = PROTOCOL


class OpenArena(_Message):
    """A fresh arena; answered by `arena`, its number, and `offset`, its region in the file."""

    op: Literal["arena"] = "arena"
    matches: int = Field(ge=1)
    attacking: bool = Field(default=False, description="in the seat opposite the contestant's own")
    opposite: tuple[tuple[str, Share], ...] | None = Field(
        default=None, description="names and shares, where the contestant has the choice"
    )


class Reset(_Message):
    """As an arena's reset; a named seed is hashed with the referee's own."""

    op: Literal["reset"] = "reset"
    arena: ArenaNumber
    seed: int | None = Field(default=None, ge=0, lt=2**64)


class Snapshot(_Message):
    """Keep the matches in flight; answered by a `handle`."""

    op: Literal["snapshot"] = "snapshot"
    arena: ArenaNumber


class Restore(_Message):
    """Continue from a snapshot of this arena; answered by its `steps`."""

    op: Literal["restore"] = "restore"
    arena: ArenaNumber
    handle: Handle


class Save(_Message):
    """Keep the ledger, and beside it the checkpoint whose bytes follow."""

    op: Literal["save"] = "save"


class Load(_Message):
    """Go on where the last `Save` was; answered by the number of `bytes` of its checkpoint.

    They follow. Where nothing was saved it is 0, and nothing does.
    """

    op: Literal["load"] = "load"


class Report(_Message):
    """Close an interval of the ledger. Whatever else it claims is not looked at."""

    model_config = ConfigDict(extra="ignore")

    op: Literal["report"] = "report"
    diagnostics: dict[str, float] = {}


class SendPolicy(_Message):
    """The card of a policy whose weights follow; answered by the `name` that it gets."""

    op: Literal["policy"] = "policy"
    card: PolicyCard


class Bye(_Message):
    """The contestant has finished."""

    op: Literal["bye"] = "bye"


Message = Hello | OpenArena | Reset | Snapshot | Restore | Save | Load | Report | SendPolicy | Bye
_MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="op")])


class Welcome(BaseModel):
    """What a contestant is told: the game, its seat, its budget, and whom it may meet."""

    game: GameCard
    seat: str
    budget_steps: int
    members: dict[str, PolicyCard] = Field(description="by name; empty where it has no choice")


def parse(payload: bytes) -> Message:
    """A request; raises Violation."""
    try:
        return _MESSAGES.validate_json(payload)
    except ValidationError as error:
        raise Violation(Status.MALFORMED, f"not a request: {first_problem(error)}") from error


class Channel:
    """One end of the socket: frames in and out, none of which may take for ever."""

    def __init__(self, connection: socket.socket, patience_s: float):
        self._socket, self._patience_s = connection, patience_s
        self._spin_s = SPIN_S if available_cores() > 1 else 0.0
        connection.settimeout(patience_s)
        self._arrivals = select.poll()
        self._arrivals.register(connection, select.POLLIN)

    def receive(self) -> int | bytes:
        """The next frame: an arena's number for a step, or the payload of a request or answer."""
        kind = self._begin()
        if kind == CONTROL:
            return self._payload(MAX_CONTROL)
        if kind == BYTES:
            raise Violation(Status.OUT_OF_ORDER, "bytes came that belong to no request")
        return kind

    def receive_bytes(self, limit: int) -> bytes:
        """The frame of bytes that must come next, at most `limit` of them."""
        if self._begin() != BYTES:
            raise Violation(Status.OUT_OF_ORDER, "expected the bytes of the request before")
        return self._payload(limit)

    def send_step(self, arena: int) -> None:
        """A step, or the answer to one."""
        self._send(bytes((arena,)))

    def send(self, payload: bytes, kind: int = CONTROL) -> None:
        """A frame with a payload."""
        self._send(bytes((kind,)) + _LENGTH.pack(len(payload)) + payload)

    def hurry(self) -> None:
        """Wait no longer than a second from now on."""
        self._patience_s = 1.0
        self._socket.settimeout(self._patience_s)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _begin(self) -> int:
        self._look_out()
        return self._some(1)[0]

    def _look_out(self) -> None:
        """Stay awake for a while, since a frame may be about to come; others may have the core."""
        awake_until = time.perf_counter() + self._spin_s
        while time.perf_counter() < awake_until and not self._arrivals.poll(0):
            os.sched_yield()

    def _payload(self, limit: int) -> bytes:
        """The rest of a frame; its length is judged before anything is kept for it."""
        deadline = time.monotonic() + min(FRAME_S, self._patience_s)
        try:
            (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size, deadline))
            if length > limit:
                line = f"a frame of {length} bytes, at most {limit} are taken"
                raise Violation(Status.MALFORMED, line)
            return self._exactly(length, deadline)
        finally:
            self._socket.settimeout(self._patience_s)

    def _exactly(self, count: int, deadline: float) -> bytes:
        found = bytearray()
        while len(found) < count:
            # A timeout of 0 would mean: do not wait at all, and fail in another way.
            self._socket.settimeout(max(deadline - time.monotonic(), 1e-3))
            found += self._some(min(count - len(found), 1 << 20))
            if time.monotonic() > deadline:
                raise Violation(Status.STALLED, "a frame took too long to be complete")
        return bytes(found)

    def _some(self, most: int) -> bytes:
        """At least one byte."""
        try:
            found = self._socket.recv(most)
        except TimeoutError as error:
            raise Violation(Status.STALLED, "the other side fell silent") from error
        except OSError as error:
            raise Violation(Status.DISCONNECTED, f"lost: {error.strerror}") from error
        if not found:
            raise Violation(Status.DISCONNECTED, "the other side hung up without a word")
        return found

    def _send(self, frame: bytes) -> None:
        try:
            self._socket.sendall(frame)
        except TimeoutError as error:
            raise Violation(Status.STALLED, "the other side takes no answer") from error
        except OSError as error:
            raise Violation(Status.DISCONNECTED, f"lost: {error.strerror}") from error
