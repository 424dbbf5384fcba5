"""Errors that end a command with one clear line, and the exit code that each one means."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class BenchError(Exception):
    """Something the user can act on: the message says what was expected, what came, what to do."""

    exit_code = 1


class CheckFailed(BenchError):
    """A check ran and its answer is no (exit code 1)."""

    exit_code = 1


class Misuse(BenchError):
    """The command, a setting, or a file that was handed in is wrong (exit code 2)."""

    exit_code = 2


class InfrastructureError(BenchError):
    """Disk, engine or machine failed; never counted as a win or a loss (exit code 3)."""

    exit_code = 3


@contextlib.contextmanager
def disk_errors(place: object, remedy: str) -> Iterator[None]:
    """Turn an OSError into one line: the place, what the disk says, what to do."""
    try:
        yield
    except OSError as error:
        raise InfrastructureError(f"{place}: {error.strerror or error}; {remedy}") from error


def missing_packages(packages: str, error: ImportError) -> InfrastructureError:
    """What to say where packages that only a part of the program needs are not installed."""
    return InfrastructureError(f"{error}: pip install {packages}")


def first_problem(error: ValidationError) -> str:
    """The first thing wrong, as 'field: what', for a one-line message.

    It may quote a stranger's names: what would move a terminal is replaced.
    """
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    what = problem["msg"].removeprefix("Value error, ")
    told = f"{where}: {what}" if where else what
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in told)
