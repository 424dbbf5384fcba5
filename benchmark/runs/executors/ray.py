"""Independent jobs side by side on the nodes of a Ray cluster."""

from __future__ import annotations

import contextlib
import math
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmark.disk import write_atomically
from benchmark.errors import InfrastructureError, Misuse
from benchmark.records.leases import Taken
from benchmark.records.store import Store, storage_errors
from benchmark.registry import attacks, defenses
from benchmark.runs.cluster.carriers import Carrier, Shared, ThroughRay, ThroughUrl
from benchmark.runs.cluster.needs import Demand, Needs, Room, check_room
from benchmark.runs.cluster.node import PROBE, Order, Question, Report
from benchmark.runs.cluster.parcels import Files, pack
from benchmark.runs.cluster.rim import Cluster, Died
from benchmark.runs.cluster.software import here
from benchmark.runs.executors.agenda import Agenda, failed
from benchmark.runs.executors.executor import Display, Failure
from benchmark.runs.executors.followed import Followed
from benchmark.runs.executors.hand import Answer, Tools
from benchmark.runs.job import Job

LOOK_S = 0.5
COUNT_AGAIN_S = 5.0
"""Seconds until the nodes are counted anew: they come and go."""
AHEAD = 1
"""Jobs given to Ray beyond what fits now: no node waits for the driver, and few wait for a node.

They are also how a cluster that grows on demand learns that there is a demand.
"""
TRIES = 3
"""Of a job whose process or node died, or was not fit: by then it may be the job's doing."""
PAUSE_S = 2.0
"""Before each further try: a node is dead for some seconds before Ray knows it."""
ARRIVES_S = 60.0
"""For a file that another machine has written to be seen here: NFS remembers that it was absent."""
AUTO, SHARED, RAY = "auto", "shared", "ray"
CARRIERS = (AUTO, SHARED, RAY)


class Nodes(Protocol):
    """What an executor asks of a cluster; see `rim.Cluster`."""

    address: str

    def rooms(self) -> list[Room]: ...

    def ask(self, rooms: Sequence[Room], question: Question) -> list[Report]: ...

    def put(self, files: Files) -> Any: ...

    def submit(self, order: Order, needs: Needs, parcels: Sequence[Any]) -> Any: ...

    def wait(self, refs: Sequence[Any], timeout_s: float) -> list[Any]: ...

    def take(self, ref: Any) -> tuple[Answer, Files]: ...

    def heard(self) -> list[tuple[str, Files]]: ...

    def stop(self, refs: Sequence[Any]) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Wish:
    """What a command line says of a cluster."""

    address: str | None = None
    carrier: str = AUTO
    url: str = ""
    demand: Demand = field(default_factory=Demand)

    def check(self) -> None:
        """Raise Misuse for what no cluster could fulfil."""
        if self.carrier not in CARRIERS:
            raise Misuse(f"--artifacts: expected {', '.join(CARRIERS)}, got '{self.carrier}'")
        if self.url and self.carrier != AUTO:
            raise Misuse(f"--store-url and --artifacts {self.carrier}: say one")


class RayExecutor:
    """Does what the store lacks, on the nodes of a cluster that was looked at before."""

    def __init__(self, nodes: Nodes, tools: Tools, carrier: Carrier, demand: Demand):
        self._nodes, self._tools, self._carrier, self._demand = nodes, tools, carrier, demand

    @classmethod
    def ready(
        cls, wish: Wish, tools: Tools, jobs: list[Job], nodes: Nodes | None = None
    ) -> RayExecutor:
        """Join a cluster and see, before any training, that it can do these jobs.

        Raises:
            Misuse: a job needs more than any node has, or cannot be done on another machine.
            InfrastructureError: no Ray answers, or a node is not fit.
        """
        wish.check()
        _check_code(jobs)
        nodes = nodes or Cluster.connect(wish.address)
        with contextlib.ExitStack() as stack:
            stack.callback(nodes.close)
            rooms = nodes.rooms()
            if not rooms:
                raise InfrastructureError(f"Ray at {nodes.address}: no node with CPUs; add one")
            contained = tools.isolation == "container"
            needs = {
                job.label: wish.demand.of(job, tools.threads, contained=contained) for job in jobs
            }
            check_room(needs, rooms)
            carrier = _looked_at(nodes, rooms, wish, tools)
            check_room(needs, nodes.rooms())  # of those that have not gone away meanwhile
            stack.pop_all()
        return cls(nodes, tools, carrier, wish.demand)

    @property
    def note(self) -> str:
        """Where jobs will be done, for the plan."""
        rooms = self._nodes.rooms()
        cpus = sum(room.cpus for room in rooms)
        where = f"Ray at {self._nodes.address}: {len(rooms)} node(s), {cpus:g} CPUs"
        return f"{where}; artifacts through {self._carrier.note}"

    def run(self, jobs: list[Job], display: Display) -> list[Failure]:
        """See `Executor`. An InfrastructureError ends the run, since nothing could be kept."""
        try:
            return _Shift(
                self._nodes, self._tools, self._carrier, self._demand, jobs, display
            ).work()
        finally:
            self._nodes.close()


