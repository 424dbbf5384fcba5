"""A folder of files that changes as a whole, and only where this program made it.

Files go into a sibling folder which then takes the old one's place; a render that fails leaves
the old site as it was. A file of marks says what was written, and a folder that holds anything
else, or has no such file, is left alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmark.errors import InfrastructureError, Misuse

MARK = ".bench-page"
"""Lists the files of a site; its presence says that this program made the folder."""
STAGING = ".bench-page-"


def replace_folder(folder: Path, files: Iterable[tuple[str, bytes | Path]]) -> int:
    """Put a folder of these files (relative path, content or file to copy) in place; how many.

    Raises:
        Misuse: the folder holds something that this program did not write.
        InfrastructureError: the disk refused; what was there is still there.
    """
    check_ours(folder)
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder.absolute().parent))
    except OSError as error:
        raise InfrastructureError(f"{folder}: cannot be made ({error.strerror})") from error
    try:
        count = _write(staging / "new", files)
        check_ours(folder)  # again: writing took a while
        _swap(folder, staging)
    except OSError as error:
        raise InfrastructureError(
            f"{folder}: cannot be written ({error.strerror or error}); what was there is kept"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return count


def check_ours(folder: Path) -> None:
    """Raise Misuse unless a folder is missing, empty, or holds only what this program wrote."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise Misuse(f"{folder}: is not a folder; name one that this program may replace")
    if not folder.exists() or not any(folder.iterdir()):
        return
    mark = folder / MARK
    if not mark.is_file():
        raise Misuse(f"{folder}: was not made by `bench leaderboard --html`; name an empty folder")
    ours = {MARK, *mark.read_text(encoding="utf-8").splitlines()}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name not in ours and (path.is_symlink() or not path.is_dir()):
            raise Misuse(
                f"{path}: not written by this program; move it away, the folder is replaced"
            )


def _write(root: Path, files: Iterable[tuple[str, bytes | Path]]) -> int:
    """Write files under a new folder, with the mark that lists them."""
    root.mkdir()
    names = []
    for name, content in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            shutil.copyfile(content, path)
        names.append(name)
    text = "".join(f"{name}\n" for name in sorted(names))
    (root / MARK).write_text(text, encoding="utf-8")
    return len(names)


def _swap(folder: Path, staging: Path) -> None:
    """The new folder into the old one's place; the old one back where that fails."""
    old = staging / "old"
    if folder.exists():
        folder.rename(old)
    try:
        os.rename(staging / "new", folder)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            old.rename(folder)
        raise
