"""Files of a store on their way from one machine to another: names under its root, and bytes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from benchmark.disk import write_atomically
from benchmark.errors import InfrastructureError
from benchmark.records.store import storage_errors

Files = dict[str, bytes]


def pack(root: Path, folder: str, names: Iterable[str] | None = None) -> Files:
    """The files right in a folder of a store; names: only these, where they are there."""
    home = root / folder
    with storage_errors(root):
        found = sorted(path for path in home.glob("*") if path.is_file() and path.suffix != ".tmp")
        wanted = None if names is None else set(names)
        return {
            f"{folder}/{path.name}": path.read_bytes()
            for path in found
            if wanted is None or path.name in wanted
        }


def unpack(root: Path, files: Files) -> None:
    """Write them, each whole or not at all.

    Raises:
        InfrastructureError: a name that leads out of the store, or a store that keeps nothing.
    """
    with storage_errors(root):
        for name, content in files.items():
            path = root / inside(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)


def inside(name: str) -> PurePosixPath:
    """A name under a store's root, if it is one."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise InfrastructureError(f"a node sent a file called '{name}', which no store has")
    return path
