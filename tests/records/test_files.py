"""Records on disk: what is written reads back, and what is not a record is refused."""

from __future__ import annotations

import json
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
    "half a surrogate pair": b'{"schema_version": 2, "command": "\\ud800"}',
}
FOREIGN: dict[str, bytes] = {"list": b"[]", "number": b"7", "null": b"null", "object": b"{}"}


@pytest.mark.parametrize("record", [attacked(50, others=["b"]), defended(20, 10, 30)])
def test_round_trip(tmp_path: Path, record: Record) -> None:
    """Reading gives an equal record, and writing that gives the same bytes."""
    path = tmp_path / f"{record.id}.json"
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


@pytest.mark.parametrize("name", ["record.json", "0123456789abcdef.json", "{id}.JSON"])
def test_a_file_of_another_name_is_refused(tmp_path: Path, name: str) -> None:
    """With the name that it ought to have: links and films are found by it."""
    record = attacked(50)
    path = tmp_path / name.format(id=record.id)
    path.write_bytes(to_json(record))
    with pytest.raises(BadRecord, match=rf"holds record .*called {record.id}\.json"):
        read(path)


@pytest.mark.parametrize("key", ["wins", "win:point", "id", "budget_steps", "wall_s"])
def test_a_key_that_is_there_twice_is_refused(tmp_path: Path, key: str) -> None:
    """Even with equal values: which of the two counts is a matter of the reader."""
    record = attacked(50)
    text = re.sub(rf'("{key}": ?[^,}}\n]+)', r"\1,\1", to_json(record).decode(), count=1)
    path = tmp_path / f"{record.id}.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadRecord, match=re.escape(f"{path}: the key '{key}' twice")):
        read(path)


def test_layout_is_free(tmp_path: Path) -> None:
    """A record by hand, with spaces and keys in another order, is the same record."""
    record = attacked(50)
    path = tmp_path / f"{record.id}.json"
    path.write_text(json.dumps(json.loads(to_json(record)), indent=4, sort_keys=True))
    assert read(path) == record


def test_every_committed_record_is_read() -> None:
    """As strictly as any other."""
    paths = sorted((Path(__file__).parents[2] / "results").glob("*-v*/*.json"))
    assert len({read(path).id for path in paths}) == len(paths) > 100


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
