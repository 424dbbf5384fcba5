"""A training in two containers: what is handed over, what is taken back, what a failure is."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy

from benchmark import registry
from benchmark.arena.ledger import Interval
from benchmark.arena.referee import Account
from benchmark.arena.session import RefereeSpec
from benchmark.arena.tally import Tally
from benchmark.arena.wire import Status as Word
from benchmark.display import Silent
from benchmark.errors import InfrastructureError
from benchmark.isolation.engine import EngineLost
from benchmark.isolation.exchange import Collected
from benchmark.isolation.pair import Ends
from benchmark.isolation.status import Ended, Status
from benchmark.learning.progress import CurvePoint
from benchmark.policies import artifact
from benchmark.records.record import Isolation
from benchmark.runs import boxes as boxing
from benchmark.runs.boxes import Boxes, Contained, ContainersLost, Reader
from benchmark.runs.contestant import Task
from benchmark.runs.executors.executor import end
from benchmark.runs.job import Job
from benchmark.runs.plan import Plan
from benchmark.runs.progress import JobProgress
from benchmark.runs.run import Outcome, execute
from benchmark.runs.training import Boxed
from tests.factories import scribble
from tests.runs.fakes import House, training

WELL = Ended(exit_code=0)
POINT = Tally(wins=1, breakdown={"win:point": 1})


class Told:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.points: list[CurvePoint] = []
        self.tries = self.losses = self.steps = 0

    def restart(self) -> None:
        """Another try."""
        self.tries += 1
        self.points = []

    def lost(self) -> None:
        """A try was lost."""
        self.losses += 1

    def report(self, point: CurvePoint) -> None:
        """A point."""
        self.points.append(point)

    def played(self, steps: int) -> None:
        """What the referee counted."""
        self.steps = steps


class Engine:
    """Knows one image."""

    def image_id(self, name: str) -> str:
        """Its digest."""
        return f"sha256:{name}"


@pytest.fixture
def policy(tmp_path: Path) -> dict[str, bytes]:
    """The two files of a policy."""
    artifact.save(scribble(1), tmp_path / "made")
    return {p.name: p.read_bytes() for p in (tmp_path / "made").iterdir()}


Fake = Callable[..., Boxes]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, policy: dict[str, bytes]) -> Fake:
    """Boxes whose containers end as a test says."""

    def made(
        contestant: Ended = WELL,
        referee: Ended = WELL,
        status: Word = Word.DONE,
        files: dict[str, bytes] | None = None,
        seen: list[Any] | None = None,
    ) -> Boxes:
        class Pair:
            def __init__(self, engine: Any, image: str, refereed: Any, playing: Any):
                if seen is not None:
                    seen.append((refereed, playing))
                self._books = refereed.outputs["/ledger"]

            def __enter__(self) -> Pair:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            def wait(self) -> Ends:
                self._books.mkdir(parents=True, exist_ok=True)
                account = Account(
                    status=status, line="a rule was broken", steps=80,
                    intervals=(Interval(steps=64, tally=POINT, diagnostics={"loss": 0.5}),),
                )  # fmt: skip
                (self._books / "ledger.json").write_text(account.model_dump_json())
                return Ends(contestant, referee)

            def collect(self, folder: str, limit: int) -> Collected:
                return Collected(files=policy if files is None else files)

        monkeypatch.setattr(boxing, "Pair", Pair)
        return Boxes(Engine(), "image")  # type: ignore[arg-type]

    return made


SPEC = RefereeSpec(game="pong-v1", seat="left", members={}, mixture=None, budget_steps=64)
ORDERS = Task(kind="attack", method="baseline", config={}, seed=0, budget_steps=64)


def test_curve_and_policy_come_from_whom_they_may(fake: Fake, tmp_path: Path) -> None:
    told = Told()
    made = fake().train(SPEC, ORDERS, 10.0, told, tmp_path / "kept")
    assert [(p.steps, p.tally, p.diagnostics) for p in told.points] == [(64, POINT, {"loss": 0.5})]
    assert told.steps == 80
    assert made.tensors().keys() == scribble(1).tensors().keys()


CARD = json.dumps({"name": "x"}).encode()


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"contestant": Ended(exit_code=1, log=("why",))}, Status.CRASHED),
        ({"contestant": Ended(exit_code=137, out_of_memory=True)}, Status.OUT_OF_MEMORY),
        ({"contestant": Ended(exit_code=137, killed=Status.TIMED_OUT)}, Status.TIMED_OUT),
        ({"contestant": Ended(exit_code=137, killed=Status.FLOODED)}, Status.FLOODED),
        ({"status": Word.BAD_ACTIONS}, Status.VIOLATED),
        ({"status": Word.OVER_BUDGET, "contestant": Ended(exit_code=1)}, Status.VIOLATED),
        ({"status": Word.DISCONNECTED}, Status.NO_RESULT),
        ({"files": {}}, Status.NO_RESULT),
        ({"files": {"card.json": CARD, "policy.safetensors": b"?"}}, Status.NO_RESULT),
    ],
)
def test_each_end_of_a_contestant_is_a_status_of_its_own(
    fake: Fake, tmp_path: Path, how: dict[str, Any], status: Status
) -> None:
    told = Told()
    with pytest.raises(Contained) as caught:
        fake(**how).train(SPEC, ORDERS, 10.0, told, tmp_path / "kept")
    assert caught.value.status is status
    assert str(caught.value).startswith(f"{status}: ")
    assert told.tries == 1  # its own doing: trying again would end alike


@pytest.mark.parametrize(
    "how",
    [
        {"referee": Ended(exit_code=3)},
        {"contestant": Ended(exit_code=None, killed=Status.ENGINE_LOST, problem="gone")},
    ],
)
def test_what_is_nobodys_fault_is_tried_once_more(
    fake: Fake, tmp_path: Path, how: dict[str, Any]
) -> None:
    told = Told()
    with pytest.raises(ContainersLost):
        fake(**how).train(SPEC, ORDERS, 10.0, told, tmp_path / "kept")
    assert told.tries == told.losses == 2
    assert len(told.points) <= 1


def test_weights_that_the_card_belies_are_no_policy(
    fake: Fake, policy: dict[str, bytes], tmp_path: Path
) -> None:
    tensors = safetensors.numpy.load(policy["policy.safetensors"])
    tensors["layer0.weight"] = tensors["layer0.weight"][:, :3]
    broken = {**policy, "policy.safetensors": safetensors.numpy.save(tensors)}
    with pytest.raises(Contained, match="no usable policy"):
        fake(files=broken).train(SPEC, ORDERS, 10.0, Told(), tmp_path / "kept")


def boxed(house: House, fake: Fake, job: Job, seen: list[Any]) -> None:
    """Train a job in fake containers."""
    worker = _worker(house)
    progress = JobProgress(house.store, job, lambda *_: None)
    Boxed(job, worker, progress, fake(seen=seen), house.store.kept(job.key)).train()


def _worker(house: House) -> Any:
    from benchmark.runs.jobs import Worker  # noqa: PLC0415

    return Worker(house.store, house.shelf)


def test_an_attack_is_handed_nothing_of_its_victim(
    house: House, fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    artifact.save(house.shelf.policies["alpha"], tmp_path / "alpha")
    monkeypatch.setattr(house.shelf, "folders", lambda: {"alpha": tmp_path / "alpha"})
    seen: list[Any] = []
    job = training(house.plan(victim_names=["alpha"], seeds=1), "first")
    boxed(house, fake, job, seen)
    ((refereed, playing),) = seen
    assert refereed.inputs["/members/victim"] == tmp_path / "alpha"
    assert set(playing.inputs) == {"/task/task.json"}
    assert not playing.outputs


def test_what_failed_in_a_container_is_on_record(house: House, fake: Fake) -> None:
    """With its status and where it ran."""
    end = Ended(exit_code=137, out_of_memory=True, log=("its last line",))
    boxes = fake(contestant=end)
    worker = type(_worker(house))(house.store, house.shelf, boxes)
    job = training(house.plan(victim_names=["alpha"], seeds=1), "first")
    house.store.prepare()
    house.shelf.folders = lambda: {"alpha": Path("alpha")}  # type: ignore[method-assign]
    with pytest.raises(Contained):
        worker.run(job, lambda *_: None)
    failed = house.store.failure(job.key)
    assert failed is not None
    assert failed["failure"] == "out-of-memory: needed more memory than is allowed"
    assert (failed["status"], failed["log"]) == ("out-of-memory", ["its last line"])
    assert Isolation.model_validate(failed["isolation"]).image == "sha256:image"
    assert failed["steps"] == 80, "counted by the referee, though the method told of 64"


def test_an_interval_that_cannot_be_told_is_not_told_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is nobody's fault: what is raised is its error, and the curve stays true."""
    intervals = [Interval(steps=10 * k, tally=POINT) for k in (1, 2, 3)]
    monkeypatch.setattr(boxing, "LOOK_S", 0.001)
    account = Account(status=Word.DONE, intervals=tuple(intervals))
    monkeypatch.setattr(boxing, "load_account", lambda books: account)
    heard: list[int] = []
    stumbled = threading.Event()

    class Full(Told):
        """Has no room for the second interval, the first time."""

        def report(self, point: CurvePoint) -> None:
            heard.append(point.steps)
            if heard.count(20) == 1 and point.steps == 20:
                stumbled.set()
                raise InfrastructureError("disk: full")

    with pytest.raises(InfrastructureError, match="disk: full"), Reader(tmp_path, Full()):
        assert stumbled.wait(5)
    assert heard == [10, 20]


