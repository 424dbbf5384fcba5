"""Records as files: written as JSON, read with distrust."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from benchmark.disk import plain
from benchmark.errors import Misuse, first_problem
from benchmark.evaluation.protocol import PROTOCOL
from benchmark.records.layout import laid_out
from benchmark.records.older import from_first
from benchmark.records.record import Record

SCHEMA = 2
READ = (1, SCHEMA)
MAX_BYTES = 16 * 1024 * 1024


class BadRecord(Misuse):
    """A record file that is damaged, foreign or impossible."""


def to_json(record: Record) -> bytes:
    """The record as the bytes of its file."""
    return (laid_out(record.model_dump(mode="json")) + "\n").encode()


def load(path: Path) -> bytes:
    """The bytes of a record's file.

    Raises:
        BadRecord: a link, no file, larger than any record, or unreadable.
    """
    return plain(path, MAX_BYTES, BadRecord)


def read(path: Path) -> Record:
    """Read and check a record. Types are strict: "494" and 494.0 are no count of wins.

    Raises:
        BadRecord: with the path and what is wrong.
    """
    try:
        payload = load(path)
        found = _parsed(payload)
        if found["schema_version"] != SCHEMA:
            payload = json.dumps(from_first(found)).encode()
        record = Record.model_validate_json(payload, strict=True)
    except _Gross as error:
        raise BadRecord(f"{path}: {error}") from error
    except ValidationError as error:
        raise BadRecord(f"{path}: {first_problem(error)}") from error
    if record.cell.protocol != PROTOCOL:
        raise BadRecord(f"{path}: protocol {record.cell.protocol}, this program's is {PROTOCOL}")
    if path.name != f"{record.id}.json":
        raise BadRecord(f"{path}: holds record {record.id}; its file is called {record.id}.json")
    return record


class _Gross(Exception):
    """What a model does not see, or tells badly: no JSON, a key twice, another version."""


def _parsed(payload: bytes) -> dict[str, Any]:
    try:
        from_json(payload)  # which refuses half a surrogate pair, as json does not
        found = json.loads(payload, object_pairs_hook=_once)
    except ValueError as error:
        raise _Gross(f"not JSON ({error})") from error
    version = found.get("schema_version") if isinstance(found, dict) else None
    if type(version) is not int or version not in READ:  # True and 1.0 equal 1
        known = " and ".join(map(str, READ))
        raise _Gross(f"schema version {version!r}, this program reads {known}")
    parsed: dict[str, Any] = found
    return parsed


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):  # readers differ in which of the two they take
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _Gross(f"the key {twice!r} twice in one object")
    return found
