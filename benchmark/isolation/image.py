"""The image that both roles run in: building it, what is known of it, whether it is the pinned one.

It is built from a checkout by a command-line client, because only those speak BuildKit.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from docker.errors import ImageNotFound
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.disk import write_atomically
from benchmark.errors import InfrastructureError, Misuse, disk_errors
from benchmark.isolation.engine import Engine, EngineLost, engine_errors, no_such_image

NAME = "competitive-rl-bench"
BASE = "python:3.11-slim-bookworm"
"""The Dockerfile's, by tag."""

PIN = Path("build") / "image.json"
"""In the checkout: what the last build made, which runs are then held to."""

MADE_OF = (
    "Dockerfile",
    ".dockerignore",
    "pyproject.toml",
    "requirements.lock",
    "README.md",
    "LICENSE",
)
PACKAGES = ("attacks", "benchmark", "defenses")
"""What the Dockerfile copies."""

_TITLE = "org.opencontainers.image.title"
_BASE_NAME = "org.opencontainers.image.base.name"
_BASE_DIGEST = "org.opencontainers.image.base.digest"
_SOURCE = "competitive-rl-bench.source"


class Facts(BaseModel):
    """An image on this machine."""

    model_config = ConfigDict(frozen=True)

    name: str
    digest: str
    size_bytes: int
    created: str
    base: str
    base_digest: str
    """A registry's, where one served the base; else `local:` and the digest on this machine."""
    source: str
    """Hash of the files it was made of; see `source_hash`."""


class Pin(BaseModel):
    """The image that a checkout's runs are held to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str = Field(pattern="^sha256:[0-9a-f]{64}$")
    source: str
    base: str
    base_digest: str


class Recipe(BaseModel):
    """How to build."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = NAME
    base: str = BASE
    wheels: str | None = None
    """An image that holds wheels in /wheels."""
    torch_index: str | None = None
    """None: the Dockerfile's. Empty: pip's own index alone."""
    network: str | None = None
    """None: `host` where the engine has no bridge, else the engine's default."""
    fresh: bool = False
    """Leave earlier layers; downloads stay cached."""


def checkout() -> Path:
    """The folder of this code, where it is a checkout.

    Raises:
        Misuse: it is an installed package, which has no Dockerfile.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "Dockerfile").is_file():
        raise Misuse(f"{root} has no Dockerfile: an image is built from a checkout")
    return root


def source_hash(root: Path) -> str:
    """Of all files that the image is made of: paths and contents, not times."""
    digest = hashlib.sha256()
    for path in _sources(root):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{content} {path.relative_to(root).as_posix()}\n".encode())
    return digest.hexdigest()


def _sources(root: Path) -> Iterator[Path]:
    yield from (root / name for name in MADE_OF if (root / name).is_file())
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def facts(engine: Engine, name: str = NAME) -> Facts:
    """What the engine knows of an image.

    Raises:
        Misuse: it has none of this name, or one of another project.
    """
    with no_such_image(name), engine_errors():
        attrs = engine.client.images.get(name).attrs
    labels = attrs["Config"].get("Labels") or {}
    if labels.get(_TITLE) != NAME:
        raise Misuse(f"image '{name}' is not of this project: `bench image build` makes one")
    return Facts(
        name=name,
        digest=attrs["Id"],
        size_bytes=attrs["Size"],
        created=attrs["Created"],
        base=labels.get(_BASE_NAME, ""),
        base_digest=labels.get(_BASE_DIGEST, ""),
        source=labels.get(_SOURCE, ""),
    )


def unpinned(found: Facts, root: Path) -> str:
    """Why an image is not the one that this checkout's runs are held to; empty if it is."""
    pin = read_pin(root)
    if pin is None:
        return f"no image is pinned ({root / PIN} is missing): `bench image build` pins one"
    if found.digest != pin.digest:
        return f"its digest is {found.digest[:19]}.., pinned is {pin.digest[:19]}.."
    if found.source != source_hash(root):
        return "the code has changed since it was built: `bench image build` builds it again"
    return ""


def read_pin(root: Path) -> Pin | None:
    """The pinned image, if there is one.

    Raises:
        Misuse: the file is damaged.
    """
    path = root / PIN
    if not path.is_file():
        return None
    try:
        return Pin.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = error.errors()[0]
        raise Misuse(f"{path}: {problem['msg']}; `bench image build` writes it anew") from error