def _check_code(jobs: list[Job]) -> None:
    """Raise Misuse for a job of a method that is in a folder of this machine alone."""
    for job in jobs:
        registry = {"attack": attacks, "harden": defenses}.get(job.kind)
        if registry and job.method and registry.local(job.method.name) is not None:
            raise Misuse(
                f"'{job.label}': '{job.method.name}' is a folder on this machine, which no other "
                "node has; run it with --executor local"
            )


def _looked_at(nodes: Nodes, rooms: list[Room], wish: Wish, tools: Tools) -> Carrier:
    """Ask every node whether it is fit, and choose how artifacts travel.

    A node that has gone since it was listed is nobody's to mend: its share is the others'.
    """
    store, token = Store(tools.store), secrets.token_hex(16)
    question = Question(tools=tools, software=here(), token=token, url=wish.url)
    by_url = ThroughUrl(store, wish.url) if wish.url else None
    with by_url.probe(token) if by_url else _token(store, token):
        reports = nodes.ask(rooms, question)
    there = {room.id for room in nodes.rooms()}
    asked = [pair for pair in zip(rooms, reports, strict=True) if pair[0].id in there]
    if not asked:
        raise InfrastructureError(f"Ray at {nodes.address}: every node went away; start them again")
    for room, report in asked:
        if report.problem:
            raise InfrastructureError(f"node {room.name}: {report.problem}")
    blind = [room.name for room, report in asked if not report.shares]
    if by_url is None and wish.carrier != RAY and not blind:
        return Shared()
    if wish.carrier == SHARED:
        raise InfrastructureError(
            f"store {tools.store}: node {blind[0]} does not see it or may not write there; mount "
            "it under the same path on every node, or say --artifacts ray or --store-url URL"
        )
    if tools.tensorboard:
        raise Misuse("--tensorboard: logs are written beside a store that all nodes share")
    return by_url or ThroughRay(store)


@contextlib.contextmanager
def _token(store: Store, token: str) -> Iterator[None]:
    """A file in the store for the nodes to find, until the block ends."""
    store.prepare()
    path = store.root / PROBE / token
    with storage_errors(store.root):
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, token.encode())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@dataclass
class _Given:
    """A job that Ray has, and what its being at hand holds."""

    job: Job
    claim: contextlib.ExitStack


