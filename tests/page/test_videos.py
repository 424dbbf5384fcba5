"""Which films belong to which record."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.errors import Misuse
from benchmark.page.videos import find_videos

ID = "0123456789abcdef"


def test_films_are_found_by_their_record(tmp_path: Path) -> None:
    taken = [f"{ID}-two_falls.webm", f"{ID}.mp4"]
    others = ["fedcba9876543210.mp4", f"{ID}.exe", f"{ID}-<b>.mp4", "notes.txt"]
    for name in (*taken, *others):
        (tmp_path / name).write_bytes(b"film")
    (tmp_path / f"{ID}-link.mp4").symlink_to(tmp_path / taken[1])
    found, strangers = find_videos(tmp_path, [ID])
    assert [(video.name, video.record, video.label) for video in found] == [
        (taken[0], ID, "two falls"), (taken[1], ID, ""),
    ]  # fmt: skip
    assert sorted(strangers) == sorted([*others, f"{ID}-link.mp4"])


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="no such folder"):
        find_videos(tmp_path / "none", [])
