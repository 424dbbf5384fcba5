"""A job, or a question, on a node. Knows nothing of Ray: it is handed texts, bytes and a voice."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from benchmark.arena.tally import Tally
from benchmark.cores import cores
from benchmark.errors import BenchError, InfrastructureError
from benchmark.records.leases import Taken, held, lease
from benchmark.records.store import CHECKPOINT, FAILURE, NOTE, Store
from benchmark.runs.cluster.bucket import Bucket
from benchmark.runs.cluster.parcels import Files, pack, unpack
from benchmark.runs.cluster.software import Software, here
from benchmark.runs.executors.hand import Answer, Tools, answer
from benchmark.runs.job import Job
from benchmark.runs.progress import Watch

PREFIX = "bench-node-"
STALE_S = 60.0
"""A scratch store this old has its lease; without one, its process is dead."""
SCRATCH = "scratch"
PROBE = "probe"
"""The folder of what is written only to see who can read it."""

Tell = Callable[[str, Files], None]
"""Told (a job's key, new files of its folder at work; none: it has begun)."""


class Order(BaseModel):
    """A job for a node, and all that it needs to know besides the job's inputs."""

    model_config = ConfigDict(frozen=True)

    job: Job
    tools: Tools
    software: Software
    cpus: int
    scratch: bool
    """Whether to work in a store of its own, whose content goes back; else in the shared one."""
    url: str = ""
    """Where artifacts of other jobs are, and where this one's goes; none: through Ray."""


class Question(BaseModel):
    """What is asked of a node before any job: each part that is named must be in order."""

    model_config = ConfigDict(frozen=True)

    tools: Tools
    software: Software
    token: str
    """A file's name, which is also its content."""
    url: str = ""


class Report(BaseModel):
    """What a node says: what is amiss, if anything, and whether it sees the driver's store."""

    problem: str = ""
    shares: bool = False


def look(question: str) -> str:
    """Answer a question."""
    asked = Question.model_validate_json(question)
    try:
        asked.software.check(here(), socket.gethostname())
        asked.tools.worker()  # finds the engine and the image, where containers are asked for
        if asked.url:
            _reach(Bucket(asked.url), asked.token)
        return Report(shares=_sees(asked.tools.store, asked.token)).model_dump_json()
    except BenchError as error:
        return Report(problem=str(error)).model_dump_json()


def _sees(store: Path, token: str) -> bool:
    """Whether the driver's folder is this machine's folder of that name, and can be written."""
    try:
        if (store / PROBE / token).read_text(encoding="utf-8") != token:
            return False
        with tempfile.TemporaryFile(dir=store / PROBE):
            return True
    except OSError:
        return False


def _reach(bucket: Bucket, token: str) -> None:
    home = f"{PROBE}/{token}"
    if bucket.pull(home).get(f"{home}/token") != token.encode():
        raise InfrastructureError(
            f"store URL {bucket.url}: what the driver wrote there is not there; give a URL that "
            "means the same place on every node"
        )
    bucket.push({f"{home}/{socket.gethostname()}-{os.getpid()}": b"can this be written?"})


def do(order: str, tell: Tell, *parcels: Files) -> tuple[str, Files]:
    """Do a job; what it made, or left undone, as files where the store is not shared."""
    asked = Order.model_validate_json(order)
    said, files = _done(asked, tell, parcels)
    return said.model_dump_json(), files


def _done(asked: Order, tell: Tell, parcels: tuple[Files, ...]) -> tuple[Answer, Files]:
    host = socket.gethostname()
    try:
        # Asked anew: a node may have come after the driver looked at them.
        asked.software.check(here(), host)
        with own_cores(asked.cpus):
            if not asked.scratch:
                return _in_place(asked, tell), {}
            with scratch() as root:
                said, files = _from_parcels(asked, root, tell, parcels)
    except BenchError as error:
        return Answer(word="unfit", message=f"node {host}: {error}"), {}
    if said.word == "broken":  # this node's scratch store is; another one's may not be
        return Answer(word="unfit", message=f"node {host}: {said.message}"), {}
    return said, files


def _in_place(asked: Order, tell: Tell) -> Answer:
    """In the shared store, as a process beside the driver would."""
    return answer(asked.tools.worker(), asked.job, lambda: tell(asked.job.key, {}))


def _from_parcels(
    asked: Order, root: Path, tell: Tell, parcels: tuple[Files, ...]
) -> tuple[Answer, Files]:
    """In a store of its own, filled with what the job reads."""
    job, store = asked.job, Store(root)
    store.prepare()
    bucket = Bucket(asked.url) if asked.url else None
    for files in (*parcels, *(bucket.pull(f"artifacts/{key}") for key in job.needs if bucket)):
        unpack(root, files)
    worker = asked.tools.model_copy(update={"store": root}).worker()
    said = answer(worker, job, lambda: tell(job.key, {}), _forwarding(store, job.key, tell))
    made = pack(root, f"artifacts/{job.key}")
    if not made:
        return said, pack(root, f"work/{job.key}", (CHECKPOINT, FAILURE))
    if bucket is None:
        return said, made
    bucket.push(made)
    return said, {}


def _forwarding(store: Store, key: str, tell: Tell) -> Watch:
    """Passes the note and the checkpoint on whenever they are new: a node's death costs no more."""
    sent: dict[str, int] = {}

    def watch(steps: int, tally: Tally) -> None:
        fresh: Files = {}
        for name in (NOTE, CHECKPOINT):
            path = store.root / "work" / key / name
            if path.exists() and sent.get(name) != (now := path.stat().st_mtime_ns):
                sent[name] = now
                fresh |= pack(store.root, f"work/{key}", (name,))
        if fresh:
            tell(key, fresh)

    return watch


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A store for one job, gone afterwards; those of processes that died go before."""
    home = Path(tempfile.gettempdir())
    for left in home.glob(PREFIX + "*"):
        # Another user's may not be looked into: it is that user's to remove.
        with contextlib.suppress(OSError, InfrastructureError):
            if time.time() - left.stat().st_mtime > STALE_S and not held(left, SCRATCH):
                shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as made:
        root = Path(made)
        with lease(root, SCRATCH):
            yield root


@contextlib.contextmanager
def own_cores(count: int) -> Iterator[None]:
    """Keep to cores that no other job of ours on this machine is on, where there are enough.

    Ray counts CPUs and binds nobody to them, and MuJoCo takes all cores that it may run on.
    """
    before, home = cores(), Path(tempfile.gettempdir()) / f"bench-cores-{os.getuid()}"
    # Containers on one machine do not see each other's leases: they begin at different cores.
    first = zlib.crc32(socket.gethostname().encode()) % len(before)
    with contextlib.ExitStack() as stack:
        mine: list[int] = []
        for core in before[first:] + before[:first]:
            if len(mine) < count:
                with contextlib.suppress(Taken):
                    stack.enter_context(lease(home, f"core-{core}"))
                    mine.append(core)
        if len(mine) < count or not hasattr(os, "sched_setaffinity"):
            stack.close()  # it may run on all of them: what it held would be missing to others
            yield
            return
        os.sched_setaffinity(0, mine)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)
