"""Trainings in two containers: a referee has game and victim, a contestant the method.

What a training leaves behind is taken from either side as far as it may be trusted: steps and
matches from the referee's ledger, the policy from the contestant, checked like a stranger's.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from benchmark.arena.referee import Account, load_account
from benchmark.arena.session import RefereeSpec
from benchmark.arena.wire import Status as Word
from benchmark.errors import CheckFailed, InfrastructureError
from benchmark.isolation.container import EXCHANGE, Task, run_container
from benchmark.isolation.engine import Engine, EngineLost
from benchmark.isolation.limits import Limits
from benchmark.isolation.pair import GRACE_S, Pair
from benchmark.isolation.status import Status, Verdict, judge, printable, without_result
from benchmark.learning.progress import CurvePoint
from benchmark.policies import artifact
from benchmark.policies.policy import Policy
from benchmark.records.record import Isolation
from benchmark.runs.contestant import Task as Orders

POLICY_BYTES = 64 << 20
VICTIMS = "/opt/bench/benchmark/victims"
"""Where the image keeps the shipped victims, which no contestant may read."""
TRIES = 2
"""Of a training whose containers were lost to the engine's or the referee's own failure."""
LOOK_S = 1.0
INNOCENT = (Word.DONE, Word.RUNNING, Word.DISCONNECTED, Word.STOPPED, Word.FAILED)
"""Words of the referee that name no breach of the rules."""
BOOKS = "ledger.json"
PYTHON = ("python", "-m")
REFEREE = (
    *PYTHON, "benchmark.arena.referee", "--spec", "/task/spec.json", "--socket",
    f"{EXCHANGE}/socket", "--arrays", f"{EXCHANGE}/arrays", "--snapshots", "/ledger", "--ledger",
    f"/ledger/{BOOKS}",
)  # fmt: skip
CONTESTANT = (
    *PYTHON, "benchmark.runs.contestant", "--task", "/task/task.json", "--socket",
    f"{EXCHANGE}/socket", "--arrays", f"{EXCHANGE}/arrays", "--out", f"{EXCHANGE}/out",
)  # fmt: skip


class Told(Protocol):
    """Hears of a training as it goes on."""

    def restart(self) -> None:
        """Another try begins: what was told is void."""

    def lost(self) -> None:
        """The try's containers were lost, to the engine's or the referee's own failure."""

    def report(self, point: CurvePoint) -> None:
        """An interval of the referee's ledger."""

    def played(self, steps: int) -> None:
        """So many environment steps the referee has counted in all, in an interval or after it."""


class Contained(CheckFailed):
    """A training that ended in its container without a policy: its status, and its last words."""

    def __init__(self, verdict: Verdict):
        self.verdict, self.status = verdict, verdict.status
        super().__init__(verdict.shown)


class ContainersLost(InfrastructureError):
    """A training whose containers were lost, in every try."""

    def __init__(self, verdict: Verdict):
        self.verdict = verdict
        super().__init__(verdict.shown)


