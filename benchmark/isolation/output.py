"""A container's output as it comes: counted, its last lines kept, nothing of it believed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

import requests
import urllib3
from docker.errors import DockerException
from docker.models.containers import Container as Handle

from benchmark.isolation.status import SHOWN_LINES, printable

LONGEST_LINE = 65_536
FINISH_S = 5


class Output:
    """Reads a container's output in a thread, up to `limit_bytes`.

    told: given every whole line, in that thread.
    """

    def __init__(self, limit_bytes: int, told: Callable[[str], None] | None = None):
        self._limit, self._told = limit_bytes, told
        self._count, self._rest = 0, b""
        self._last: deque[str] = deque(maxlen=SHOWN_LINES)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, handle: Handle) -> None:
        """Begin, at the first line."""
        self._thread = threading.Thread(target=self._read, args=(handle,), daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """More came than is allowed."""
        return self._count > self._limit

    @property
    def ended(self) -> bool:
        """Nothing more is read: the container ended, wrote too much, or the engine is gone."""
        return self._ended.is_set()

    def wait(self, seconds: float) -> None:
        """Until it has ended, at most so long."""
        self._ended.wait(seconds)

    def lines(self) -> tuple[str, ...]:
        """The last lines, printable; waits for what is still on its way."""
        if self._thread is not None:
            self._thread.join(FINISH_S)
        return tuple(self._last)

    def _read(self, handle: Handle) -> None:
        try:
            self.take(handle.logs(stream=True, follow=True))
        except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError):
            pass  # what became of the container is asked of the engine, not read from its output
        finally:
            self._ended.set()

    def take(self, pieces: Iterable[bytes]) -> None:
        """Read to the end or to the limit."""
        for piece in pieces:
            self._count += len(piece)
            if self.over:
                break
            *whole, self._rest = (self._rest + piece).split(b"\n")
            for line in whole:
                self._line(line)
            if len(self._rest) > LONGEST_LINE:
                self._line(self._rest)
                self._rest = b""
        if self._rest:
            self._line(self._rest)

    def _line(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")
        self._last.append(printable(text))
        if self._told is not None:
            self._told(text)
