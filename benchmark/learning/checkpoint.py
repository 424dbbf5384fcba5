"""A checkpoint: named arrays plus a little JSON, in one safetensors file, written atomically."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.disk import write_atomically
from benchmark.packing import Damaged, pack, unpack

Arrays = dict[str, NDArray[Any]]
EVERY_S = 10.0
"""Seconds from one checkpoint of a training to the next."""
SHARE = 0.1
"""Of a training's time that writing checkpoints may take; a slower store gets fewer of them."""


class Pace:
    """When something is to be written again: after some seconds, or later where writing is slow."""

    def __init__(self, every_s: float, clock: Callable[[], float] = time.monotonic):
        self._every_s, self._clock = every_s, clock
        self._wrote_at = clock()
        self.took_s = 0.0
        """What the last writing took."""

    @property
    def pause_s(self) -> float:
        """From the last writing's end to the next: it is then SHARE of the time at most."""
        return max(self._every_s, self.took_s * (1.0 - SHARE) / SHARE)

    @property
    def slow(self) -> bool:
        """Whether the pause is longer than was asked for."""
        return self.pause_s > self._every_s

    @property
    def due(self) -> bool:
        """Whether the pause is over."""
        return self._clock() - self._wrote_at > self.pause_s

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Around what is written; what fails is due again at once."""
        began = self._clock()
        yield
        self._wrote_at = self._clock()
        self.took_s = self._wrote_at - began


@dataclass
class Checkpoint:
    """All of a training at an update's boundary: arrays by dotted name, and JSON facts."""

    arrays: Arrays = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def put(self, part: str, arrays: Arrays) -> None:
        """File arrays under a part's name."""
        self.arrays.update(prefixed(f"{part}/", arrays))

    def get(self, part: str) -> Arrays:
        """The arrays filed under a part's name."""
        return unprefixed(f"{part}/", self.arrays)


def prefixed(start: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """Arrays of a part, as they are called in a larger whole."""
    return {start + name: array for name, array in arrays.items()}


def unprefixed(start: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """The arrays of a larger whole that are of one part, as the part calls them."""
    return {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}


def packed(checkpoint: Checkpoint) -> bytes:
    """All of it, as safetensors."""
    return pack(checkpoint.arrays, checkpoint.facts)


def write(checkpoint: Checkpoint, path: Path) -> None:
    """Write atomically: a crash leaves the checkpoint before, whole."""
    write_atomically(path, packed(checkpoint))


def read(path: Path) -> Checkpoint | None:
    """The checkpoint at `path`, or None where there is none that is whole.

    Raises:
        OSError: it is there and cannot be read. It may be whole, so nobody is to begin anew and
            write over it.
    """
    try:
        payload = path.read_bytes()
    except FileNotFoundError:
        return None
    return unpacked(payload)


def begins_anew(path: Path) -> str:
    """What is told of a checkpoint that is there and not whole, since its steps are lost."""
    return f"{path}: expected a whole checkpoint, it is damaged; the training begins anew"


def unpacked(payload: bytes) -> Checkpoint | None:
    """What `packed` made of a checkpoint, or None where it is not whole."""
    try:
        return Checkpoint(*unpack(payload))
    except Damaged:
        return None


def generator_facts(rng: np.random.Generator) -> dict[str, Any]:
    """A NumPy generator's state, as JSON."""
    return dict(rng.bit_generator.state)


def restore_generator(rng: np.random.Generator, facts: dict[str, Any]) -> None:
    """Continue a generator from `generator_facts`."""
    rng.bit_generator.state = facts
