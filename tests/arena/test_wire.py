"""Frames and requests: whatever comes in, it is a frame or a Violation."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmark.arena import wire
from benchmark.arena.wire import (
    BYTES,
    MAX_CONTROL,
    Bye,
    Channel,
    Hello,
    Load,
    OpenArena,
    Report,
    Reset,
    Restore,
    Save,
    SendPolicy,
    Snapshot,
    Status,
    Violation,
    parse,
)
from tests.arena.conftest import frame
from tests.factories import scribble

UNHURRIED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
OPS = ["hello", "arena", "reset", "snapshot", "restore", "mark", "resume", "report", "policy"]
FIELDS = ["protocol", "matches", "attacking", "opposite", "arena", "seed", "handle", "diagnostics"]
NUMBERS = st.integers(1, 254)
REQUESTS = st.one_of(
    st.builds(Hello, protocol=st.integers(0, 9)),
    st.builds(
        OpenArena,
        matches=st.integers(1, 2048),
        attacking=st.booleans(),
        opposite=st.none()
        | st.lists(st.tuples(st.text(max_size=9), st.floats(0, 1)), max_size=4).map(tuple),
    ),
    st.builds(Reset, arena=NUMBERS, seed=st.none() | st.integers(0, 2**64 - 1)),
    st.builds(Snapshot, arena=NUMBERS),
    st.builds(Restore, arena=NUMBERS, handle=st.integers(1, 2**53 - 1)),
    st.sampled_from([Save(), Load()]),
    st.builds(Report, diagnostics=st.dictionaries(st.text(max_size=9), st.floats(-1e300, 1e300))),
    st.sampled_from([Bye(), SendPolicy(card=scribble().card)]),
)


def tried(payload: bytes) -> wire.Message | Violation:
    """A request, or how it is refused; any other error comes through."""
    try:
        return parse(payload)
    except Violation as error:
        return error


def refusal(payload: bytes) -> Violation:
    """How a request is refused; fails where it is not."""
    found = tried(payload)
    assert isinstance(found, Violation)
    return found


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, Channel]]:
    """A stranger's end of a socket, and ours."""
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield theirs, Channel(ours, patience_s=2.0)


@UNHURRIED
@given(st.binary(max_size=200))
def test_bytes_are_a_request_or_a_violation(payload: bytes) -> None:
    assert refusal(payload).status is Status.MALFORMED


@UNHURRIED
@given(st.sampled_from(OPS), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_json_is_a_request_or_a_violation(op: str, fields: dict[str, object]) -> None:
    payload = json.dumps({"op": op, **fields}).encode()
    found = tried(payload)
    if isinstance(found, Violation):
        assert found.status is Status.MALFORMED
        assert str(found).isprintable()
        assert len(str(found)) <= 300


@UNHURRIED
@given(REQUESTS)
def test_a_request_is_read_as_it_was_meant(request_: wire.Message) -> None:
    assert parse(request_.model_dump_json().encode()) == request_


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"hello"',
        b'{"op": "quit"}',
        b'{"op": "hello", "protocol": 2, "seed": 3}',
        b'{"op": "hello", "protocol": "1"}',
        b'{"op": "arena", "matches": 4.0}',
        b'{"op": "arena", "matches": true}',
        b'{"op": "arena", "matches": 0}',
        b'{"op": "arena", "matches": ' + b"9" * 5000 + b"}",
        b'{"op": "arena", "matches": 4, "opposite": [["a", NaN]]}',
        b'{"op": "reset", "arena": 0}',
        b'{"op": "reset", "arena": 255}',
        b'{"op": "reset", "arena": 1, "seed": -1}',
        b'{"op": "reset", "arena": 1, "seed": 18446744073709551616}',
        b'{"op": "restore", "arena": 1, "handle": "../ledger"}',
        b'{"op": "report", "diagnostics": {"loss": Infinity}}',
        b'{"op": "report", "diagnostics": {"loss": 1e999}}',
        b'{"op": "report", "diagnostics": {"\\ud800": 1.0}}',
        b'{"op": "report", "diagnostics": {"\xff": 1.0}}',
        b'{"op": "report", "diagnostics": ' + b'{"a":' * 50_000,
        b'{"op": "policy", "card": {"kind": "pickle"}}',
    ],
)
def test_what_is_no_request_is_refused(payload: bytes) -> None:
    assert refusal(payload).status is Status.MALFORMED


def test_what_a_report_claims_besides_is_not_read() -> None:
    claim = {"op": "report", "diagnostics": {"a": 1}, "steps": 10**9, "tally": {"wins": 10**6}}
    assert parse(json.dumps(claim).encode()) == Report(diagnostics={"a": 1.0})


def test_the_line_of_a_violation_is_one_short_printable_line() -> None:
    told = refusal(json.dumps({"op": "\x1b[2J\nwin" * 200}).encode())
    assert str(told).isprintable()
    assert len(str(told)) <= 300


def test_frames_go_through_as_they_are(line: tuple[socket.socket, Channel]) -> None:
    theirs, ours = line
    other = Channel(theirs, patience_s=2.0)
    other.send(b"{}")
    other.send_step(254)
    other.send(b"\0" * 9, BYTES)
    assert [ours.receive(), ours.receive(), ours.receive_bytes(9)] == [b"{}", 254, b"\0" * 9]


def all_of(channel: Channel) -> None:
    """Take frames until there are no more."""
    while True:
        said = channel.receive()
        assert said if isinstance(said, int) else len(said) <= MAX_CONTROL


