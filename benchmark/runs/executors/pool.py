"""Independent jobs side by side, in processes with cores of their own."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait

from benchmark.errors import InfrastructureError
from benchmark.records.store import Store
from benchmark.runs.executors.agenda import Agenda, failed
from benchmark.runs.executors.executor import Display, Failure
from benchmark.runs.executors.followed import Followed
from benchmark.runs.executors.hand import Answer, Tools, serve
from benchmark.runs.job import Job
from benchmark.runs.progress import to_stderr

LOOK_S = 0.5
PATIENCE_S = 15.0
"""For a hand that was asked to stop, which may have containers to take down."""
TRIES = 2
"""Of a job whose process died: by then it may be the job that kills it."""


class Hand:
    """A process that does one job at a time, and another one after it died."""

    def __init__(self, tools: Tools, cores: tuple[int, ...]):
        self._tools, self._cores = tools, cores
        self.job: Job | None = None
        self.connection, self.process = self._begun()

    def _begun(self) -> tuple[Connection, multiprocessing.process.BaseProcess]:
        # Not forked: the threads of torch and MuJoCo would be lost in the copy.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self._tools, self._cores))
        process.start()
        theirs.close()
        return ours, process

    def __enter__(self) -> Hand:
        return self

    def __exit__(self, *_: object) -> None:
        self.dismiss()
        self.process.join(PATIENCE_S)
        self.process.kill()

    def dismiss(self) -> None:
        """Have it end, without waiting until it has; one that is at a job drops it."""
        self.connection.close()
        if self.job is not None:
            self.process.terminate()

    def give(self, job: Job) -> None:
        """Hand it a job; that it has died in the meantime is noticed when it is heard."""
        self.job = job
        with contextlib.suppress(OSError):
            self.connection.send_bytes(job.model_dump_json().encode())

    def hear(self) -> Answer | None:
        """What it says; None where it has died."""
        try:
            return Answer.model_validate_json(self.connection.recv_bytes())
        except (EOFError, OSError):
            return None

    def replace(self) -> str:
        """Begin another process in its place; says how the one before ended."""
        self.connection.close()
        self.process.join()
        code = self.process.exitcode
        self.connection, self.process = self._begun()
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


class Pool:
    """Does what the store lacks, with as many hands as there are sets of cores."""

    def __init__(self, tools: Tools, cores: Sequence[tuple[int, ...]]):
        """cores: of each hand; no core twice, or hands would wait for each other."""
        self._tools, self._cores = tools, cores

    def run(self, jobs: list[Job], display: Display) -> list[Failure]:
        """See `Executor`. An InfrastructureError ends the run, since nothing could be kept."""
        with contextlib.ExitStack() as stack:
            hands = [stack.enter_context(Hand(self._tools, cores)) for cores in self._cores]
            try:
                return _Shift(hands, jobs, Store(self._tools.store), display).work()
            finally:
                for hand in hands:  # all of them before any is waited for
                    hand.dismiss()


class _Shift:
    """One run of a pool."""

    def __init__(self, hands: list[Hand], jobs: list[Job], store: Store, display: Display):
        self._hands, self._display = hands, display
        self._agenda = Agenda(jobs, store, display)
        self._followed = Followed(store, display)
        self._deaths: Counter[str] = Counter()
        self._warned = False

    def work(self) -> list[Failure]:
        while True:
            for hand in self._hands:
                if hand.job is None and (job := self._agenda.next()) is not None:
                    hand.give(job)
            if self._agenda.over:
                return self._agenda.failures
            heard = wait([hand.connection for hand in self._hands], LOOK_S)
            for hand in self._hands:
                if hand.connection in heard:
                    self._hear(hand)
            self._followed.look()

    def _hear(self, hand: Hand) -> None:
        job, said = hand.job, hand.hear()
        if said is None:
            self._died(hand)
        elif said.word == "broken":
            raise InfrastructureError(said.message)
        elif said.word == "warned":
            self._warn(said.message)
        elif said.word == "told":
            to_stderr(said.message)
        elif job is not None and said.word == "begun":
            self._display.start(job)
            self._followed.begin(job)
        elif job is not None:
            hand.job = None
            self._followed.end(job)
            if said.word == "taken":
                self._agenda.put_back(job)
            else:
                self._agenda.end(job, said.failure)

    def _warn(self, line: str) -> None:
        """Pass on what the first of the hands says; the others are on the same store."""
        if not self._warned:
            self._warned = True
            to_stderr(line)

    def _died(self, hand: Hand) -> None:
        """Give its job to the one in its place, which goes on from the last checkpoint."""
        job, how = hand.job, hand.replace()
        hand.job = None
        if job is None:
            return
        self._followed.end(job)
        self._deaths[job.key] += 1
        if self._deaths[job.key] < TRIES:
            hand.give(job)
            return
        why = f"its process died {TRIES} times ({how}); out of memory, perhaps"
        self._agenda.end(job, failed(job, "lost", why, lost=True))
