"""Finding an engine, and the one line where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import InfrastructureError, Misuse
from benchmark.isolation import engine as engines
from benchmark.isolation import owner
from benchmark.isolation.container import Container, Task
from benchmark.isolation.limits import Limits
from benchmark.isolation.pair import Pair
from tests.command_line import bench, refused
from tests.isolation.fake_engine import ABLE, PODMAN, Answers


def test_no_engine_is_one_line_that_says_what_to_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the place that was looked at, exit code 3."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    refused(
        bench("image", "show"), "no container engine answers", f"{tmp_path}/none.sock",
        "No such file", "systemctl start docker", "podman.socket", "DOCKER_HOST", code=3,
    )  # fmt: skip


def test_without_a_name_the_usual_sockets_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker's and Podman's, the machine's and the user's own."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert engines.sockets() == [
        "unix:///var/run/docker.sock",
        "unix:///run/user/7/docker.sock",
        "unix:///run/user/7/podman/podman.sock",
        "unix:///run/podman/podman.sock",
    ]


def test_an_engine_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folders are not this machine's."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2375")
    with pytest.raises(InfrastructureError, match=r"tcp://127.0.0.1:2375.*unix://PATH"):
        engines.find()


def test_docker_takes_the_profile_and_podman_its_path(answers: type[Answers]) -> None:
    """Told apart by what they say of themselves."""
    found = engines.find()
    assert not found.podman
    assert "Docker 20.10" in str(found)
    assert json.loads(found.seccomp)["defaultAction"] == "SCMP_ACT_ERRNO"
    answers.version = PODMAN
    found = engines.find()
    assert found.podman
    assert json.loads(Path(found.seccomp).read_bytes())["defaultAction"] == "SCMP_ACT_ERRNO"


@pytest.mark.parametrize(
    ("lacks", "fragment"),
    [
        ({"MemoryLimit": False}, "cannot limit memory"),
        ({"PidsLimit": False}, "cannot limit processes"),
        ({"CpuCfsQuota": False}, "cannot limit CPU time"),
        ({"SecurityOptions": ["name=rootless"]}, "cannot filter system calls"),
    ],
)
def test_an_engine_that_cannot_hold_a_container_is_refused(
    answers: type[Answers], lacks: dict[str, Any], fragment: str
) -> None:
    """It would only warn, and run the contestant without the limit."""
    answers.info = {**ABLE, **lacks}
    with pytest.raises(InfrastructureError, match=fragment):
        engines.find()


@pytest.mark.usefixtures("answers")
def test_an_image_that_is_not_there_says_how_it_is_made() -> None:
    """In the command and in the library."""
    refused(bench("image", "show"), "competitive-rl-bench", "`bench image build`")
    task = Task(role="x", command=("true",), limits=Limits(wall_s=1))
    with (
        pytest.raises(Misuse, match="bench image build"),
        Container(engines.find(), "none", task) as container,
    ):
        container.start()


@pytest.mark.usefixtures("answers")
def test_inputs_must_be_there_and_readable(tmp_path: Path) -> None:
    """By the container's user, which is neither root nor the owner."""
    task = Task(role="x", command=("true",), limits=Limits(wall_s=1))
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for path, message in ((tmp_path / "none", "not there"), (closed, "chmod -R o.rX")):
        wants = task.model_copy(update={"inputs": {"/in": path}})
        with pytest.raises(Misuse, match=message):
            Container(engines.find(), "none", wants).start()


@pytest.mark.usefixtures("answers")
def test_a_contestant_writes_nowhere_on_this_machine(tmp_path: Path) -> None:
    """Only the referee is this project's own code."""
    task = Task(role="x", command=("true",), limits=Limits(wall_s=1))
    writes = task.model_copy(update={"outputs": {"/out": tmp_path}})
    with pytest.raises(Misuse, match="contestant"):
        Pair(engines.find(), "none", referee=task, contestant=writes)


def test_a_mark_names_this_process_and_no_other() -> None:
    """Not one that came later with the same number, nor one of another machine."""
    here = owner.mark()
    place, _, started = here.rpartition(":")
    assert not owner.gone(here)
    assert owner.gone(f"{place}:{int(started) - 1}")
    assert owner.gone(f"{place.rpartition(':')[0]}:4194303:1")  # a number that none has
    assert not owner.gone("another-boot:pid:[1]:4194303:1")
    assert not owner.gone("")
    assert not owner.gone("nonsense")
