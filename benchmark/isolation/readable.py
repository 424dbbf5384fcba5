"""What the user of a container may read of this machine's files, whatever the umask here."""

from __future__ import annotations

from pathlib import Path

FILE, FOLDER = 0o644, 0o755


def let_read(home: Path) -> None:
    """Let everybody read a folder made for a container, and all that lies in it."""
    for path in (home, *home.rglob("*")):
        path.chmod(FOLDER if path.is_dir() else FILE)
