"""Records as files: written as JSON, read with distrust."""

from __future__ import annotations

import stat
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import from_json

from benchmark.errors import Misuse
from benchmark.evaluation.protocol import PROTOCOL
from benchmark.policies.artifact import first_problem
from benchmark.records.record import Record

SCHEMA = 1
MAX_BYTES = 16 * 1024 * 1024


class BadRecord(Misuse):
    """A record file that is damaged, foreign or impossible."""


def to_json(record: Record) -> bytes:
    """The record as the bytes of its file."""
    return (record.model_dump_json(indent=1) + "\n").encode()


def load(path: Path) -> bytes:
    """The bytes of a record's file.

    Raises:
        BadRecord: a link, no file, larger than any record, or unreadable.
    """
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise BadRecord(f"{path}: a link; a record is a file of its own")
        if not stat.S_ISREG(found.st_mode):  # a pipe would keep us waiting
            raise BadRecord(f"{path}: cannot be read (not a file)")
        if found.st_size > MAX_BYTES:
            raise BadRecord(f"{path}: larger than {MAX_BYTES >> 20} MiB; not a record")
        return path.read_bytes()
    except OSError as error:
        raise BadRecord(f"{path}: cannot be read ({error.strerror})") from error


def read(path: Path) -> Record:
    """Read and check a record.

    Raises:
        BadRecord: with the path and what is wrong.
    """
    try:
        payload = from_json(load(path))  # which refuses half a surrogate pair, as json does not
    except ValueError as error:
        raise BadRecord(f"{path}: not JSON ({error})") from error
    version = payload.get("schema_version") if isinstance(payload, dict) else None
    if version != SCHEMA:
        raise BadRecord(f"{path}: schema version {version!r}, this program reads {SCHEMA}")
    try:
        record = Record.model_validate(payload)
    except ValidationError as error:
        raise BadRecord(f"{path}: {first_problem(error)}") from error
    if record.cell.protocol != PROTOCOL:
        raise BadRecord(f"{path}: protocol {record.cell.protocol}, this program's is {PROTOCOL}")
    return record
