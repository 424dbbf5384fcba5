"""What a referee keeps of matches in flight, in a folder of its own.

A contestant's checkpoint holds their handles and nothing else. The last two of every kind are kept,
because it may be killed after a snapshot is taken and before its own checkpoint is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from benchmark.arena.wire import Status, Violation
from benchmark.disk import write_atomically
from benchmark.errors import InfrastructureError
from benchmark.packing import Damaged, pack, unpack

KEPT = 2
SUFFIX = ".safetensors"


class Kept(NamedTuple):
    """A snapshot: named arrays, and facts in JSON."""

    arrays: dict[str, NDArray[Any]]
    facts: dict[str, Any]


class Snapshots:
    """Snapshots of several kinds, such as "training" or "arena3"; handles count up over all."""

    def __init__(self, folder: Path):
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._last = max(map(_handle, folder.glob(f"*-*{SUFFIX}")), default=0)
        except OSError as error:
            raise InfrastructureError(f"{folder}: cannot be used ({error.strerror})") from error

    def keep(self, kind: str, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> int:
        """Write a snapshot atomically; returns its handle."""
        self._last += 1
        payload = pack(arrays, facts)
        try:
            write_atomically(self._path(kind, self._last), payload)
            for old in self._of(kind)[:-KEPT]:
                old.unlink()
        except OSError as error:
            line = f"{self._folder}: a snapshot cannot be kept ({error.strerror})"
            raise InfrastructureError(line) from error
        return self._last

    def last(self, kind: str) -> Kept | None:
        """The last one of a kind. Later ones of all kinds are of a course that is given up.

        Raises:
            InfrastructureError: it cannot be read.
        """
        found = self._of(kind)
        if not found:
            return None
        self._last = _handle(found[-1])
        for path in self._of("*"):
            if _handle(path) > self._last:
                path.unlink()
        return self.find(kind, self._last)

    def find(self, kind: str, handle: int) -> Kept:
        """The snapshot of a handle.

        Raises:
            Violation: there is none.
            InfrastructureError: it cannot be read.
        """
        path = self._path(kind, handle)
        if not path.is_file():
            raise Violation(Status.UNKNOWN_SNAPSHOT, f"no snapshot {handle} of {kind} is kept")
        try:
            return Kept(*unpack(path.read_bytes()))
        except (OSError, Damaged) as error:
            raise InfrastructureError(f"{path}: a damaged snapshot ({error})") from error

    def _path(self, kind: str, handle: int) -> Path:
        return self._folder / f"{kind}-{handle:012d}{SUFFIX}"

    def _of(self, kind: str) -> list[Path]:
        """The kept ones, oldest first."""
        return sorted(self._folder.glob(f"{kind}-*{SUFFIX}"), key=_handle)


def _handle(path: Path) -> int:
    return int(path.name.removesuffix(SUFFIX).rpartition("-")[2])