class _Shift:
    """One run on a cluster."""

    def __init__(
        self, nodes: Nodes, tools: Tools, carrier: Carrier, demand: Demand, jobs: list[Job],
        display: Display,
    ):  # fmt: skip
        self._nodes, self._tools, self._carrier, self._demand = nodes, tools, carrier, demand
        self._display, self._store = display, Store(tools.store)
        self._agenda = Agenda(jobs, self._store, display)
        self._followed = Followed(self._store, display)
        self._given: dict[Any, _Given] = {}
        self._tries: Counter[str] = Counter()
        self._again_at: dict[str, tuple[float, Job]] = {}
        self._parcels: dict[str, Any] = {}
        self._width, self._counted_at = 1, -math.inf

    def work(self) -> list[Failure]:
        try:
            while True:
                self._give()
                if self._agenda.over:
                    return self._agenda.failures
                if self._given:
                    over = self._nodes.wait(list(self._given), LOOK_S)
                else:
                    over = []
                    time.sleep(LOOK_S)  # for another run, which is at all that is left
                self._listen()
                for ref in over:
                    self._take(ref)
                self._followed.look()
        finally:
            self._nodes.stop(list(self._given))
            for one in self._given.values():
                one.claim.close()

    def _give(self) -> None:
        while len(self._given) < self._room() and (job := self._next()) is not None:
            claim = contextlib.ExitStack()
            try:
                claim.enter_context(self._carrier.claim(job))
            except Taken:
                self._agenda.put_back(job)
            else:
                self._submit(job, claim)

    def _next(self) -> Job | None:
        """A job that was lost a while ago, or else the agenda's next one."""
        for key, (at, job) in list(self._again_at.items()):
            if time.monotonic() > at:
                del self._again_at[key]
                return job
        return self._agenda.next()

    def _room(self) -> int:
        """How many jobs Ray is to have now."""
        if time.monotonic() - self._counted_at > COUNT_AGAIN_S:
            cpus = sum(int(room.cpus) for room in self._nodes.rooms())
            self._width = max(1, cpus // self._tools.threads)
            self._counted_at = time.monotonic()
        return self._width + AHEAD

    def _submit(self, job: Job, claim: contextlib.ExitStack) -> None:
        contained = self._tools.isolation == "container"
        needs = self._demand.of(job, self._tools.threads, contained=contained)
        order = Order(
            job=job, tools=self._tools, software=here(), cpus=needs.cpus,
            scratch=self._carrier.scratch, url=self._carrier.url,
        )  # fmt: skip
        parcels = [self._parcel(folder) for folder in self._carrier.folders(job)]
        progress = self._carrier.progress(job)
        parcels += [self._nodes.put(progress)] if progress else []
        self._given[self._nodes.submit(order, needs, parcels)] = _Given(job, claim)

    def _parcel(self, folder: str) -> Any:
        """A folder of the store, put into Ray's once however many jobs read it."""
        if folder not in self._parcels:
            self._parcels[folder] = self._nodes.put(pack(self._store.root, folder))
        return self._parcels[folder]

    def _listen(self) -> None:
        """Hand on what jobs say while they run."""
        at_hand = {given.job.key: given.job for given in self._given.values()}
        for key, files in self._nodes.heard():
            job = at_hand.get(key)
            if job is None:  # of a try that was given up
                continue
            if files:
                self._carrier.keep(job, files)
            else:
                self._display.start(job)
                self._followed.begin(job)

    def _take(self, ref: Any) -> None:
        """A job is over, in some way."""
        given = self._given[ref]
        try:
            said, files = self._nodes.take(ref)
        except Died as error:
            said, files = Answer(word="unfit", message=str(error)), {}
        if said.word == "broken":
            raise InfrastructureError(said.message)
        del self._given[ref]
        with given.claim:
            self._end(given.job, said, files)

    def _end(self, job: Job, said: Answer, files: Files) -> None:
        self._followed.end(job)
        if said.word == "taken":
            self._agenda.put_back(job)
        elif said.word == "unfit":
            self._again(job, said.message)
        else:
            self._carrier.keep(job, files)
            if said.failure is None and not self._arrived(job):
                self._again(job, "its node said that it is done, and its artifact never came")
            else:
                self._agenda.end(job, said.failure)

    def _arrived(self, job: Job) -> bool:
        """Whether the store has what was made, which on a shared file system may take a while."""
        until = time.monotonic() + ARRIVES_S
        while not self._store.has(job.key):
            if self._carrier.scratch or time.monotonic() > until:
                return False
            time.sleep(LOOK_S)
        return True

    def _again(self, job: Job, why: str) -> None:
        """Give it to another node, which goes on from the last checkpoint that is known of."""
        self._tries[job.key] += 1
        self._counted_at = -math.inf
        if self._tries[job.key] < TRIES:
            self._again_at[job.key] = time.monotonic() + PAUSE_S, job
            return
        told = f"lost {TRIES} times, the last time: {why}"
        self._agenda.end(job, failed(job, "lost", told, lost=True))
