"""Films of matches for entries' pages: files named after the record that they show."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import Misuse

SUFFIXES = (".mp4", ".webm", ".gif")
_NAME = re.compile(r"(?P<id>[0-9a-f]{16})(?:-(?P<label>[A-Za-z0-9_-]{1,60}))?")


@dataclass(frozen=True)
class Video:
    """A film of a record's matches. label: what its name says after the record's id."""

    source: Path
    record: str
    label: str

    @property
    def name(self) -> str:
        """Its file's name on the site: id and label are plain letters."""
        return self.source.name

    @property
    def moving_picture(self) -> bool:
        """A .gif is an image to a browser, not a video."""
        return self.source.suffix.lower() == ".gif"


def find_videos(folder: Path, records: Iterable[str]) -> tuple[list[Video], list[str]]:
    """The films of these records in a folder, by name, and the files that are none.

    `<record id>.mp4` or `<record id>-<label>.mp4`; a link is not followed.

    Raises:
        Misuse: there is no such folder.
    """
    if not folder.is_dir():
        raise Misuse(f"--videos {folder}: no such folder")
    known, found, strangers = set(records), [], []
    for path in sorted(folder.iterdir()):
        named = _NAME.fullmatch(path.stem)
        film = path.suffix.lower() in SUFFIXES and path.is_file() and not path.is_symlink()
        if film and named and named["id"] in known:
            found.append(Video(path, named["id"], re.sub("[-_]", " ", named["label"] or "")))
        else:
            strangers.append(path.name)
    return found, strangers
