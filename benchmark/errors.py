"""Errors that end a command with one clear line, and the exit code that each one means."""

from __future__ import annotations


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


def missing_packages(packages: str, error: ImportError) -> InfrastructureError:
    """What to say where packages that only a part of the program needs are not installed."""
    return InfrastructureError(f"{error}: pip install {packages}")
