"""The container engine of this machine: Docker, or Podman behind its Docker-compatible socket."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, ImageNotFound

from benchmark.errors import InfrastructureError, Misuse
from benchmark.isolation import owner
from benchmark.isolation.seccomp import profile

PATIENCE_S = 60
"""Wait for an answer that takes the engine work: creating, stopping, removing."""

MUST_LIMIT = {"MemoryLimit": "memory", "PidsLimit": "processes", "CpuCfsQuota": "CPU time"}
"""What the engine says of its kernel, and what would go unlimited; it would only warn of it."""


class EngineLost(InfrastructureError):
    """The engine failed or stopped answering while it was needed."""


class Engine:
    """An engine that answers and can hold a container to its limits."""

    def __init__(self, client: docker.DockerClient, url: str, known: dict[str, Any]):
        """known: the engine's own account of itself (`/version`)."""
        self.client, self.url = client, url
        names = [part.get("Name", "") for part in known.get("Components") or []]
        self.podman = any("Podman" in name for name in names)
        self.version = str(known.get("Version", ""))

    def __str__(self) -> str:
        return f"{'Podman' if self.podman else 'Docker'} {self.version} at {self.url}"

    @property
    def reports_out_of_memory(self) -> bool:
        """Whether it says that a container ran out of memory."""
        return not self.podman

    @cached_property
    def seccomp(self) -> str:
        """The profile as this engine takes it: Docker its JSON, Podman the path of a file."""
        text = json.dumps(profile())
        if not self.podman:
            return text
        self._folder = tempfile.TemporaryDirectory(prefix="bench-seccomp-")
        path = Path(self._folder.name) / "profile.json"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def image_id(self, name: str) -> str:
        """The digest of an image that is on this machine.

        Raises:
            Misuse: there is none of this name.
        """
        with no_such_image(name), engine_errors():
            return str(self.client.images.get(name).id)


@contextlib.contextmanager
def engine_errors() -> Iterator[None]:
    """Turn what the SDK raises into `EngineLost`, but leave an image that is not there."""
    try:
        yield
    except ImageNotFound:
        raise
    except APIError as error:
        raise EngineLost(f"the container engine refused: {error.explanation or error}") from error
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise EngineLost(f"the container engine does not answer: {error}") from error


@contextlib.contextmanager
def no_such_image(name: str) -> Iterator[None]:
    """Say how an image is made that is not there."""
    try:
        yield
    except ImageNotFound as error:
        raise Misuse(f"no image '{name}' on this machine: `bench image build` makes it") from error


def find() -> Engine:
    """The engine named in DOCKER_HOST, or else the first that answers on a usual socket.

    Raises:
        InfrastructureError: none answers, or it cannot limit what a container uses.
    """
    refusals: dict[str, list[str]] = {}
    for url in sockets():
        try:
            client = docker.DockerClient(base_url=url, timeout=PATIENCE_S, version="auto")
            engine = Engine(client, url, client.version())
        except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
            refusals.setdefault(_reason(error), []).append(url)
            continue
        _check(engine)
        owner.sweep(engine.client)
        return engine
    looked = "; ".join(f"{', '.join(urls)}: {why}" for why, urls in refusals.items())
    raise InfrastructureError(
        f"no container engine answers ({looked}): start Docker (systemctl start "
        "docker) or Podman (systemctl --user start podman.socket), or name one in DOCKER_HOST"
    )


def sockets() -> list[str]:
    """Where engines listen; DOCKER_HOST leaves no choice."""
    named = os.environ.get("DOCKER_HOST")
    if named:
        if not named.startswith("unix://"):
            raise InfrastructureError(
                f"DOCKER_HOST is {named}; expected unix://PATH: folders of this machine are "
                "mounted into the containers, so the engine must run here"
            )
        return [named]
    own = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    folders = ("/var/run/docker.sock", f"{own}/docker.sock", f"{own}/podman/podman.sock")
    return [f"unix://{path}" for path in (*folders, "/run/podman/podman.sock")]


def _reason(error: BaseException) -> str:
    """The system's word inside the SDK's wrappings."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        seen = seen.__cause__ or seen.__context__
    return str(error)


def _check(engine: Engine) -> None:
    """Refuse an engine that would only pretend to hold a container."""
    with engine_errors():
        info = engine.client.info()
    unlimited = [what for key, what in MUST_LIMIT.items() if not info.get(key)]
    if unlimited:
        raise InfrastructureError(
            f"{engine} cannot limit {', '.join(unlimited)} (missing or undelegated cgroups)"
        )
    if not any("seccomp" in str(option) for option in info.get("SecurityOptions") or []):
        raise InfrastructureError(f"{engine} cannot filter system calls (no seccomp)")
