"""In which line of a TOML file a value stands; tomllib does not say.

A prefix of a file's lines that parses ends with a whole statement. So the statement that a key
comes from ends with the shortest prefix that has the key, and begins after the one before.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any

Path = Sequence[str | int]


def line_of(text: str, path: Path) -> int:
    """The line, from 1, of the value at `path` (keys, and indices into arrays); 1 if it has none.

    text: a document that parses.
    """
    lines = text.split("\n")
    keys = path[: next((i for i, part in enumerate(path) if isinstance(part, int)), len(path))]
    whole = 0
    for end in range(1, len(lines) + 1):
        found = _parsed(lines[:end])
        if found is None:
            continue
        if keys and _has(found, keys):
            return _element(lines, path, whole + 1, end)
        whole = end
    return 1


def last_line(text: str) -> int:
    """The line on which the fields outside any table end; 1 where there are none."""
    fields = [key for key, value in tomllib.loads(text).items() if not isinstance(value, dict)]
    return max((line_of(text, [key]) for key in fields), default=1)


def line_of_error(error: tomllib.TOMLDecodeError, text: str) -> int:
    """Where tomllib gave up."""
    told = re.search(r"line (\d+)", str(error))
    return int(told[1]) if told else text.rstrip("\n").count("\n") + 1


def _element(lines: Sequence[str], path: Path, first: int, last: int) -> int:
    """The line of an array's element in a statement of several lines."""
    for line in range(first, last):
        found = _parsed([*lines[:line], "]"])
        if found is not None and _has(found, path):
            return line
    return last if first == last or isinstance(path[-1], int) else first


def _parsed(lines: Sequence[str]) -> dict[str, Any] | None:
    try:
        return tomllib.loads("\n".join(lines) + "\n")
    except tomllib.TOMLDecodeError:
        return None


def _has(found: Any, path: Path) -> bool:
    for part in path:
        try:
            found = found[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True
