"""The wheels that a submission pins, for containers: fetched and unpacked, and nothing of them run.

    python -m benchmark.submissions.wheels      prints for whom wheels must be, as JSON

pip takes wheels alone and none of what they need, for the Python of the image. A wheel is a zip
archive; its plain files go to a folder that containers mount, read-only and last on their path.
"""

from __future__ import annotations

import errno
import json
import lzma
import platform
import stat
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO

from pydantic import BaseModel, ConfigDict, Field

from benchmark.errors import InfrastructureError, Misuse
from benchmark.isolation.status import printable

COMMAND = ("python", "-m", "benchmark.submissions.wheels")
FETCH_S = 900.0
MAX_FILES, MAX_BYTES = 20_000, 1 << 30
"""Of all wheels of a submission together, unpacked."""
PIECE = 1 << 20
OLDEST_GLIBC = 5
"""The first 2.x of a `manylinux_2_x`."""
LIBRARIES = ("purelib", "platlib")
"""Parts of a wheel's data that lie where its packages do; scripts, headers and others are left."""


UNREADABLE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError,
)  # fmt: skip
"""What taking a damaged archive apart raises, by how its members are packed."""
DAMAGED = (None, errno.EINVAL)
"""Of an OSError that is not the disk's: bz2's has no number, a place before a file's start this."""


class Target(BaseModel):
    """For whom wheels must be: the words that pip takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    python: str = Field(pattern=r"^[0-9]{1,2}\.[0-9]{1,3}$")
    platforms: tuple[str, ...] = Field(max_length=200)

    @classmethod
    def here(cls) -> Target:
        """The Python that runs this."""
        machine = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        kinds = [machine]
        library, version = platform.libc_ver()
        if machine.startswith("linux_") and library == "glibc":
            processor, newest = machine.removeprefix("linux_"), int(version.split(".")[1])
            names = [f"manylinux_2_{minor}" for minor in range(newest, OLDEST_GLIBC - 1, -1)]
            kinds += [f"{name}_{processor}" for name in (*names, "manylinux2014")]
        return cls(python="{}.{}".format(*sys.version_info), platforms=tuple(kinds))


class BadWheel(Misuse):
    """A wheel that is not taken apart, and why."""


def fetched(requirements: Sequence[str], target: Target, cache: Path) -> Path:
    """A folder with the packages of these pins, made if the cache has none.

    Raises:
        InfrastructureError: pip does not get them, or the folder cannot be written.
        BadWheel: one has what is no plain file, or they are too large.
    """
    asked = json.dumps([sorted(requirements), target.model_dump(mode="json")])
    home = cache / sha256(asked.encode()).hexdigest()[:32]
    if home.is_dir():
        return home
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetching-", dir=cache) as made:
            downloads, packages = Path(made) / "wheels", Path(made) / "packages"
            packages.mkdir()
            _download(requirements, target, downloads)
            _unpack_all(sorted(downloads.glob("*.whl")), packages)
            for folder in (packages, *(p for p in packages.rglob("*") if p.is_dir())):
                folder.chmod(0o755)
            _move(packages, home)
    except OSError as error:
        raise InfrastructureError(f"{cache}: {error.strerror or error}") from error
    return home


def _move(packages: Path, home: Path) -> None:
    """In one step, if no other run was first."""
    try:
        packages.rename(home)
    except OSError:
        if not home.is_dir():
            raise


def _download(requirements: Sequence[str], target: Target, into: Path) -> None:
    into.mkdir()
    pins = into / "pins.txt"
    pins.write_text("".join(f"{pin}\n" for pin in requirements), encoding="utf-8")
    command = [
        # -P: nothing of the folder that this was started in is imported.
        sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary",
        ":all:", "--implementation", "cp", "--python-version", target.python,
        *(part for name in target.platforms for part in ("--platform", name)),
        "--dest", str(into), "--requirement", str(pins),
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=FETCH_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise InfrastructureError(f"pip did not get the wheels in {FETCH_S:.0f} s") from error
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["no word of why"]
        raise InfrastructureError(f"pip does not get the required wheels: {printable(said[-1])}")


def _unpack_all(found: Sequence[Path], into: Path) -> None:
    files, room = 0, MAX_BYTES
    for wheel in found:
        for written in unpack(wheel, into, room):
            files, room = files + 1, room - written
            if files > MAX_FILES:
                raise BadWheel(f"{wheel.name}: more than {MAX_FILES} files in all wheels together")


def unpack(wheel: Path, into: Path, room: int = MAX_BYTES) -> Iterator[int]:
    """Write a wheel's packages under a folder; yields the size of each file.

    Raises BadWheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                # Not `is_dir()`, which fails for the empty name.
                path = None if member.filename.endswith("/") else _place(member, wheel)
                if path is None:
                    continue
                home = into / path
                home.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as inside:
                    size = _copy(inside, home, room, wheel)
                room -= size
                yield size
    except UNREADABLE as error:
        raise BadWheel(f"{wheel.name}: unreadable ({error})") from error
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise BadWheel(f"{wheel.name}: a file and a folder of one name") from error
    except OSError as error:
        if error.errno not in DAMAGED:
            raise
        raise BadWheel(f"{wheel.name}: unreadable ({error})") from error


def _copy(inside: IO[bytes], home: Path, room: int, wheel: Path) -> int:
    """Write what is read, as long as there is room: sizes that a wheel states mean nothing."""
    size = 0
    with home.open("wb") as file:
        while piece := inside.read(PIECE):
            size += len(piece)
            if size > room:
                raise BadWheel(f"{wheel.name}: more than {MAX_BYTES >> 20} MiB in all wheels")
            file.write(piece)
    home.chmod(0o644)
    return size


def _place(member: zipfile.ZipInfo, wheel: Path) -> PurePosixPath | None:
    """Where a member goes; None: it is none of what can be imported."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    path = PurePosixPath(member.filename)
    inside = bool(path.parts) and not path.is_absolute() and ".." not in path.parts
    plain = inside and "\\" not in member.filename
    if kind not in (0, stat.S_IFREG) or not plain or not member.filename.isprintable():
        raise BadWheel(f"{wheel.name}: {printable(member.filename)!a} is not a plain file in it")
    if not path.parts[0].endswith(".data"):
        return path
    inner = path.parts[2:]
    return PurePosixPath(*inner) if inner and path.parts[1] in LIBRARIES else None


if __name__ == "__main__":
    sys.stdout.write(Target.here().model_dump_json(indent=1) + "\n")
