"""Tests marked `engine` need a container engine and the image of this tree; without, they are
skipped and say why. BENCH_NEEDS_ENGINE=1 makes that a failure, BENCH_TEST_IMAGE names an image.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmark.errors import BenchError
from benchmark.isolation import engine as engines
from benchmark.isolation import image as images
from benchmark.isolation import owner
from benchmark.isolation.container import Task, run_container
from benchmark.isolation.engine import Engine
from benchmark.isolation.limits import Limits
from benchmark.isolation.status import Ended
from tests.isolation.fake_engine import Answers, Server

Run = Callable[..., tuple[Ended, list[str]]]


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker."""
    config.addinivalue_line("markers", "engine: needs a container engine and the image")


def unavailable(reason: str) -> None:
    """Skip, or fail where an engine was promised."""
    if os.environ.get("BENCH_NEEDS_ENGINE"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine of this machine."""
    try:
        return engines.find()
    except BenchError as error:
        unavailable(str(error))
        raise


@pytest.fixture(scope="session")
def image(engine: Engine) -> str:
    """The digest of the image made from this tree."""
    named = os.environ.get("BENCH_TEST_IMAGE")
    try:
        found = images.facts(engine, named or images.NAME)
        why = "" if named else images.unpinned(found, images.checkout())
    except BenchError as error:
        why = str(error)
    if why:
        unavailable(why)
    return found.digest


@pytest.fixture
def run(engine: Engine, image: str) -> Run:
    """Run Python code in a container of its own; gives its end and its lines."""

    def do(
        code: str, *arguments: str, wall_s: float = 30, **limits: int
    ) -> tuple[Ended, list[str]]:
        lines: list[str] = []
        task = contestant(code, *arguments, wall_s=wall_s, **limits)
        return run_container(engine, image, task, told=lines.append), lines

    return do


def contestant(code: str, *arguments: str, wall_s: float = 30, **limits: int) -> Task:
    """A task that runs Python code, small enough for a test."""
    sizes = {"memory_mib": 256, "processes": 32, "tmp_mib": 8, **limits}
    command = ("python", "-c", code, *arguments)
    return Task(role="contestant", command=command, limits=Limits(wall_s=wall_s, **sizes))


def readable(folder: Path) -> Path:
    """A folder that a container's user can read, though its parents are closed."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    return folder


def mine(engine: Engine) -> list[str]:
    """Containers and volumes that this process has on the engine."""
    label = {"label": f"{owner.LABEL}={owner.mark()}"}
    containers = engine.client.containers.list(all=True, filters=label)
    volumes = engine.client.volumes.list(filters=label)
    return [item.name for item in (*containers, *volumes)]


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test with an engine does, it leaves no container and no volume."""
    yield
    if "engine" in request.fixturenames:
        assert mine(request.getfixturevalue("engine")) == []


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Answers]]:
    """A stand-in engine on a socket of its own, named in DOCKER_HOST."""

    class Own(Answers):
        pass

    path = tmp_path / "engine.sock"
    server = Server(str(path), Own)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    yield Own
    server.shutdown()
    server.server_close()
