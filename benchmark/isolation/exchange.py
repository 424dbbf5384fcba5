"""The volume that a pair of containers shares, and what the host takes out of it."""

from __future__ import annotations

import contextlib
import io
import secrets
import tarfile
from collections.abc import Iterable
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict

from benchmark.isolation import owner
from benchmark.isolation.container import EXCHANGE, Container, Task
from benchmark.isolation.engine import Engine, EngineLost, engine_errors
from benchmark.isolation.limits import MIB, Limits, volume_options

MOST_FILES = 64
PACK = 'tar --create --directory "$1" -- "$2" | head --bytes "$3"'
"""Cut in the container: a file's holes may be endless, and an engine waits for what it began."""

_MOST_HEADERS = MOST_FILES * 4 * tarfile.BLOCKSIZE


class Collected(BaseModel):
    """What was found in a folder of the exchange. Nobody has looked into the files yet."""

    model_config = ConfigDict(frozen=True)

    files: dict[str, bytes] = {}
    """By path relative to the folder."""
    refused: tuple[str, ...] = ()
    """What is neither a plain file nor a folder, or too large, each with its reason."""


class Exchange:
    """A size-limited volume in memory, held open by a container that does nothing else.

    An engine forgets such a volume with the last container that runs with it, so that without the
    keeper a result would be lost with its writer. Gone after the block.
    """

    def __init__(self, engine: Engine, image: str, mib: int, wall_s: float):
        self.name = f"bench-exchange-{secrets.token_hex(6)}"
        self._engine, self._mib = engine, mib
        seconds = int(wall_s) + 60
        limits = Limits(wall_s=seconds, memory_mib=64, processes=8, tmp_mib=1)
        task = Task(
            role="keeper", command=("sleep", str(seconds)), limits=limits,
            environment={"NUMBA_CACHE_DIR": "/tmp"},  # it needs no kernels
        )  # fmt: skip
        self._keeper = Container(engine, image, task, self.name)

    def __enter__(self) -> Exchange:
        try:
            with engine_errors():
                self._engine.client.volumes.create(
                    self.name,
                    driver="local",
                    driver_opts=volume_options(self._mib),
                    labels={owner.LABEL: owner.mark()},
                )
            self._keeper.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    def _remove(self) -> None:
        self._keeper.__exit__(None, None, None)
        with contextlib.suppress(EngineLost), engine_errors():
            self._engine.client.api.remove_volume(self.name, force=True)

    def collect(self, folder: str, limit_bytes: int) -> Collected:
        """Plain files under a folder of the exchange, together at most `limit_bytes`.

        Links are refused, never followed. Empty if the folder is not there. The folder is walked
        in the keeper, which has nothing to lose, and not by the engine, which has every right.

        Raises:
            EngineLost: the engine failed.
        """
        most = limit_bytes + _MOST_HEADERS + 1
        command = ["sh", "-c", PACK, "sh", EXCHANGE, folder, str(most)]
        with engine_errors():
            _, output = self._keeper.handle.exec_run(command, stream=True, demux=True)
            return unpack((told for told, _ in output if told), limit_bytes)


def unpack(pieces: Iterable[bytes], limit_bytes: int) -> Collected:
    """The plain files of a tar archive of one folder, whose own name is left off."""
    archive = io.BytesIO()
    for piece in pieces:
        archive.write(piece)
        if archive.tell() > limit_bytes + _MOST_HEADERS:
            return Collected(refused=(f"more than {limit_bytes / MIB:g} MiB in all",))
    if not archive.tell():
        return Collected()
    archive.seek(0)
    files: dict[str, bytes] = {}
    refused: list[str] = []
    try:
        with tarfile.open(fileobj=archive, mode="r:") as tar:
            for count, member in enumerate(tar):
                if count > MOST_FILES:
                    refused.append(f"more than {MOST_FILES} entries")
                    break
                name = str(PurePosixPath(*PurePosixPath(member.name).parts[1:]))
                if member.isdir():
                    continue
                problem = _problem(member, name)
                if problem:
                    refused.append(f"{name}: {problem}")
                    continue
                inside = tar.extractfile(member)
                files[name] = inside.read() if inside is not None else b""
    except (tarfile.TarError, EOFError) as error:
        refused.append(f"unreadable: {error}")
    return Collected(files=files, refused=tuple(refused))


def _problem(member: tarfile.TarInfo, name: str) -> str:
    if member.issym() or member.islnk():
        return "a link"
    if not member.isfile() or member.issparse():
        return "not a plain file"
    if ".." in PurePosixPath(name).parts or name in ("", "."):
        return "not inside the folder"
    return ""
