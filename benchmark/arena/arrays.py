"""The file through which the arrays of a step go: where each lies, and both sides' access to it.

Each arena has a region of its own. The contestant maps the file and may do to it whatever it
likes. So the referee never maps it, since memory behind a file that was cut short kills whoever
touches it: it reads what it needs once, into memory of its own, and writes what it gives.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.arena.wire import Status, Violation
from benchmark.errors import InfrastructureError
from benchmark.games.game import Array, GameCard

PAGE = 64 * 1024
"""Regions start at multiples of this, so that each can be mapped by itself."""


@dataclass(frozen=True)
class Layout:
    """Where an arena's arrays lie: the actions, then all that a step gives back.

    Both sides compute it from the arena's place in the file, its matches and its game's card.
    """

    offset: int
    matches: int
    fields: tuple[tuple[str, str, tuple[int, ...]], ...]
    """(name, dtype, shape), widest first, so that all are aligned without gaps."""
    act_dim: int

    @classmethod
    def of(cls, card: GameCard, seat_index: int, matches: int, offset: int) -> Layout:
        """The layout of an arena."""
        me, other = card.seats[seat_index], card.seats[1 - seat_index]
        fields = (
            ("member", "<i8", (matches,)),
            ("obs", "<f4", (matches, me.obs_dim)),
            ("reward", "<f4", (matches,)),
            ("other_obs", "<f4", (matches, other.obs_dim)),
            ("other_action", "<f4", (matches, other.act_dim)),
            ("dense", "<f4", (matches,)),
            ("final_obs", "<f4", (matches, me.obs_dim)),
            ("result", "|i1", (matches,)),
            ("ending", "|i1", (matches,)),
            ("terminated", "|b1", (matches,)),
        )
        return cls(offset, matches, fields, me.act_dim)

    @cached_property
    def action_bytes(self) -> int:
        """Of the actions (matches, act_dim) float32, which come first."""
        return 4 * self.matches * self.act_dim

    @cached_property
    def given_at(self) -> int:
        """Where, from the region's start, the rest begins."""
        return -(-self.action_bytes // 64) * 64

    @cached_property
    def given_bytes(self) -> int:
        """Of the rest."""
        return sum(_bytes(dtype, shape) for _, dtype, shape, _ in self._places)

    @cached_property
    def _places(self) -> tuple[tuple[str, np.dtype[Any], tuple[int, ...], int], ...]:
        """(name, dtype, shape, start) of each field: looked up on every step, computed once."""
        found, start = [], 0
        for name, kind, shape in self.fields:
            dtype = np.dtype(kind)
            found.append((name, dtype, shape, start))
            start += _bytes(dtype, shape)
        return tuple(found)

    @property
    def region_bytes(self) -> int:
        """Of the whole, in full pages."""
        return -(-(self.given_at + self.given_bytes) // PAGE) * PAGE

    def gather(self, given: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The arrays in their order; those that are not given are zero."""
        return [
            np.ascontiguousarray(given[name], dtype) if name in given else np.zeros(shape, dtype)
            for name, dtype, shape, _ in self._places
        ]

    def split(self, block: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Views into a copy of the rest: (given_bytes,) uint8."""
        return {
            name: np.ndarray(shape, dtype, block.data, start)
            for name, dtype, shape, start in self._places
        }


def _bytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    return dtype.itemsize * math.prod(shape)


class ArraysFile:
    """The referee's side: a file that it makes anew, and never more than `limit_bytes` of it."""

    def __init__(self, path: Path, limit_bytes: int):
        self._limit, self._used = limit_bytes, 0
        try:
            path.unlink(missing_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(path, flags, 0o660)
        except OSError as error:
            raise InfrastructureError(f"{path}: cannot be made ({error.strerror})") from error

    @property
    def used(self) -> int:
        """Where the next region begins."""
        return self._used

    def claim(self, layout: Layout) -> None:
        """Make room for a region that begins at `used`; raises Violation where there is none."""
        stop = layout.offset + layout.region_bytes
        if stop > self._limit:
            line = f"arrays of {stop} bytes in all, at most {self._limit} are granted"
            raise Violation(Status.OVER_LIMIT, line)
        try:
            os.posix_fallocate(self._file, layout.offset, layout.region_bytes)
        except OSError as error:
            line = f"no room for the arrays of a new arena: {error.strerror}"
            raise Violation(Status.BAD_ARRAYS, line) from error
        self._used = stop

    def actions(self, layout: Layout) -> Array:
        """The actions (N, act_dim) that lie there now, copied once: what is judged is played."""
        copy = np.empty((layout.matches, layout.act_dim), dtype=np.float32)
        try:
            read = os.preadv(self._file, [copy.data], layout.offset)
        except OSError as error:
            raise Violation(Status.BAD_ARRAYS, f"unreadable: {error.strerror}") from error
        if read != layout.action_bytes:
            raise Violation(Status.BAD_ARRAYS, "the file of the arrays was cut short")
        return copy

    def give(self, layout: Layout, given: Mapping[str, NDArray[Any]]) -> None:
        """Write what a step or a start gives."""
        try:
            start = layout.offset + layout.given_at
            written = os.pwritev(self._file, [a.data for a in layout.gather(given)], start)
        except OSError as error:
            raise Violation(Status.BAD_ARRAYS, f"unwritable: {error.strerror}") from error
        if written != layout.given_bytes:
            raise Violation(Status.BAD_ARRAYS, "what holds the arrays was filled by someone else")

    def close(self) -> None:
        """Let go of it."""
        os.close(self._file)


class Region:
    """The contestant's side of an arena's region."""

    def __init__(self, path: Path, layout: Layout):
        self._layout = layout
        with path.open("r+b") as file:
            mapped = mmap.mmap(file.fileno(), layout.region_bytes, offset=layout.offset)
        whole = np.frombuffer(mapped, dtype=np.uint8)
        shape = layout.matches, layout.act_dim
        self._actions = whole[: layout.action_bytes].view(np.float32).reshape(shape)
        self._given = whole[layout.given_at : layout.given_at + layout.given_bytes]

    def act(self, actions: Array) -> None:
        """Put down the next actions (N, act_dim)."""
        self._actions[:] = actions

    def given(self) -> dict[str, NDArray[Any]]:
        """What the referee gave, copied: new arrays each time, as an arena's are."""
        return self._layout.split(self._given.copy())
