"""A process of its own that does jobs for another one: what it is told, and what it answers.

Jobs and failures cross as JSON. What a hand needs to begin is its `Tools`.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from benchmark.arena.tally import Tally
from benchmark.errors import BenchError
from benchmark.learning.threads import use_threads
from benchmark.records.leases import Taken
from benchmark.records.store import Store
from benchmark.registry import Victims
from benchmark.runs.executors.attempt import attempt
from benchmark.runs.executors.executor import Failure
from benchmark.runs.isolation import choose
from benchmark.runs.job import Job
from benchmark.runs.jobs import Worker
from benchmark.runs.logs import beside
from benchmark.runs.progress import Watch


class Tools(BaseModel):
    """What a worker in another process is made of."""

    model_config = ConfigDict(frozen=True)

    store: Path
    isolation: Literal["process", "container"] = "process"
    allow_unpinned: bool = False
    threads: int = 1
    tensorboard: bool = False

    def worker(self) -> Worker:
        """A worker on the store, in this process, whose thread counts are set."""
        use_threads(self.threads)
        place = choose(self.isolation, allow_unpinned=self.allow_unpinned, threads=self.threads)
        store = Store(self.store)
        logs = beside(self.store) if self.tensorboard else None
        return Worker(store, Victims(store.victims), place.boxes, logs)


class Answer(BaseModel):
    """What a hand says of the job at hand: begun and perhaps warned, where it does it; another."""

    word: Literal["begun", "told", "warned", "ended", "taken", "broken", "unfit"]
    failure: Failure | None = None
    message: str = ""
    """Of told: a line for people; of warned: one on the store, which all hands share. Of broken:
    why no job could be kept. Of unfit: why no job can be done on this machine."""


def silent(steps: int, tally: Tally) -> None:
    """How far a job has got stands in the store."""


def answer(worker: Worker, job: Job, begins: Callable[[], None], watch: Watch = silent) -> Answer:
    """Do a job; `begins` is called when its lease is had and it is still to be done."""
    try:
        return Answer(word="ended", failure=attempt(worker, job, watch, begins))
    except Taken:
        return Answer(word="taken")
    except BenchError as error:
        return Answer(word="broken", message=str(error))


def serve(connection: Connection, tools: Tools, cores: tuple[int, ...]) -> None:
    """Do jobs one by one, on some cores, until the other side hangs up or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C: the parent's to decide
    signal.signal(signal.SIGTERM, _interrupted)
    threading.Thread(target=_outlive_nobody, daemon=True).start()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    try:
        worker = tools.worker()
        worker.warn = lambda line: _say(connection, Answer(word="warned", message=line))
        worker.tell = lambda line: _say(connection, Answer(word="told", message=line))
        while True:
            job = Job.model_validate_json(connection.recv_bytes())
            said = answer(worker, job, lambda: _say(connection, Answer(word="begun")))
            _say(connection, said)
    except BenchError as error:
        _say(connection, Answer(word="broken", message=str(error)))
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        os._exit(0)  # nothing is left to keep; to take torch down in good order takes seconds


def _say(connection: Connection, said: Answer) -> None:
    connection.send_bytes(said.model_dump_json().encode())


def _interrupted(*_: object) -> None:
    # Not SystemExit, which a method's code may raise too, and which fails no more than its job.
    raise KeyboardInterrupt


def _outlive_nobody() -> None:
    """End with the parent, however it ends, and take the containers along."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
