"""Which isolation a run gets, and what it says of it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from benchmark.display import show_plan
from benchmark.errors import CheckFailed, InfrastructureError, Misuse
from benchmark.isolation.engine import Engine
from benchmark.isolation.image import Facts
from benchmark.isolation.status import Ended
from benchmark.records.record import Isolation
from benchmark.runs import boxes, isolation
from benchmark.runs.executors.workers import Workers
from benchmark.runs.isolation import choose
from benchmark.runs.run import preview
from tests.runs.fakes import House

FACTS = Facts(
    name="bench", digest="sha256:" + "0" * 64, size_bytes=1, created="now", base="python",
    base_digest="sha256:1", source="of other code",
)  # fmt: skip


class Found:
    """An engine with one image."""

    def image_id(self, name: str) -> str:
        """Its digest."""
        return FACTS.digest

    def __str__(self) -> str:
        return "Docker 0"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers, with an image that is not the pinned one."""
    monkeypatch.setattr(isolation, "find", Found)
    monkeypatch.setattr(isolation.image, "facts", lambda engine: FACTS)
    monkeypatch.setattr(isolation.image, "unpinned", lambda found, root: "the code has changed")


def nowhere() -> Engine:
    """No engine."""
    raise InfrastructureError("no container engine answers (here: no): start Docker")


def test_without_an_engine_auto_says_so_and_container_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(isolation, "find", nowhere)
    chosen = choose("auto")
    assert chosen.boxes is None
    assert chosen.note.endswith("--isolation container: no container engine answers")
    with pytest.raises(InfrastructureError, match="start Docker"):
        choose("container")
    assert "container" not in choose("process").note


@pytest.mark.usefixtures("engine")
def test_an_image_that_is_not_the_pinned_one_needs_leave() -> None:
    with pytest.raises(CheckFailed, match="the code has changed, or run with --allow-unpinned"):
        choose("container")
    assert choose("auto").boxes is None
    allowed = choose("container", allow_unpinned=True)
    assert allowed.boxes is not None
    assert "unpinned: the code has changed" in allowed.note
    assert allowed.boxes.isolation == Isolation(kind="container", image=FACTS.digest)
    assert not allowed.boxes.isolation.enforced


@pytest.mark.usefixtures("engine")
def test_the_pinned_image_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation.image, "unpinned", lambda found, root: "")
    for asked in ("auto", "container"):
        chosen = choose(asked)
        assert chosen.boxes is not None
        assert chosen.note.startswith("container: Docker 0, image sha256:000")
        assert chosen.boxes.isolation.enforced


@pytest.mark.usefixtures("engine")
def test_containers_are_started_by_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag may be given to another image while a run goes on."""
    started: list[str] = []

    def note(engine: object, image: str, *_: object, **__: object) -> Ended:
        started.append(image)
        return Ended(exit_code=0)

    monkeypatch.setattr(isolation.image, "unpinned", lambda found, root: "")
    monkeypatch.setattr(boxes, "run_container", note)
    chosen = choose("container")
    assert chosen.boxes is not None
    chosen.boxes.alone(["true"], {}, 1.0)
    assert started == [FACTS.digest]


def test_an_unknown_isolation_is_refused() -> None:
    with pytest.raises(Misuse, match=r"no isolation 'vm'.*container"):
        choose("vm")


def test_trainings_that_a_run_in_containers_takes_from_a_process_are_told(house: House) -> None:
    """They are reused, as the job is the same, but not in silence; a floor is no method."""
    spec, plan = house.spec(), house.plan()
    assert preview(spec, house.store, plan).in_process == 0
    house.run(plan)
    trainings = [job for job in plan.jobs if job.kind == "attack" and job.budget_steps]
    ahead = preview(spec, house.store, plan)
    assert ahead.in_process == len(trainings) > 0
    shown = {}
    for where in ("container: Docker 0", "process: beside the victim"):
        console = Console(file=io.StringIO(), width=200)
        show_plan(console, spec, ahead, where, Workers.alone())
        shown[where[:7]] = console.file.getvalue()  # type: ignore[attr-defined]
    told = f"{ahead.in_process} finished training(s) were done in a process"
    assert told in shown["contain"]
    assert told not in shown["process"]