def test_a_ctrl_c_is_not_hidden_by_the_last_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose error is told where nothing else is under way."""
    account = Account(status=Word.DONE, intervals=(Interval(steps=10, tally=POINT),))
    monkeypatch.setattr(boxing, "load_account", lambda books: account)
    monkeypatch.setattr(boxing, "LOOK_S", 60.0)

    class Full(Told):
        def report(self, point: CurvePoint) -> None:
            raise InfrastructureError("disk: full")

    with pytest.raises(KeyboardInterrupt), Reader(tmp_path, Full()):
        raise KeyboardInterrupt
    with pytest.raises(InfrastructureError, match="disk: full"), Reader(tmp_path, Full()):
        pass


def test_every_registered_method_can_be_ordered() -> None:
    """A task survives JSON with any method's config."""
    card = registry.game("pong-v1").describe()
    for name in registry.defenses.names():
        config = registry.defenses.load(name).configure(card, {}).model_dump(mode="json")
        task = Task(kind="harden", method=name, config=config, seed=0, budget_steps=1)
        assert Task.model_validate_json(task.model_dump_json()) == task


def leftover(folder: Path) -> Path:
    """A referee's folder after an interrupted try: books that went further than its snapshot."""
    folder.mkdir(parents=True)
    ahead = Interval(steps=640, tally=POINT, diagnostics={})
    account = Account(status=Word.RUNNING, steps=640, intervals=(ahead,) * 10)
    (folder / "ledger.json").write_text(account.model_dump_json())
    (folder / "training-000000000001.safetensors").write_bytes(b"kept")
    return folder