class Boxes:
    """Runs trainings in pairs of containers of one image."""

    def __init__(
        self, engine: Engine, image: str, *, pinned: bool = False, memory_mib: int = 4096,
        threads: int = 1,
    ):  # fmt: skip
        """image: its digest, since a tag may move between two containers; pinned: as on record.

        threads: of torch and BLAS on either side; they move the last bits of a result.
        """
        self._engine, self._image = engine, image
        self._memory_mib, self._threads = memory_mib, {"threads": threads}
        self.isolation = Isolation(kind="container", image=engine.image_id(image), pinned=pinned)

    def train(
        self, referee: RefereeSpec, orders: Orders, wall_s: float, told: Told, kept: Path
    ) -> Policy:
        """The policy of a training, whose intervals are told as the referee files them.

        kept: the folder of the referee's books and of its snapshots. A training that was
        interrupted goes on from those that it finds there.

        Raises:
            Contained: the contestant's own end, which trying again would not change.
            ContainersLost: the containers were lost, twice.
        """
        for left in reversed(range(TRIES)):
            told.restart()
            try:
                return self._try(referee, orders, wall_s, told, kept)
            except (Contained, EngineLost) as error:
                verdict = _verdict(error)
                if not verdict.status.infrastructure:
                    raise
                told.lost()
                if not left:
                    raise ContainersLost(verdict) from error
                if verdict.status is Status.REFEREE_LOST:  # what it kept may be why
                    shutil.rmtree(kept)
        raise AssertionError

    def alone(
        self, command: Sequence[str], inputs: Mapping[str, Path], wall_s: float
    ) -> tuple[Verdict, list[str]]:
        """Run a command of a contestant without a referee: what became of it, and its output."""
        lines: list[str] = []
        task = Task(
            role="contestant", command=tuple(command), inputs=dict(inputs), hidden=(VICTIMS,),
            limits=Limits(wall_s=wall_s, memory_mib=self._memory_mib),
        )  # fmt: skip
        ended = run_container(self._engine, self._image, task, told=lines.append)
        return judge(ended), lines

    def _try(
        self, referee: RefereeSpec, orders: Orders, wall_s: float, told: Told, kept: Path
    ) -> Policy:
        limits = Limits(wall_s=wall_s, memory_mib=self._memory_mib)
        with tempfile.TemporaryDirectory(prefix="bench-job-") as made:
            folder = Path(made)
            # Longer, or a contestant that takes too long would be told as a referee that failed.
            longer = limits.model_copy(update={"wall_s": wall_s + 2 * GRACE_S})
            refereed = self._referee(folder, referee, longer, kept)
            playing = self._contestant(folder, orders, limits)
            books = kept / BOOKS
            books.unlink(missing_ok=True)  # an interrupted try's, which went further than is kept
            with Pair(self._engine, self._image, refereed, playing) as pair:
                with Reader(books, told):
                    ends = pair.wait()
                found = pair.collect("out", POLICY_BYTES)
            account = _account(books)
            told.played(account.steps)
            line = "" if account.status in INNOCENT else f"{account.status}: {account.line}"
            verdict = judge(ends.contestant, ends.referee, line)
            if verdict.status is Status.OK and account.status is not Word.DONE:
                verdict = without_result(verdict, "word of having finished")
            if verdict.status is not Status.OK:
                raise Contained(verdict)
            return _policy(folder / "found", found.files, verdict)

    def _referee(self, folder: Path, spec: RefereeSpec, limits: Limits, kept: Path) -> Task:
        """The referee's: every member's artifact, read-only, and a place for its books."""
        inside = {name: Path("/members") / name for name in spec.members}
        path = _written(
            folder / "spec.json", spec.model_copy(update={"members": inside, **self._threads})
        )
        members = {str(inside[name]): home for name, home in spec.members.items()}
        return Task(
            role="referee", command=REFEREE, limits=limits,
            inputs={"/task/spec.json": path, **members}, outputs={"/ledger": kept},
        )  # fmt: skip

    def _contestant(self, folder: Path, orders: Orders, limits: Limits) -> Task:
        """The contestant's: its orders, and where it may hold them code and a victim."""
        homes = {"victim": orders.victim, "code": orders.code, "wheels": orders.wheels}
        given = {name: home for name, home in homes.items() if home is not None}
        inside = {name: Path("/task") / name for name in given}
        path = _written(folder / "task.json", orders.model_copy(update={**inside, **self._threads}))
        return Task(
            role="contestant", command=CONTESTANT, limits=limits, hidden=(VICTIMS,),
            inputs={
                "/task/task.json": path, **{str(inside[name]): given[name] for name in given},
            },
        )  # fmt: skip


class Reader:
    """Tells a referee's intervals while it plays, from the books that it keeps on this machine."""

    def __init__(self, books: Path, told: Told):
        self._books, self._told, self._count = books, told, 0
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, raised: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._error is None:
            try:
                self._look()
            except Exception as error:
                self._error = error
        if self._error is not None and raised is None:
            # Else what is on its way is not to be hidden: a Ctrl-C, say. This is the disk's, as a
            # rule, and the thread had nobody to tell.
            raise self._error

    def _watch(self) -> None:
        while not self._over.wait(LOOK_S):
            try:
                self._look()
            except Exception as error:
                self._error = error
                return

    def _look(self) -> None:
        try:
            account = load_account(self._books)
        except InfrastructureError:  # not begun yet
            return
        for interval in account.intervals[self._count :]:
            self._count += 1  # first: one that fails to be told is not told twice
            self._told.report(CurvePoint(**interval.model_dump()))


def _verdict(error: Contained | EngineLost) -> Verdict:
    """What a try ended in, also where the engine refused to begin it."""
    if isinstance(error, Contained):
        return error.verdict
    message = f"the container engine failed: {printable(str(error))}"
    return Verdict(status=Status.ENGINE_LOST, message=message)


def _account(books: Path) -> Account:
    """What the referee filed at last; of one that filed nothing, that it failed."""
    try:
        return load_account(books)
    except InfrastructureError as error:
        return Account(status=Word.FAILED, line=str(error))


def _policy(folder: Path, files: dict[str, bytes], verdict: Verdict) -> Policy:
    """A contestant's policy, read as a stranger's: two files of known names, parsed, never run."""
    folder.mkdir()
    for name in (artifact.CARD, artifact.WEIGHTS):
        if name in files:
            (folder / name).write_bytes(files[name])
    try:
        return artifact.load(folder)
    except (artifact.BadArtifact, ValidationError, ValueError) as error:
        raise Contained(without_result(verdict, f"usable policy ({error})")) from error


def _written(path: Path, model: RefereeSpec | Orders) -> Path:
    path.write_text(json.dumps(model.model_dump(mode="json")), encoding="utf-8")
    path.chmod(0o644)
    return path
