"""A submission's folder, read once: what is checked, hashed and run are the same bytes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

from benchmark.errors import BenchError, CheckFailed, InfrastructureError, Misuse
from benchmark.isolation.readable import let_read
from benchmark.submissions import lines
from benchmark.submissions import manifest as manifests
from benchmark.submissions.manifest import Manifest
from benchmark.submissions.outsider import Alone, Outsider

DISTRIBUTION = "competitive-rl-bench"
EVIDENCE = "evidence"
"""The part of a folder that runs have left: no part of the submission's content."""
IGNORED = {
    EVIDENCE, "__pycache__", ".git", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis",
    ".benchmarks",
}  # fmt: skip
REFUSED = {
    ".pkl", ".pickle", ".joblib", ".pt", ".pth", ".pyc", ".pyo", ".pyd", ".so", ".dll", ".dylib",
    ".exe", ".whl", ".zip", ".tar", ".gz", ".nbi", ".nbc",
}  # fmt: skip
"""Pickles, and what nobody can read before it runs."""
MAX_FILES, MAX_BYTES = 200, 16 * 1024 * 1024


@dataclass(frozen=True)
class Submission:
    """A folder with a good manifest. Nothing of it has run."""

    folder: Path
    manifest: Manifest
    files: dict[str, bytes]
    """Relative POSIX path to content, without what is ignored."""

    @cached_property
    def sha256(self) -> str:
        """The hash of its content: of every file's path and bytes, without `evidence`."""
        digest = hashlib.sha256()
        for name, payload in sorted(self.files.items()):
            digest.update(f"{name}\0{hashlib.sha256(payload).hexdigest()}\n".encode())
        return digest.hexdigest()

    @property
    def evidence(self) -> Path:
        """Where its records and policies lie."""
        return self.folder / EVIDENCE

    @contextlib.contextmanager
    def loaded(self, wheels: Path | None = None) -> Iterator[Any]:
        """The method's class, known to the registry by its name; this runs the submission's code.

        wheels: a folder of packages that it needs and that are not installed.

        What runs is a copy of the bytes that were read. A package that registers the method by an
        entry point is used as it is installed, if that is the same code.

        Raises:
            CheckFailed: it cannot be imported, or is installed with other code.
        """
        about, group = self.manifest, self.manifest.group
        if group.values().get(about.name) == about.entry:
            yield self._installed()
            return
        with self.copied() as copy, group.including(about.name, about.entry, copy, wheels=wheels):
            yield self._load()

    @contextlib.contextmanager
    def described(self, boxes: Alone, wheels: Path | None = None) -> Iterator[Outsider]:
        """A stand-in for the method's class, known likewise: its code runs in containers alone.

        wheels: the folder of the packages that it needs besides the image's.
        """
        about, group = self.manifest, self.manifest.group
        with self.copied() as copy:
            outsider = Outsider(about, copy, boxes, wheels)
            with group.including(about.name, about.entry, copy, outsider, wheels):
                yield outsider

    @contextlib.contextmanager
    def copied(self) -> Iterator[Path]:
        """A folder with a copy of the files, which a container's user can read."""
        with tempfile.TemporaryDirectory(prefix="submission-") as made:
            copy = Path(made)
            self.write(copy)
            let_read(copy)
            yield copy

    def write(self, into: Path) -> None:
        """Copy the files that were read into a folder."""
        for name, payload in self.files.items():
            path = into / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(payload)

    def _load(self) -> Any:
        try:
            return self.manifest.group.load(self.manifest.name)
        except (BenchError, SystemExit) as error:  # its code may even try to end the command
            raise CheckFailed(f"cannot be loaded: {error}") from error

    def _installed(self) -> Any:
        kind = self._load()
        name = self.manifest.entry.partition(":")[0]
        file = getattr(sys.modules.get(name), "__file__", None)
        others = self._others(Path(file or ""))
        if others:
            raise CheckFailed(
                f"'{self.manifest.name}' is installed from {file}, with other code ({others[0]})"
            )
        return kind

    def _others(self, installed: Path) -> list[str]:
        """Names of .py files that are not here as they are installed.

        Of the entry's package all that lie in it, here or there, since some may be imported later;
        besides, what the entry has imported from beside it. installed: the entry's own file.
        """
        entry = entry_file(self.manifest.entry, self.files)
        assert entry is not None  # else it is refused when it is read
        parts = PurePosixPath(entry).parts
        if installed.parts[-len(parts) :] != parts:
            return [entry]
        home = installed.parents[len(parts) - 1]
        code = {name for name in self.files if name.endswith(".py")}
        names = {name for name in code if _module(name) in sys.modules}
        if len(parts) > 1:
            there = (path for path in _walk(installed.parent) if path.suffix == ".py")
            names |= {path.relative_to(home).as_posix() for path in there}
            names |= {name for name in code if name.startswith(f"{parts[0]}/")}
        return sorted(name for name in names if self.files.get(name) != _content(home / name))


