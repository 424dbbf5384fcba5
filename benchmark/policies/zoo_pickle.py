"""The one flat array of a NumPy pickle, read without Python's unpickler: nothing of it is run.

`pickle.Unpickler` is no base for this, even with `find_class` shut: six bytes of a file
(LONG_BINPUT and an index) make it fill 64 GiB of memo. So the few opcodes with which NumPy's
arrays are written (protocols 0 to 5, by Python 2 and 3, NumPy 1 and 2) are interpreted here.
A call is only noted down, never made; the notes are then held against the forms of an array.
Python documents the opcodes in `pickletools`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_OPCODES = 200
"""An array takes about fifty, whatever its length: so no stack, memo or nesting grows large."""
MAX_DIGITS = 20

GLOBALS = {
    **{f"numpy.{core}.multiarray._reconstruct": "reconstruct" for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": "frombuffer" for core in ("core", "_core")},
    "numpy.ndarray": "ndarray",
    "numpy.dtype": "dtype",
    "_codecs.encode": "encode",
}
"""All that an array's pickle may name."""
DTYPE_REST = (None, None, None, -1, -1, 0)
"""A plain dtype's state after version and byte order: no fields, no subarray, no flags."""


class UnreadablePickle(ValueError):
    """Not the pickle of one flat array of little-endian floats; says why."""


@dataclass(eq=False, frozen=True)
class Name:
    """A global that was named; `GLOBALS` says which ones may be."""

    name: str


@dataclass(eq=False)
class Call:
    """A call that a pickle asked for and that was not made."""

    function: str
    arguments: tuple[Any, ...]
    state: Any = None


def read_vector(payload: bytes) -> NDArray[np.floating[Any]]:
    """The array (K,) float32 or float64 that `payload` pickles.

    Raises:
        UnreadablePickle: with the reason; nothing else, whatever the bytes are.
    """
    try:
        return _array(_Machine(payload).run())
    except UnreadablePickle:
        raise
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise UnreadablePickle("it is damaged") from error


def _array(top: Any) -> NDArray[np.floating[Any]]:
    match top:
        case Call("reconstruct", (Name("ndarray"), (0,), tag), (1, (int(count),), dtype, _, data)):
            if _bytes(tag) != b"b":
                raise UnreadablePickle("it is no plain array")
        case Call("frombuffer", (data, dtype, (int(count),), "C"), None):
            pass
        case _:
            raise UnreadablePickle("it holds something other than one flat array")
    kind, raw = _dtype(dtype), _bytes(data)
    if len(raw) != count * kind.itemsize:
        raise UnreadablePickle("its array's declared length is not that of its bytes")
    return np.frombuffer(raw, dtype=kind)


def _dtype(note: Any) -> np.dtype[Any]:
    match note:
        case Call("dtype", (code, *_), (3, order, *rest)) if tuple(rest) == DTYPE_REST:
            name = _text(order) + _text(code)
            if name in ("<f4", "<f8"):
                return np.dtype(name)
    raise UnreadablePickle("its numbers are not little-endian floats of 32 or 64 bits")


def _bytes(value: Any) -> bytes:
    """Bytes as Python 3 writes them in a protocol that has none: `_codecs.encode(text)`."""
    match value:
        case bytes():
            return value
        case Call("encode", (str(text), "latin1"), None):
            return text.encode("latin-1")
    raise UnreadablePickle("bytes are missing where it should hold some")


def _text(value: Any) -> str:
    """Text, which Python 2 writes as bytes."""
    return value if isinstance(value, str) else _bytes(value).decode("ascii")


