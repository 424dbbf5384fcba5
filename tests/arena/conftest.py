"""A referee in a thread, and a contestant that may say anything."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.arena.arrays import Layout
from benchmark.arena.referee import Account, Referee
from benchmark.arena.remote import Client, RemoteArena
from benchmark.arena.session import RefereeSpec
from benchmark.arena.wire import Status
from benchmark.games.pong import Pong
from benchmark.learning.threads import use_threads
from benchmark.policies import artifact
from tests.factories import scribble

CARD = Pong.describe()
SEED_BASE = 4_2424_2424
HELLO = {"op": "hello", "protocol": 2}
OPEN = {"op": "arena", "matches": 4}
RESET = {"op": "reset", "arena": 1}
WORDS = {"op": "report", "diagnostics": {"loss": 0.5}}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Results are compared to the last bit, so the thread count is fixed."""
    use_threads(1)


class Hosted:
    """A referee at work in a thread of this process."""

    def __init__(self, folder: Path, spec: RefereeSpec):
        self.folder, self.spec = folder, spec
        self.socket, self.arrays = folder / "s", folder / "a"
        self.snapshots = folder / "kept"
        self.published: list[Account] = []
        self.referee = Referee(spec, self.socket, self.arrays, self.snapshots)
        self._thread = threading.Thread(
            target=self.referee.serve, args=(self.published.append,), daemon=True
        )
        self._thread.start()

    def end(self) -> Account:
        """The account that it files last; fails where it goes on serving."""
        self._thread.join(timeout=10)
        assert not self._thread.is_alive(), "the referee still serves"
        return self.published[-1]

    def client(self) -> Client:
        """An honest contestant."""
        return Client(self.socket, self.arrays)

    def arena(self, matches: int) -> RemoteArena:
        """An honest attack's arena."""
        return RemoteArena.connect(self.socket, self.arrays, matches)

    def raw(self) -> Raw:
        """Anyone."""
        return Raw(self)


class Raw:
    """A contestant that writes to the socket and the arrays as it likes."""

    def __init__(self, hosted: Hosted):
        self.hosted = hosted
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(10)
        self.socket.connect(str(hosted.socket))

    def send(self, *frames: bytes) -> None:
        """Bytes as they are; that nobody takes them is what some are sent for."""
        try:
            self.socket.sendall(b"".join(frames))
        except OSError:
            return

    def receive(self) -> bytes:
        """The next answer: a byte, or the JSON of a frame; empty where the line is dead."""
        try:
            kind = self.socket.recv(1)
            if kind != b"\0":
                return kind
            length = int.from_bytes(self.socket.recv(4, socket.MSG_WAITALL), "big")
            return self.socket.recv(length, socket.MSG_WAITALL)
        except OSError:
            return b""

    def ask(self, request: Any) -> Any:
        """The answer to a request in JSON; None where there is none."""
        self.send(frame(json.dumps(request).encode()))
        said = self.receive()
        return json.loads(said) if len(said) > 1 else None

    def sit(self, matches: int = 4) -> Layout:
        """Greet, open an attack's arena and reset it."""
        self.ask(HELLO)
        answer = self.ask({"op": "arena", "matches": matches})
        self.ask({"op": "reset", "arena": 1})
        return Layout.of(CARD, 0, matches, answer["offset"])

    def act(self, layout: Layout, value: float = 0.0) -> None:
        """Write the same action for every match."""
        actions = np.full((layout.matches, layout.act_dim), value, dtype=np.float32)
        with self.hosted.arrays.open("r+b") as file:
            file.seek(layout.offset)
            file.write(actions.tobytes())

    def step(self, arena: int = 1) -> bytes:
        """Have a step played; returns the answer."""
        self.send(bytes((arena,)))
        return self.receive()


def frame(payload: bytes, kind: int = 0) -> bytes:
    """A frame as it should be."""
    return bytes((kind,)) + len(payload).to_bytes(4, "big") + payload


Host = Callable[..., Hosted]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Starts referees: of an attack on a scribble unless told otherwise."""
    artifact.save(scribble(7), tmp_path / "victim")
    begun: list[Hosted] = []

    def start(folder: str = "run", **changes: Any) -> Hosted:
        fields: dict[str, Any] = {
            "game": "pong-v1", "seat": "left", "members": {"victim": tmp_path / "victim"},
            "mixture": (("victim", 1.0),), "budget_steps": 100_000, "seed_base": SEED_BASE,
            "patience_s": 60.0, **changes,
        }  # fmt: skip
        (tmp_path / folder).mkdir(exist_ok=True)
        begun.append(Hosted(tmp_path / folder, RefereeSpec(**fields)))
        return begun[-1]

    yield start
    for hosted in begun:
        hosted.end()


def fouled(account: Account, status: Status, *told: str) -> None:
    """The session ended in this status, with one line that says so."""
    assert account.status is status, account.line
    assert account.line.isprintable()
    for words in told:
        assert words in account.line


def a_good_start(raw: Raw, matches: int = 4, steps: int = 300) -> list[dict[str, Any]]:
    """Play, report, play a little more; what the ledger must still say whatever comes next."""
    layout = raw.sit(matches)
    for k in range(steps):
        raw.act(layout, 0.1 * (k % 7))
        assert raw.step() == b"\1"
    assert raw.ask(WORDS) == {}
    raw.step()
    interval = raw.hosted.referee._session.ledger.intervals[0]
    assert interval.steps == matches * steps
    assert interval.tally.episodes
    return [interval.model_dump()]