def read(folder: Path) -> Submission:
    """Read a submission's folder and check its manifest; no code of it runs.

    Raises:
        Misuse: no folder, a file that may not be in it, or a manifest that is refused.
    """
    if not folder.is_dir():
        raise Misuse(f"{folder}: no such folder; `bench new attack NAME` makes one")
    files = _files(folder)
    where = folder / manifests.FILE
    if manifests.FILE not in files:
        raise Misuse(f"{where}: missing; `bench new attack NAME` writes one")
    manifest = manifests.parse(
        files[manifests.FILE], str(where), folder=folder.resolve().name, core=core_pins()
    )
    if entry_file(manifest.entry, files) is None:
        line = lines.line_of(files[manifests.FILE].decode(), ["entry"])
        module = manifest.entry.partition(":")[0]
        raise Misuse(f"{where}:{line}: entry: expected {module}.py in {folder}, there is none")
    return Submission(folder, manifest, files)


def entry_file(entry: str, files: dict[str, bytes]) -> str | None:
    """Which file holds the entry's module."""
    module = entry.partition(":")[0]
    names = (f"{module}.py", f"{module}/__init__.py")
    return next((name for name in names if name in files), None)


def _module(name: str) -> str:
    """What a .py file is imported as, by its name in the folder."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _content(path: Path) -> bytes | None:
    """None where there is no such file."""
    return path.read_bytes() if path.is_file() else None


def core_pins() -> dict[str, str]:
    """Exact versions that this benchmark asks for, by canonical name."""
    asked = metadata.requires(DISTRIBUTION) or []
    found = (re.fullmatch(r"([A-Za-z0-9._-]+)==([^;\s]+)", text) for text in asked)
    return {manifests.canonical(match[1]): match[2] for match in found if match}


def check_requirements(manifest: Manifest, wheels: Path | None = None) -> None:
    """Raise InfrastructureError for a requirement that is not there in its very version.

    wheels: a folder of packages that are there besides the installed ones.
    """
    path = [*sys.path, *([] if wheels is None else [str(wheels)])]
    for pin in manifests.pins(manifest):
        found = next(iter(metadata.distributions(name=pin.name, path=path)), None)
        version = "not installed" if found is None else found.version
        if version != pin.version:
            raise InfrastructureError(
                f"'{manifest.name}' needs {pin.name}=={pin.version}, here it is {version}: "
                f"pip install --no-deps --only-binary :all: {pin.name}=={pin.version}"
            )


def _files(folder: Path) -> dict[str, bytes]:
    """All files of a folder; raises Misuse for one that may not be in it."""
    found: dict[str, bytes] = {}
    room = MAX_BYTES
    for path in _walk(folder):
        name = PurePosixPath(path.relative_to(folder)).as_posix()
        if path.is_symlink() or not path.is_file():
            raise Misuse(f"{path}: only plain files may be in a submission, no links")
        if path.suffix.lower() in REFUSED:
            raise Misuse(
                f"{path}: {path.suffix} files may not be in a submission, nor others that nobody "
                f"can read before they run ({' '.join(sorted(REFUSED))})"
            )
        with path.open("rb") as file:
            found[name] = file.read(room + 1)
        room -= len(found[name])
        if room < 0 or len(found) > MAX_FILES:
            raise Misuse(f"{folder}: at most {MAX_FILES} files and {MAX_BYTES >> 20} MiB in all")
    return found


def _walk(folder: Path) -> Iterator[Path]:
    """Everything in a folder that is no folder, links to folders included."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(n for n in folders if n not in IGNORED and not n.endswith(".egg-info"))
        for name in (*(n for n in folders if (Path(root) / n).is_symlink()), *sorted(files)):
            yield Path(root) / name
