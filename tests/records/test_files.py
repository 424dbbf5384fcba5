"""Records on disk: what is written reads back, and what is not a record is refused."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from benchmark.records.files import BadRecord, read, to_json
from benchmark.records.record import Record
from tests.factories import attacked, defended

DAMAGED: dict[str, bytes] = {
    "empty": b"",
    "truncated": to_json(attacked(50))[:-40],
    "half": to_json(attacked(50))[:700],
    "not JSON": b"wins: 50\n",
    "not text": bytes(range(256)),
    "zeros": bytes(4096),
    "two values": b"{}{}",
    "deep": b"[" * 200_000,
    "half a surrogate pair": b'{"schema_version": 1, "command": "\\ud800"}',
}
FOREIGN: dict[str, bytes] = {"list": b"[]", "number": b"7", "null": b"null", "object": b"{}"}


@pytest.mark.parametrize("record", [attacked(50, others=["b"]), defended(20, 10, 30)])
def test_round_trip(tmp_path: Path, record: Record) -> None:
    """Reading gives an equal record, and writing that gives the same bytes."""
    path = tmp_path / "record.json"
    path.write_bytes(to_json(record))
    again = read(path)
    assert again == record
    assert to_json(again) == to_json(record)


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Truncation, garbage, bombs: the path and 'not JSON'."""
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(BadRecord, match=re.escape(f"{path}: not JSON")):
        read(path)


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
def test_foreign_json_is_refused(tmp_path: Path, content: bytes) -> None:
    """JSON, but of something else."""
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(BadRecord, match=re.escape(f"{path}: schema version None")):
        read(path)


def test_a_missing_file_a_folder_and_a_huge_file_are_refused(tmp_path: Path) -> None:
    """Whatever lies at the path, the answer is a BadRecord that names it."""
    huge = tmp_path / "huge.json"
    huge.touch()
    os.truncate(huge, 64 * 1024 * 1024)
    folder = tmp_path / "folder.json"
    folder.mkdir()
    for path, reason in (
        (tmp_path / "missing.json", "cannot be read"),
        (folder, "cannot be read"),
        (huge, "larger than"),
    ):
        with pytest.raises(BadRecord, match=f"{re.escape(str(path))}: .*{reason}"):
            read(path)
