"""One container: made with its limits, watched until its end, always removed."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from docker.models.containers import Container as Handle
from docker.types import Mount
from pydantic import BaseModel, ConfigDict

from benchmark.errors import Misuse
from benchmark.isolation import owner
from benchmark.isolation.engine import Engine, EngineLost, engine_errors, no_such_image
from benchmark.isolation.limits import EMPTY, MIB, USER, Limits, options
from benchmark.isolation.output import Output
from benchmark.isolation.status import KILLED, Ended, Status

ENTRY = "/opt/bench/start"
"""The image's starter: lays out the compiled kernels, then becomes the command."""

EXCHANGE = "/exchange"
"""Where containers that share a volume find it."""

POLL_S = 0.25
SHORTEST_POLL_S = 0.01


class Task(BaseModel):
    """What a container is to do, and with what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str
    command: tuple[str, ...]
    limits: Limits
    inputs: Mapping[str, Path] = {}
    """Files and folders of this machine, read-only; by their path in the container."""
    outputs: Mapping[str, Path] = {}
    """Folders that it may write, without a bound on their size: only for this project's own code.
    A folder's parent is closed to other users of the machine."""
    environment: Mapping[str, str] = {}
    hidden: tuple[str, ...] = ()
    """Folders of the image that it must not see: an empty one lies over each."""


class Container:
    """A task's container. Leaving the block removes it, whatever happened.

    told: given every line of its output, in a thread of its own.
    """

    def __init__(
        self,
        engine: Engine,
        image: str,
        task: Task,
        volume: str | None = None,
        told: Callable[[str], None] | None = None,
    ):
        self.task = task
        self._engine, self._image, self._volume = engine, image, volume
        # Chosen here, so that it can be removed even if the answer to its creation was lost.
        self.name = f"bench-{task.role}-{secrets.token_hex(6)}"
        self._output = Output(task.limits.log_mib * MIB, told)
        self._handle: Handle | None = None
        self._began = self._ran_s = 0.0
        self._pause_s = SHORTEST_POLL_S
        self._killed: Status | None = None
        self._kill_taken = False
        self._problem = ""

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(EngineLost), engine_errors():
            self._engine.client.api.remove_container(self.name, v=True, force=True)

    def start(self) -> None:
        """Create and start it.

        Raises:
            Misuse: an input or the image is not there.
            EngineLost: the engine refused, or is gone.
        """
        made = self._arguments()
        with no_such_image(self._image), engine_errors():
            self._handle = self._engine.client.containers.create(self._image, **made)
            self._began = time.monotonic()
            self._handle.start()
        self._output.follow(self._handle)

    def _arguments(self) -> dict[str, Any]:
        mounts = [_read_only(target, path) for target, path in self.task.inputs.items()]
        mounts += [_writable(target, path) for target, path in self.task.outputs.items()]
        if self._volume is not None:
            mounts.append(Mount(EXCHANGE, self._volume, type="volume", no_copy=True))
        limited = options(self.task.limits, self._engine.seccomp)
        limited["tmpfs"] |= dict.fromkeys(self.task.hidden, EMPTY)
        return {
            "name": self.name,
            "entrypoint": [ENTRY],
            "command": list(self.task.command),
            "environment": dict(self.task.environment),
            "labels": {owner.LABEL: owner.mark()},
            "mounts": mounts,
            **limited,
        }

    @property
    def handle(self) -> Handle:
        """The SDK's own, once it was started."""
        assert self._handle is not None
        return self._handle

    @property
    def seconds(self) -> float:
        """How long it has run, or ran."""
        return self._ran_s or time.monotonic() - self._began

    def running(self) -> bool:
        """Whether it is. Kills it where its output or its time is over the limit."""
        if self._ran_s:
            return False
        if self._output.over:
            self.kill(Status.FLOODED)
        elif self.seconds > self.task.limits.wall_s:
            self.kill(Status.TIMED_OUT)
        if self._killed is None and not self._output.ended:
            return True
        if self._state().get("Running", False):
            return True
        self._ran_s = self.seconds
        return False

    def pause(self) -> None:
        """Between two questions whether it runs."""
        if self._output.ended or self._killed is not None:
            time.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, POLL_S)
        else:
            self._output.wait(POLL_S)

    def wait(self) -> Ended:
        """Until it has ended by itself or was killed."""
        while self.running():
            self.pause()
        return self.ended()

    def kill(self, why: Status) -> None:
        """End it now, if it has not ended. The first reason stands.

        Whoever finds it running still asks again: what the engine has not taken is sent again.
        """
        if self._ran_s or self._kill_taken:
            return
        self._killed = self._killed or why
        # Refused where it has just ended by itself, or where the engine is too busy to answer;
        # which of them, the next question tells.
        with contextlib.suppress(EngineLost), engine_errors():
            self.handle.kill()
            self._kill_taken = True

    def ended(self) -> Ended:
        """What there is to know of it, once it is over."""
        state = self._state()
        code = state.get("ExitCode")
        presumed = (
            self._killed is None and code == KILLED and not self._engine.reports_out_of_memory
        )
        return Ended(
            exit_code=code,
            out_of_memory=bool(state.get("OOMKilled")) or presumed,
            killed=self._killed,
            wall_s=self.seconds,
            log=self._output.lines(),
            problem=self._problem,
        )

    def _state(self) -> dict[str, Any]:
        """The engine's account; where it fails, the container is given up for lost."""
        if self._killed is Status.ENGINE_LOST:
            return {}
        try:
            with engine_errors():
                self.handle.reload()
        except EngineLost as error:
            self._killed, self._problem = Status.ENGINE_LOST, str(error)
            return {}
        state: dict[str, Any] = self.handle.attrs["State"]
        return state


def run_container(
    engine: Engine, image: str, task: Task, told: Callable[[str], None] | None = None
) -> Ended:
    """Do a task in a container of its own, wait for its end, remove it.

    Raises:
        Misuse: the image or an input is not there.
        EngineLost: the engine refused to start it.
    """
    with Container(engine, image, task, told=told) as container:
        container.start()
        return container.wait()


def _read_only(target: str, path: Path) -> Mount:
    """A file or folder of this machine, which the container's user must be able to read."""
    if not path.exists():
        raise Misuse(f"{path}: not there, but wanted in a container as {target}")
    wanted = 0o005 if path.is_dir() else 0o004
    if path.stat().st_mode & wanted != wanted:
        raise Misuse(f"{path}: the container's user cannot read it (chmod -R o+rX {path})")
    return Mount(target, str(path.resolve()), type="bind", read_only=True)


def _writable(target: str, path: Path) -> Mount:
    """A folder that the container's user can write, and no other user of this machine."""
    path.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        os.chown(path, *map(int, USER.split(":")))
        path.chmod(0o700)
    else:
        path.parent.chmod(0o700)
        path.chmod(0o777)
    return Mount(target, str(path.resolve()), type="bind")
