"""Referee and contestant: two containers, one volume between them, nothing else."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable
from typing import NamedTuple

from benchmark.errors import Misuse
from benchmark.isolation.container import Container, Task
from benchmark.isolation.engine import Engine
from benchmark.isolation.exchange import Collected, Exchange
from benchmark.isolation.status import Ended, Status

GRACE_S = 60.0
"""What either has to end by itself once the other has ended: on a busy machine seconds become many,
and one that is late is taken for one that hangs."""


class Ends(NamedTuple):
    """How both ended; `status.judge(*ends, violation)` says what that means."""

    contestant: Ended
    referee: Ended


class Pair:
    """Both containers, started together on entering the block; all is removed on leaving it.

    The referee must wait for the contestant's connection, and the contestant for the socket to
    appear. The contestant writes nothing but the exchange and its own /tmp.

    Raises, on entering:
        Misuse: the image or an input is not there, or the contestant was given an output.
        EngineLost: the engine refused to start them.
    """

    def __init__(
        self,
        engine: Engine,
        image: str,
        referee: Task,
        contestant: Task,
        exchange_mib: int = 64,
        grace_s: float = GRACE_S,
    ):
        if contestant.outputs:
            raise Misuse("a contestant writes into the exchange, and nowhere on this machine")
        longest = max(referee.limits.wall_s, contestant.limits.wall_s) + 2 * grace_s
        self.exchange = Exchange(engine, image, exchange_mib, longest)
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.referee = Container(engine, image, referee, self.exchange.name, self._lines.put)
        self.contestant = Container(engine, image, contestant, self.exchange.name)
        self._grace_s = grace_s
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Pair:
        with self._stack as stack:
            stack.enter_context(self.exchange)
            stack.enter_context(self.referee).start()
            stack.enter_context(self.contestant).start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wait(self, told: Callable[[str], None] | None = None) -> Ends:
        """Until both have ended by themselves or were killed.

        told: given the referee's lines of output, in this thread.
        """
        alone_since: float | None = None
        while True:
            playing, refereed = self.contestant.running(), self.referee.running()
            self._tell(told)
            if not playing and not refereed:
                ends = Ends(self.contestant.ended(), self.referee.ended())
                self._tell(told)
                return ends
            if playing != refereed:
                alone_since = time.monotonic() if alone_since is None else alone_since
                if time.monotonic() - alone_since > self._grace_s:
                    self.contestant.kill(Status.TIMED_OUT)
                    self.referee.kill(Status.REFEREE_LOST)
            (self.contestant if playing else self.referee).pause()

    def _tell(self, told: Callable[[str], None] | None) -> None:
        while not self._lines.empty():
            line = self._lines.get()
            if told is not None:
                told(line)

    def collect(self, folder: str, limit_bytes: int) -> Collected:
        """See `Exchange.collect`; also while both run."""
        return self.exchange.collect(folder, limit_bytes)
