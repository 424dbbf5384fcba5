"""Files: written whole, and read with distrust."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from benchmark.errors import BenchError, Misuse, first_problem

Instructions = TypeVar("Instructions", bound=BaseModel)
MAX_INSTRUCTIONS = 16 * 1024 * 1024
"""Bytes of a file that says what a process is to do."""


def write_atomically(path: Path, payload: bytes, temporary: Path | None = None) -> None:
    """Write a file so that a reader or a crash sees the old content or the new, never a part.

    temporary: the file beside it that is written first; one of its own, unless given.
    """
    temporary = temporary or path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def plain(path: Path, most: int, bad: type[BenchError]) -> bytes:
    """The bytes of a file that is one, of at most so many bytes; raises `bad` otherwise."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise bad(f"{path}: a link, which is not followed; expected a file of its own")
        if not stat.S_ISREG(found.st_mode):  # a pipe would keep us waiting
            raise bad(f"{path}: cannot be read (not a file)")
        if found.st_size > most:
            size = f"{found.st_size} bytes, expected at most {most}"
            raise bad(f"{path}: larger than {most >> 20} MiB ({size})")
        return path.read_bytes()
    except OSError as error:
        raise bad(f"{path}: cannot be read ({error.strerror})") from error


def instructions(path: Path, kind: type[Instructions], called: str) -> Instructions:
    """What a process is to do, from a file of JSON.

    called: what the file should be, 'a task'.

    Raises:
        Misuse: there is no such file, or it is something else.
    """
    try:
        return kind.model_validate_json(plain(path, MAX_INSTRUCTIONS, Misuse))
    except ValidationError as error:
        raise Misuse(f"{path}: not {called} ({first_problem(error)})") from error