def test_what_an_interrupted_try_kept_is_there_and_its_books_are_not(
    fake: Fake, tmp_path: Path
) -> None:
    told, kept, seen = Told(), leftover(tmp_path / "kept"), []  # type: ignore[var-annotated]
    fake(seen=seen).train(SPEC, ORDERS, 10.0, told, kept)
    assert seen[0][0].outputs == {"/ledger": kept}
    assert list(kept.glob("training-*"))
    assert [point.steps for point in told.points] == [64]


@pytest.mark.parametrize(
    ("how", "left"),
    [
        ({"referee": Ended(exit_code=3)}, 0),
        ({"contestant": Ended(exit_code=None, killed=Status.ENGINE_LOST, problem="gone")}, 1),
    ],
)
def test_a_referee_that_failed_begins_anew(
    fake: Fake, tmp_path: Path, how: dict[str, Any], left: int
) -> None:
    """What it kept may be why; where the engine failed it is not."""
    kept = leftover(tmp_path / "kept")
    with pytest.raises(InfrastructureError):
        fake(**how).train(SPEC, ORDERS, 10.0, Told(), kept)
    assert len(list(kept.glob("training-*"))) == left


@pytest.mark.parametrize(("image", "left"), [("sha256:image", 1), ("sha256:other", 0), (None, 0)])
def test_a_try_is_continued_in_the_image_that_began_it(
    house: House, fake: Fake, monkeypatch: pytest.MonkeyPatch, image: str | None, left: int
) -> None:
    """And its time is counted in."""
    monkeypatch.setattr("benchmark.learning.checkpoint.EVERY_S", -1.0)
    house.shelf.folders = lambda: {"alpha": Path("alpha")}  # type: ignore[method-assign]
    job = training(house.plan(victim_names=["alpha"], seeds=1), "first")
    kept = leftover(house.store.kept(job.key))
    note = kept.with_name("boxed.json")
    if image is not None:
        note.write_text(json.dumps({"image": image, "wall_s": 1e6, "cpu_s": 1e6}))
    boxed(house, fake, job, [])
    assert len(list(kept.glob("training-*"))) == left
    assert (json.loads(note.read_bytes())["wall_s"] > 1e6) is bool(left)