class _Machine:
    """The stack machine of `pickle`, without anything that acts."""

    def __init__(self, payload: bytes):
        self._payload, self._at = payload, 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """What lies alone on the stack at STOP, the payload's last byte."""
        for _ in range(MAX_OPCODES):
            opcode = self.take(1)
            if opcode == b".":
                if len(self.stack) != 1 or self._at != len(self._payload):
                    raise UnreadablePickle("it holds more than one array")
                return self.stack[0]
            if opcode in PUSHING:
                self.stack.append(PUSHING[opcode](self))
            elif opcode in SILENT:
                SILENT[opcode](self)
            else:
                raise UnreadablePickle(f"no array's pickle has the opcode {opcode!r}")
        raise UnreadablePickle(f"no array's pickle has more than {MAX_OPCODES} opcodes")

    def take(self, count: int) -> bytes:
        """The next bytes."""
        if count > len(self._payload) - self._at or count < 0:
            raise UnreadablePickle("it ends too early")
        self._at += count
        return self._payload[self._at - count : self._at]

    def number(self, width: int, signed: bool = False) -> int:
        """The next integer of so many bytes."""
        return int.from_bytes(self.take(width), "little", signed=signed)

    def line(self) -> bytes:
        """The next line, without its end."""
        end = self._payload.find(b"\n", self._at)
        if end < 0:
            raise UnreadablePickle("it ends too early")
        return self.take(end + 1 - self._at)[:-1]

    def integer(self) -> int:
        """The next line as an integer; Python 2 ends some with an L."""
        line = self.line()
        if len(line) > MAX_DIGITS:
            raise UnreadablePickle("it holds an integer without end")
        return int(line.rstrip(b"L"))

    def named(self, module: Any, name: Any) -> Name:
        """A global, if it is one of those that arrays need."""
        full = f"{_text(module)}.{_text(name)}"
        if full not in GLOBALS:
            raise UnreadablePickle(f"it names {full[:80]!a}, which no array needs; not run")
        return Name(GLOBALS[full])

    def pop_to_mark(self) -> tuple[Any, ...]:
        """All above the last mark, which goes as well."""
        start = max(i for i, item in enumerate(self.stack) if item is MARK)
        items = tuple(self.stack[start + 1 :])
        del self.stack[start:]
        return items

    def pop(self, count: int) -> tuple[Any, ...]:
        """The topmost items."""
        if count > len(self.stack):
            raise UnreadablePickle("it takes more than it holds")
        items = tuple(self.stack[len(self.stack) - count :])
        del self.stack[len(self.stack) - count :]
        return items

    def call(self) -> Call:
        """REDUCE: a function and its arguments, noted down."""
        function, arguments = self.pop(2)
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise UnreadablePickle("it calls what is no function")
        return Call(function.name, arguments)

    def build(self) -> None:
        """BUILD: a state for the call below it, noted down."""
        (state,) = self.pop(1)
        target = self.stack[-1]
        if not isinstance(target, Call) or target.state is not None:
            raise UnreadablePickle("it sets the state of what has none")
        target.state = state

    def keep(self, index: int) -> None:
        """PUT: the topmost item into the memo."""
        self.memo[index] = self.stack[-1]


def _unquoted(line: bytes) -> bytes:
    """Python 2's repr of a byte string, undone."""
    if len(line) < 2 or line[:1] not in (b"'", b'"') or line[-1:] != line[:1]:
        raise UnreadablePickle("it holds a string without quotes")
    with warnings.catch_warnings(action="ignore"):  # of escapes that no repr writes
        return line[1:-1].decode("unicode_escape").encode("latin-1")


MARK = object()
PUSHING: dict[bytes, Callable[[_Machine], Any]] = {
    b"N": lambda m: None,
    b"\x88": lambda m: True,
    b"\x89": lambda m: False,
    b"I": lambda m: m.integer(),
    b"L": lambda m: m.integer(),
    b"K": lambda m: m.number(1),
    b"M": lambda m: m.number(2),
    b"J": lambda m: m.number(4, signed=True),
    b"\x8a": lambda m: m.number(m.number(1), signed=True),
    b"S": lambda m: _unquoted(m.line()),
    b"U": lambda m: m.take(m.number(1)),
    b"T": lambda m: m.take(m.number(4)),
    b"C": lambda m: m.take(m.number(1)),
    b"B": lambda m: m.take(m.number(4)),
    b"\x8e": lambda m: m.take(m.number(8)),
    b"\x96": lambda m: m.take(m.number(8)),
    b"V": lambda m: m.line().decode("raw-unicode-escape"),
    b"X": lambda m: m.take(m.number(4)).decode(),
    b"\x8c": lambda m: m.take(m.number(1)).decode(),
    b"(": lambda m: MARK,
    b"t": lambda m: m.pop_to_mark(),
    b")": lambda m: m.pop(0),
    b"\x85": lambda m: m.pop(1),
    b"\x86": lambda m: m.pop(2),
    b"\x87": lambda m: m.pop(3),
    b"c": lambda m: m.named(m.line(), m.line()),
    b"\x93": lambda m: m.named(*m.pop(2)),
    b"R": lambda m: m.call(),
    b"g": lambda m: m.memo[m.integer()],
    b"h": lambda m: m.memo[m.number(1)],
    b"j": lambda m: m.memo[m.number(4)],
}
"""Opcodes that push one item: constants, counted and quoted texts, tuples, names, calls, memo."""
SILENT: dict[bytes, Callable[[_Machine], Any]] = {
    b"\x80": lambda m: m.take(1),  # PROTO
    b"\x95": lambda m: m.take(8),  # FRAME
    b"p": lambda m: m.keep(m.integer()),
    b"q": lambda m: m.keep(m.number(1)),
    b"r": lambda m: m.keep(m.number(4)),
    b"\x94": lambda m: m.keep(len(m.memo)),
    b"b": lambda m: m.build(),
}
"""Opcodes that push nothing."""
