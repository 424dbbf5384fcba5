"""What died half-done is found, links are not followed, and clocks may go wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmark.errors import InfrastructureError
from benchmark.records.leftovers import folders, is_stale, leftovers, links, size, touched
from benchmark.records.store import STALE_S

NOW = 1_700_000_000.0


def put(path: Path, at: float = NOW) -> Path:
    """A file of ten bytes of this time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(10))
    os.utime(path, (at, at))
    return path


@pytest.mark.parametrize(
    ("age", "stale"),
    [(0.0, False), (STALE_S - 1, False), (STALE_S + 1, True), (-1.0, False), (-9e8, False)],
)
def test_stale_is_what_nobody_touched_for_a_day(tmp_path: Path, age: float, stale: bool) -> None:
    """A time to come, of a clock that was set back, is not long ago."""
    assert is_stale(put(tmp_path / "file", NOW - age), NOW) == stale


def test_one_fresh_file_keeps_its_folder(tmp_path: Path) -> None:
    home = tmp_path / "home"
    put(home / "deep" / "old", NOW - 2 * STALE_S)
    for folder in (home / "deep", home):
        os.utime(folder, (NOW - 3 * STALE_S,) * 2)
    assert touched(home) == NOW - 2 * STALE_S
    assert is_stale(home, NOW)
    put(home / "deep" / "new")
    assert not is_stale(home, NOW)


def test_what_is_gone_meanwhile_is_not_stale(tmp_path: Path) -> None:
    assert not is_stale(tmp_path / "gone", NOW)
    assert size(tmp_path / "gone") == 0


def test_leftovers_are_staging_folders_and_temporary_files(tmp_path: Path) -> None:
    expected = [
        put(tmp_path / "artifacts" / ".staging-ab" / "job.json").parent,
        put(tmp_path / "work" / "key" / ".checkpoint.safetensors.0f.tmp"),
    ]
    put(tmp_path / "work" / "key" / "checkpoint.safetensors")
    put(tmp_path / "records" / ".one.json.0f.tmp")
    assert leftovers(tmp_path) == expected
    assert len(leftovers(tmp_path, ("artifacts", "work", "records"))) == 3
    assert folders(tmp_path / "artifacts") == []


def test_links_lead_nowhere(tmp_path: Path) -> None:
    """Neither a part of a store nor anything in it is read through one."""
    outside = put(tmp_path / "outside" / "key" / ".a.tmp").parents[1]
    root = tmp_path / "store"
    root.mkdir()
    (root / "artifacts").symlink_to(outside)
    (root / "work").mkdir()
    (root / "work" / "key").symlink_to(outside / "key")
    assert leftovers(root) == []
    assert folders(root / "artifacts") == folders(root / "work") == []
    assert links(root / "artifacts") == [root / "artifacts"]
    assert links(root / "work") == [root / "work" / "key"]
    assert size(root) == 0


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> list[str]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(InfrastructureError, match="Permission denied; make it readable"):
        folders(tmp_path)
