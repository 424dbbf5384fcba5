"""One container without an engine: what a request that the engine missed leads to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from benchmark.isolation import container as containers
from benchmark.isolation.container import Container, Task
from benchmark.isolation.engine import Engine
from benchmark.isolation.limits import MIB, Limits
from benchmark.isolation.status import Status

SOON_S = 10.0


class Deaf:
    """A container that runs until it is killed, on an engine that misses the first requests."""

    def __init__(self, misses: int, output: bytes = b""):
        self._misses, self._output = misses, output
        self.asked, self.dead = 0, False
        self.attrs: dict[str, Any] = {}

    def start(self) -> None:
        """It runs."""

    def kill(self) -> None:
        """No answer in time, so often."""
        self.asked += 1
        if self.asked <= self._misses:
            raise requests.exceptions.ReadTimeout("engine busy")
        self.dead = True

    def reload(self) -> None:
        """Its state."""
        self.attrs = {"State": {"Running": not self.dead, "ExitCode": 137 if self.dead else 0}}

    def logs(self, **_: object) -> Iterator[bytes]:
        """What it says, until it ends."""
        yield self._output
        while not self.dead:
            time.sleep(0.005)


def started(handle: Deaf, limits: Limits, monkeypatch: pytest.MonkeyPatch) -> Container:
    """A container of this handle."""
    monkeypatch.setattr(containers, "POLL_S", 0.01)
    client = SimpleNamespace(containers=SimpleNamespace(create=lambda *_, **__: handle))
    engine = Engine(client, "unix:///nowhere", {})
    made = Container(engine, "image", Task(role="x", command=("true",), limits=limits))
    made.start()
    return made


def looked_at(container: Container, why: Status | None) -> bool:
    """Whether it is seen to end soon; `why`: what somebody wants it ended for at every look."""
    began = time.monotonic()
    while time.monotonic() - began < SOON_S:
        if not container.running():
            return True
        if why is not None:
            container.kill(why)
        container.pause()
    return False


@pytest.mark.parametrize("misses", [0, 1, 3])
@pytest.mark.parametrize("why", [Status.TIMED_OUT, Status.FLOODED, Status.REFEREE_LOST])
def test_a_kill_that_the_engine_missed_is_sent_again(
    monkeypatch: pytest.MonkeyPatch, why: Status, misses: int
) -> None:
    """For its own limits and for a pair's; once it is taken no more are sent."""
    handle = Deaf(misses, output=bytes(MIB + 1) if why is Status.FLOODED else b"")
    wall_s = 0.05 if why is Status.TIMED_OUT else 60.0
    container = started(handle, Limits(wall_s=wall_s, log_mib=1), monkeypatch)
    assert looked_at(container, why if why is Status.REFEREE_LOST else None)
    assert handle.asked == misses + 1
    assert container.ended().killed is why
    assert container.ended().exit_code == 137


def test_the_first_reason_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks again, with another one."""
    container = started(Deaf(misses=2), Limits(wall_s=60.0), monkeypatch)
    container.kill(Status.TIMED_OUT)
    assert looked_at(container, Status.REFEREE_LOST)
    assert container.ended().killed is Status.TIMED_OUT
