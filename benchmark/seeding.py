"""Counter-based randomness: every draw is a pure function of (seed, stream, counter).

A match's course must depend on its own seed alone, not on how many matches run beside it. So
serves, opponent choices and action noise are hashes of the episode's seed (SplitMix64, Steele,
Lea and Flood 2014) instead of draws from a shared generator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Seeds = NDArray[np.uint64]
F = TypeVar("F", bound=Callable[..., Any])

# Streams keep the uses of one episode seed apart.
STREAM_SERVE = np.uint64(1)
STREAM_OPPONENT = np.uint64(2)
STREAM_ACTION_LEFT = np.uint64(3)
STREAM_ACTION_RIGHT = np.uint64(4)

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MUL_1 = np.uint64(0xBF58476D1CE4E5B9)
_MUL_2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_TO_UNIT = 1.0 / (1 << 53)


def jit(function: F) -> F:
    """`numba.njit` with a disk cache, keeping the function's type for mypy.

    The cache of a compiled function knows its own file only. So no compiled function may call
    one of another file: it would go on using that file's old code.
    """
    return cast(F, numba.njit(cache=True, error_model="numpy")(function))


@jit
def mix(value: np.uint64) -> np.uint64:
    """SplitMix64's finaliser on one uint64: a bijection whose outputs look independent."""
    z = value + _GOLDEN
    z = (z ^ (z >> _S30)) * _MUL_1
    z = (z ^ (z >> _S27)) * _MUL_2
    return z ^ (z >> _S31)


@jit
def unit(seed: np.uint64, stream: np.uint64, counter: np.uint64) -> float:
    """One uniform draw in [0, 1) for (seed, stream, counter), all uint64."""
    return float(mix(mix(seed ^ mix(stream)) + counter) >> _S11) * _TO_UNIT


def uniforms(
    seeds: Seeds, stream: np.uint64, counters: Seeds | np.uint64, count: int
) -> NDArray[np.float64]:
    """Draw (N, count) uniforms in [0, 1): row i depends on seeds[i] and counters[i] alone.

    Counter c takes the draws c * count .. c * count + count - 1 of its stream.
    """
    out = np.empty((len(seeds), count))
    _fill(seeds, stream, np.broadcast_to(np.asarray(counters, np.uint64), seeds.shape), out)
    return out


@jit
def _fill(seeds: Any, stream: np.uint64, counters: Any, out: Any) -> None:
    count = np.uint64(out.shape[1])
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = unit(seeds[i], stream, counters[i] * count + np.uint64(j))


def derive(*parts: object) -> int:
    """Hash any printable parts into one 63-bit seed, the same on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*parts: object) -> np.random.Generator:
    """A NumPy generator of its own for the purpose that the parts name."""
    return np.random.default_rng(derive(*parts))


def training_rng(kind: str, seed: int, game: str) -> np.random.Generator:
    """The generator of a training, which is the same in a process and in a container.

    Not of the method's name: methods are compared seed by seed, from the same start.
    """
    return generator(kind, seed, game)


class EpisodeSeeds:
    """Hands every match of a batch the seeds of its episodes, first to last.

    Match i plays `listed[i]` in order; past the list (or without one) its k-th episode has the
    seed hash(base, i, k), so training never runs out and no match depends on another.
    """

    def __init__(self, base: int, matches: int, listed: Sequence[Sequence[int]] | None = None):
        if listed is not None and len(listed) != matches:
            raise ValueError(f"expected episode lists for {matches} matches, got {len(listed)}")
        self.base = np.uint64(base)
        self.listed = [list(seeds) for seeds in listed] if listed is not None else []
        self.drawn = np.zeros(matches, dtype=np.int64)

    def next(self, rows: NDArray[np.intp]) -> Seeds:
        """The next episode seed of each match in `rows`: (len(rows),) uint64."""
        seeds = np.empty(len(rows), dtype=np.uint64)
        _draw(self.base, rows, self.drawn, seeds)
        if self.listed:
            for j, row in enumerate(rows):
                k = self.drawn[row] - 1
                if k < len(self.listed[row]):
                    seeds[j] = self.listed[row][k]
        return seeds


@jit
def _draw(base: np.uint64, rows: Any, drawn: Any, out: Any) -> None:
    for j in range(len(rows)):
        row = rows[j]
        out[j] = mix(mix(base + mix(np.uint64(row))) + np.uint64(drawn[row]))
        drawn[row] += 1
