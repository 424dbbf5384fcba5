"""How artifacts get to a node and back, seen from the driver, whose store has them all in the end.

shared: the store is the same folder on every node. ray: inputs travel with the job, what it made
with its answer. url: as ray, but for artifacts, which go through an object store or a folder.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from benchmark.errors import InfrastructureError
from benchmark.records.leases import lease
from benchmark.records.store import CHECKPOINT, Store
from benchmark.registry import Victims
from benchmark.runs.cluster.bucket import Bucket
from benchmark.runs.cluster.parcels import Files, pack, unpack
from benchmark.runs.job import Job


class Carrier(Protocol):
    """What the driver does with a job's inputs and outputs."""

    scratch: bool
    url: str
    note: str

    def claim(self, job: Job) -> AbstractContextManager[None]:
        """Held while a job is at hand, where its node cannot; raises Taken."""

    def folders(self, job: Job) -> list[str]:
        """What must travel with a job, and stays as it is: folders under the store's root."""

    def progress(self, job: Job) -> Files:
        """How far an earlier try has got."""

    def keep(self, job: Job, files: Files) -> None:
        """File what came back with a job's answer, or while it is under way."""


class Shared:
    """Nothing travels: a node works in the store, and holds the job's lease itself."""

    scratch = False
    url = ""
    note = "the store, which every node sees"

    def claim(self, job: Job) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def folders(self, job: Job) -> list[str]:
        return []

    def progress(self, job: Job) -> Files:
        return {}

    def keep(self, job: Job, files: Files) -> None:
        """The node has kept it."""


class ThroughRay:
    """Everything travels, in the arguments and the answer of a job's task."""

    scratch = True
    url = ""
    note = "Ray's object store"

    def __init__(self, store: Store):
        self._store, self._victims = store, Victims(store.victims)

    @contextlib.contextmanager
    def claim(self, job: Job) -> Iterator[None]:
        """The driver's own lease: a node's is of its scratch store, which nobody else looks at."""
        with lease(self._store.root, job.key):
            self._store.tidy(job.key)
            yield

    def folders(self, job: Job) -> list[str]:
        return [*(f"artifacts/{key}" for key in job.needs), *self._imported(job)]

    def progress(self, job: Job) -> Files:
        return pack(self._store.root, f"work/{job.key}", (CHECKPOINT,))

    def keep(self, job: Job, files: Files) -> None:
        home = f"artifacts/{job.key}/"
        made = {name.removeprefix(home): files[name] for name in files if name.startswith(home)}
        if made:
            self._store.adopt(job.key, made)
        else:
            unpack(self._store.root, files)

    def _imported(self, job: Job) -> list[str]:
        """Victims' folders that are in no node's installation, since they were imported here."""
        players = (job.victim, *job.adversaries, *job.opponents)
        names = {player.name for player in players if player.source == "victim"}
        if not names or not self._store.victims.is_dir():
            return []
        folders = self._victims.folders()
        found = (folders[name] for name in sorted(names) if name in folders)
        return [f"victims/{one.name}" for one in found if one.parent == self._store.victims]


class ThroughUrl(ThroughRay):
    """Artifacts are put under a URL by whoever has them, and got by whoever needs them."""

    def __init__(self, store: Store, url: str):
        super().__init__(store)
        self._bucket, self.url = Bucket(url), url
        self.note = url

    def folders(self, job: Job) -> list[str]:
        for key in job.needs:
            if not self._bucket.has(key):  # this store had it before the run
                self._bucket.push(pack(self._store.root, f"artifacts/{key}"))
        return self._imported(job)

    def keep(self, job: Job, files: Files) -> None:
        super().keep(job, files or self._bucket.pull(f"artifacts/{job.key}"))

    def probe(self, token: str) -> AbstractContextManager[None]:
        """A file for the nodes to find, until the block ends."""
        return _token(self._bucket, f"probe/{token}", token)


@contextlib.contextmanager
def _token(bucket: Bucket, folder: str, token: str) -> Iterator[None]:
    bucket.push({f"{folder}/token": token.encode()})
    try:
        yield
    finally:
        with contextlib.suppress(InfrastructureError):  # left behind, it harms nobody
            bucket.remove(folder)