@pytest.mark.parametrize(
    "note", [b"", b"cut sh", b"\xff", b"[]", b"null", b"{}", b'{"image": "sha256:image"}']
)
def test_a_damaged_note_gives_a_try_up(
    house: House, fake: Fake, monkeypatch: pytest.MonkeyPatch, note: bytes
) -> None:
    """Nobody knows which image it is of, or how long it took."""
    monkeypatch.setattr(house.shelf, "folders", lambda: {"alpha": Path("alpha")})
    job = training(house.plan(victim_names=["alpha"], seeds=1), "first")
    kept = leftover(house.store.kept(job.key))
    kept.with_name("boxed.json").write_bytes(note)
    boxed(house, fake, job, [])
    assert not list(kept.glob("training-*"))


def test_a_note_that_cannot_be_read_gives_nothing_up(
    house: House, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line of the disk's: the next try, on a disk that has recovered, goes on."""
    job = training(house.plan(victim_names=["alpha"], seeds=1), "first")
    kept = leftover(house.store.kept(job.key))
    note = kept.with_name("boxed.json")
    note.write_text(json.dumps({"image": "sha256:image", "wall_s": 1e6, "cpu_s": 1e6}))
    real = Path.read_bytes

    def stumbling(self: Path) -> bytes:
        if self == note:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", stumbling)
    with pytest.raises(InfrastructureError, match=r"boxed\.json: Input/output error; make"):
        boxed(house, fake, job, [])
    assert list(kept.glob("training-*"))


def test_an_engine_that_refuses_is_tried_once_more(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It may be back by then; its word is what is told."""
    told, boxes = Told(), fake()

    def refuse(*_: Any) -> None:
        raise EngineLost("no answer in time")

    monkeypatch.setattr(boxing, "Pair", refuse)
    with pytest.raises(ContainersLost) as caught:
        boxes.train(SPEC, ORDERS, 10.0, told, tmp_path / "kept")
    assert caught.value.verdict.status is Status.ENGINE_LOST
    assert "no answer in time" in str(caught.value)
    assert told.tries == told.losses == 2


LOST = Ended(exit_code=3, log=("the referee's last line",))


def test_lost_containers_cost_one_job_and_its_retries_are_on_record(
    house: House, fake: Fake, tmp_path: Path
) -> None:
    """The floors are played all the same; the next run trains, and tells how often it took."""
    artifact.save(house.shelf.policies["alpha"], tmp_path / "alpha")
    house.shelf.folders = lambda: {"alpha": tmp_path / "alpha"}  # type: ignore[method-assign]
    plan = house.plan(attacks=("first",), victim_names=["alpha"], seeds=1)
    lost = training(plan, "first")
    outcome = in_boxes(house, plan, fake(referee=LOST))
    failure = next(one for one in outcome.failures if one.job == lost.key)
    assert failure.infrastructure
    assert (failure.status, failure.log) == (Status.REFEREE_LOST, LOST.log)
    assert house.store.failure(lost.key) is None  # it is nobody's, and tried again
    assert {one.kind for one in outcome.failures if one is not failure} == {"blocked"}
    assert sum(house.store.has(job.key) for job in plan.jobs) > 0
    with pytest.raises(InfrastructureError, match="1 lost their process or containers"):
        end(outcome.failures, "store")
    (record,) = in_boxes(house, plan, fake(contestant=Ended(exit_code=1))).records
    assert record.failure == "crashed: ended with exit code 1"
    assert record.retries == {"attack": 2}


def in_boxes(house: House, plan: Plan, boxes: Boxes) -> Outcome:
    """A run in fake containers."""
    return execute(
        "bench run", plan, house.store, house.shelf, Silent, boxes,
    )  # fmt: skip