@UNHURRIED
@given(st.binary(max_size=64))
def test_a_stream_is_frames_until_a_violation(stream: bytes) -> None:
    theirs, ours = socket.socketpair()
    with theirs, ours:
        theirs.sendall(stream)
        theirs.shutdown(socket.SHUT_WR)
        channel = Channel(ours, patience_s=2.0)
        with pytest.raises(Violation) as caught:
            all_of(channel)
    expected = {Status.DISCONNECTED, Status.MALFORMED, Status.OUT_OF_ORDER}
    assert caught.value.status in expected


def test_a_frame_of_the_largest_size_is_taken_and_none_larger(
    line: tuple[socket.socket, Channel],
) -> None:
    theirs, ours = line
    sender = threading.Thread(target=theirs.sendall, args=(frame(b" " * MAX_CONTROL),))
    sender.start()
    assert ours.receive() == b" " * MAX_CONTROL
    sender.join()
    theirs.sendall(b"\0" + (MAX_CONTROL + 1).to_bytes(4, "big"))
    with pytest.raises(Violation, match="262145 bytes") as caught:
        ours.receive()
    assert caught.value.status is Status.MALFORMED


@pytest.mark.parametrize("size", [11, 2**32 - 1])
def test_weights_over_the_limit_are_not_waited_for(
    line: tuple[socket.socket, Channel], size: int
) -> None:
    theirs, ours = line
    theirs.sendall(bytes((BYTES,)) + size.to_bytes(4, "big"))
    with pytest.raises(Violation, match="at most 10") as caught:
        ours.receive_bytes(10)
    assert caught.value.status is Status.MALFORMED


def test_weights_without_a_card_and_a_card_without_weights(
    line: tuple[socket.socket, Channel],
) -> None:
    theirs, ours = line
    theirs.sendall(bytes((BYTES,)))
    with pytest.raises(Violation) as caught:
        ours.receive()
    assert caught.value.status is Status.OUT_OF_ORDER
    theirs.sendall(b"\1")
    with pytest.raises(Violation) as caught:
        ours.receive_bytes(10)
    assert caught.value.status is Status.OUT_OF_ORDER


@pytest.mark.parametrize("sent", [b"", b"\0", b"\0\0\0", b"\0\0\0\0\x09{"])
def test_hanging_up_at_any_point_is_a_disconnection(
    line: tuple[socket.socket, Channel], sent: bytes
) -> None:
    theirs, ours = line
    theirs.sendall(sent)
    theirs.close()
    with pytest.raises(Violation) as caught:
        ours.receive()
    assert caught.value.status is Status.DISCONNECTED


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("silence_s", [0.0, wire.SPIN_S / 2, 0.2])
def test_a_frame_is_taken_whenever_it_comes_and_little_is_spent_on_waiting(
    monkeypatch: pytest.MonkeyPatch, cores: int, silence_s: float
) -> None:
    monkeypatch.setattr(wire, "available_cores", lambda: cores)
    theirs, ours = socket.socketpair()
    with theirs, ours:
        channel = Channel(ours, patience_s=2.0)
        sender = threading.Timer(silence_s, theirs.sendall, [b"\7"])
        sender.start()
        spent = time.thread_time()
        assert channel.receive() == 7
        assert time.thread_time() - spent < 0.1
        sender.join()


@pytest.mark.parametrize(("cores", "looks"), [(1, False), (2, True)])
def test_a_single_core_is_left_to_the_other_side(
    monkeypatch: pytest.MonkeyPatch, cores: int, looks: bool
) -> None:
    monkeypatch.setattr(wire, "available_cores", lambda: cores)
    yielded: list[None] = []
    monkeypatch.setattr(wire.os, "sched_yield", lambda: yielded.append(None))
    theirs, ours = socket.socketpair()
    with theirs, ours, pytest.raises(Violation):
        Channel(ours, patience_s=0.05).receive()
    assert bool(yielded) is looks


def test_silence_is_a_stall() -> None:
    theirs, ours = socket.socketpair()
    with theirs, ours, pytest.raises(Violation) as caught:
        Channel(ours, patience_s=0.05).receive()
    assert caught.value.status is Status.STALLED


class Dripping:
    """A socket that gives a frame of the largest size, byte by byte, and is never silent."""

    def __init__(self) -> None:
        self._header = iter(b"\0" + MAX_CONTROL.to_bytes(4, "big"))
        self._readable, self._end = socket.socketpair()
        self._end.close()

    def fileno(self) -> int:
        """Of something that is always readable."""
        return self._readable.fileno()

    def close(self) -> None:
        """Let go of that."""
        self._readable.close()

    def settimeout(self, seconds: float) -> None:
        """Whatever it is, a byte comes sooner."""

    def recv(self, most: int) -> bytes:
        """The next byte."""
        time.sleep(0.001)
        return bytes((next(self._header, 32),))


def test_a_frame_that_trickles_in_is_a_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes well within the patience that is had between frames."""
    monkeypatch.setattr(wire, "FRAME_S", 0.1)
    dripping: Any = Dripping()
    with closing(dripping), pytest.raises(Violation) as caught:
        Channel(dripping, patience_s=2.0).receive()
    assert caught.value.status is Status.STALLED


def test_an_answer_that_nobody_takes_is_a_stall() -> None:
    theirs, ours = socket.socketpair()
    with theirs, ours, pytest.raises(Violation) as caught:
        Channel(ours, patience_s=0.05).send(b" " * (16 << 20))
    assert caught.value.status is Status.STALLED