def build(engine: Engine, root: Path, recipe: Recipe, quiet: bool = False) -> Facts:
    """Build the image from a checkout and pin it.

    Raises:
        InfrastructureError: no client that can build, the build failed, or the disk keeps no pin.
    """
    base, digest = base_of(engine, recipe.base)
    arguments = {
        "BASE": base, "BASE_DIGEST": digest, "SOURCE": source_hash(root),
        **({} if recipe.wheels is None else {"WHEELS": recipe.wheels}),
        **({} if recipe.torch_index is None else {"TORCH_INDEX": recipe.torch_index}),
    }  # fmt: skip
    network = recipe.network or _network(engine)
    command = [
        *_client(engine), "build", "--tag", recipe.name,
        *(part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")),
        *(["--network", network] if network else []),
        *(["--no-cache"] if recipe.fresh else []),
        str(root),
    ]  # fmt: skip
    _run(engine, command, quiet)
    found = facts(engine, recipe.name)
    pin = Pin(**found.model_dump(include=set(Pin.model_fields)))
    with disk_errors(root / PIN, "make it writable or free its disk; then build again"):
        (root / PIN).parent.mkdir(exist_ok=True)
        write_atomically(root / PIN, (pin.model_dump_json(indent=1) + "\n").encode())
    return found


def base_of(engine: Engine, named: str) -> tuple[str, str]:
    """What to build on, and its digest: the registry's where one answers, else the local image's.

    Given by digest, it is taken at its word: the engine checks what it pulls.

    Raises:
        InfrastructureError: no registry serves it, and it is not on this machine.
    """
    if "@sha256:" in named:
        return named, named.partition("@")[2]
    with contextlib.suppress(ImageNotFound, EngineLost), engine_errors():
        digest = str(engine.client.images.get_registry_data(named).id)
        return f"{named}@{digest}", digest
    try:
        with engine_errors():
            return named, f"local:{engine.client.images.get(named).id}"
    except ImageNotFound as error:
        raise InfrastructureError(
            f"no registry serves the base '{named}', and it is not on this machine: "
            "name one that is with --base"
        ) from error


def _network(engine: Engine) -> str | None:
    """The host's, where the engine was started without one of its own."""
    if engine.podman:
        return None
    with engine_errors():
        names = {network.name for network in engine.client.networks.list()}
    return None if "bridge" in names else "host"


def _client(engine: Engine) -> list[str]:
    """A command-line client that can build this Dockerfile."""
    if engine.podman:
        found = shutil.which("podman")
        if found is None:
            raise InfrastructureError(f"{engine} builds images with its client, podman: install it")
        return [found, "--remote", "--url", engine.url]
    for folder in os.get_exec_path():
        client = os.path.join(folder, "docker")
        if os.access(client, os.X_OK) and speaks_buildkit(client):
            return [client]
    raise InfrastructureError(
        "no docker client on PATH can build with BuildKit: install docker-buildx, or a client "
        "older than 23"
    )


def speaks_buildkit(client: str) -> bool:
    """Clients from version 23 on need the plug-in buildx; older ones need to be asked only."""
    if _asked(client, "buildx", "version").returncode == 0:
        return True
    # Its own version is told even where no engine answers.
    major = _asked(client, "version", "--format", "{{.Client.Version}}").stdout.partition(".")[0]
    return major.isdigit() and 18 < int(major) < 23


def _asked(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return subprocess.CompletedProcess(command, 127, "", "")


def _run(engine: Engine, command: list[str], quiet: bool) -> None:
    """Show the client's own account as it comes; where that is to be quiet, name its last line."""
    environment = {**os.environ, "DOCKER_HOST": engine.url, "DOCKER_BUILDKIT": "1"}
    sink = subprocess.PIPE if quiet else None
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=sink, text=True, check=False,
        )  # fmt: skip
    except OSError as error:
        raise InfrastructureError(f"{command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        said = [line for line in (done.stderr or "").splitlines() if line.strip()]
        last = f": {said[-1]}" if said else "; what went wrong stands above"
        raise InfrastructureError(f"the build ended with exit code {done.returncode}{last}")
