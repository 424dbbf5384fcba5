"""Artifacts and records on disk, by content hash. Finished work is renamed into place, whole.

artifacts/<key>/   what a finished job made: job.json, result.json, a policy's two files
work/<key>/        the checkpoint of a job that is under way, and how far it has got
leases/<key>.lock  held by the process that does a job
runs/<id>.json     what a run is to do
records/<id>.json  one record a cell
victims/<name>/    imported victims
wheels/<hash>/     packages that submissions require, for containers
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmark.disk import write_atomically
from benchmark.errors import InfrastructureError, disk_errors
from benchmark.policies import artifact
from benchmark.policies.policy import Policy, PolicyCard
from benchmark.records.files import read, to_json
from benchmark.records.leases import lease
from benchmark.records.note import Note
from benchmark.records.record import Record

NEEDED_BYTES = 200 * 1024 * 1024
"""Free space asked for before a training starts: many times what one leaves behind."""


STAGING = ".staging-"
OLD = "old"
"""In a staging folder: the victim that stood where the new one goes."""
STALE_S = 24 * 3600
CHECKPOINT = "checkpoint.safetensors"
FAILURE = "failure.json"
NOTE = "progress.json"
WRITE_WAIT_S = 60.0
"""Such a file is written in milliseconds; whoever takes longer has a store that hangs."""


class Store:
    """A folder of finished and unfinished work. Several runs may share one."""

    def __init__(self, root: Path):
        self.root = root

    @property
    def victims(self) -> Path:
        """Where imported victims lie."""
        return self.root / "victims"

    @property
    def wheels(self) -> Path:
        """Where the packages lie that submissions require."""
        return self.root / "wheels"

    def prepare(self) -> None:
        """Make the folders, and find out now whether work could be kept.

        Raises:
            InfrastructureError: the store cannot be written, or its disk is almost full.
        """
        with storage_errors(self.root):
            for name in ("artifacts", "work", "records"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root / "artifacts") as probe:
                probe.write(b"can this store be written?")
            self._sweep()
            free = shutil.disk_usage(self.root).free
        if free < NEEDED_BYTES:
            raise InfrastructureError(
                f"store {self.root}: {free >> 20} MiB free, {NEEDED_BYTES >> 20} MiB wanted "
                "before training; make room or choose another --store"
            )

    def _sweep(self) -> None:
        """Remove what processes that died long ago were about to file."""
        for folder in (self.root / "artifacts").glob(STAGING + "*"):
            with contextlib.suppress(OSError):  # another run may be sweeping too
                age_s = time.time() - folder.stat().st_mtime
                if age_s > WRITE_WAIT_S:
                    self.put_back(folder)
                if age_s > STALE_S:
                    shutil.rmtree(folder, ignore_errors=True)

    def has(self, key: str) -> bool:
        """Whether a job is finished."""
        return (self.root / "artifacts" / key / "result.json").is_file()

    def folder(self, key: str) -> Path:
        """Where a finished job's artifact lies."""
        return self.root / "artifacts" / key

    def result(self, key: str) -> dict[str, Any]:
        """What a finished job measured; raises BadArtifact where it is damaged."""
        path = self.folder(key) / "result.json"
        try:
            loaded: dict[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise artifact.BadArtifact(
                f"{path}: damaged ({error}); delete its folder to run the job again"
            ) from error
        return loaded

    def policy(self, key: str) -> Policy:
        """The policy that a finished job made; raises BadArtifact where it is damaged."""
        try:
            return artifact.load(self.folder(key))
        except artifact.BadArtifact as error:
            raise artifact.BadArtifact(
                f"{error}; delete its folder to run the job again"
            ) from error

    def commit(
        self, key: str, job: dict[str, Any], result: dict[str, Any], policy: Policy | None
    ) -> None:
        """File a finished job; a crash leaves either all of it or nothing.

        Raises:
            InfrastructureError: the disk is full or the store cannot be written.
        """
        with storage_errors(self.root), self._finished(key) as staging:
            if policy is not None:
                artifact.save(policy, staging)
            for name, content in (("job.json", job), ("result.json", result)):
                payload = json.dumps(content, indent=1, sort_keys=True) + "\n"
                write_atomically(staging / name, payload.encode())
            self._file(key, staging)
        shutil.rmtree(self.root / "work" / key, ignore_errors=True)

    def adopt(self, key: str, files: Mapping[str, bytes]) -> None:
        """File what a job made in another store, by the names of its files; as `commit`.

        Raises:
            InfrastructureError: the files are no finished job's, or the store cannot be written.
        """
        if "result.json" not in files or "job.json" not in files:
            raise InfrastructureError(
                f"artifact {key}: came without {'result' if 'job.json' in files else 'job'}.json"
            )
        with storage_errors(self.root), self._finished(key) as staging:
            for name, content in files.items():
                write_atomically(staging / name, content)
            self._file(key, staging)
        shutil.rmtree(self.root / "work" / key, ignore_errors=True)

    def _file(self, key: str, staging: Path) -> None:
        if not self.has(key):  # else somebody without a lease finished the same job first
            shutil.rmtree(self.folder(key), ignore_errors=True)  # half deleted by hand
            staging.rename(self.folder(key))

    def file_victim(self, policy: Policy) -> PolicyCard:
        """Keep an imported victim under its name, in place of one that was there.

        Raises:
            InfrastructureError: the store cannot be written; the one before is kept.
        """
        home = self.victims / policy.card.name
        with storage_errors(self.root), self._staging() as staging:
            card = artifact.save(policy, staging / "new")
            self.victims.mkdir(parents=True, exist_ok=True)
            if home.exists():
                home.rename(staging / OLD)
            try:
                (staging / "new").rename(home)
            except OSError:
                if (staging / OLD).exists():
                    (staging / OLD).rename(home)
                raise
        return card

    def put_back(self, staging: Path) -> None:
        """Put back the victim that `file_victim` took away before its process died.

        Not where the next one was filed, or one of that name since.
        """
        try:
            home = self.victims / artifact.load_card(staging / OLD).name
        except artifact.BadArtifact:  # none was taken away
            return
        if not home.exists():
            home.parent.mkdir(parents=True, exist_ok=True)
            (staging / OLD).rename(home)

    @contextlib.contextmanager
    def _finished(self, key: str) -> Iterator[Path]:
        """A folder among what a job has at work: what a crash leaves there goes with the rest."""
        staging = self._work(key) / "finished"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    @contextlib.contextmanager
    def _staging(self) -> Iterator[Path]:
        """A folder of its own on the store's disk, gone afterwards."""
        home = self.root / "artifacts"
        home.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=home))
        staging.chmod(0o755)
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def checkpoint(self, key: str) -> Path:
        """Where an unfinished job keeps its checkpoint."""
        return self._work(key) / CHECKPOINT

    def kept(self, key: str) -> Path:
        """The folder in which a referee keeps what an unfinished job needs to go on."""
        return self._work(key) / "referee"

    def _work(self, key: str) -> Path:
        folder = self.root / "work" / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def note(self, key: str, note: Note) -> None:
        """Say how far an unfinished job has got; for people, so a crash may lose it."""
        with storage_errors(self.root):
            path = self._work(key) / NOTE
            fresh = path.with_name(f".{NOTE}.tmp")
            fresh.write_text(note.model_dump_json(), encoding="utf-8")
            fresh.replace(path)

    def noted(self, key: str) -> Note | None:
        """What an unfinished job said of itself last, where that can be read."""
        try:
            return Note.model_validate_json((self.root / "work" / key / NOTE).read_bytes())
        except (OSError, ValueError):
            return None

    def tidy(self, key: str) -> None:
        """Remove what keeps no try of a job from going on; by its holder, before the next try.

        That is what a process left that died in the middle of writing, and the note of an earlier
        failure: whoever waits for this try would take it for this one's.
        """
        folder = self.root / "work" / key
        with storage_errors(self.root):
            for left in (*folder.glob(".*.tmp"), folder / FAILURE):
                left.unlink(missing_ok=True)

    def file_failure(self, key: str, failure: dict[str, Any]) -> None:
        """Note beside its last checkpoint that a training failed for good, and how."""
        with storage_errors(self.root):
            path = self.checkpoint(key).with_name(FAILURE)
            write_atomically(path, (json.dumps(failure, indent=1) + "\n").encode())

    def failure(self, key: str) -> dict[str, Any] | None:
        """How a job's training failed, if that is what became of it."""
        try:
            noted: Any = json.loads((self.root / "work" / key / FAILURE).read_bytes())
        except (OSError, ValueError):
            return None
        if not isinstance(noted, dict) or not isinstance(noted.get("failure"), str):
            return None  # `bench store verify` names it
        return None if self.has(key) else noted

    def write_record(self, record: Record) -> Path:
        """File a record; one of the same cell is replaced."""
        path = self.root / "records" / f"{record.id}.json"
        self.write_alone(path, to_json(record))
        return path

    def write_alone(self, path: Path, payload: bytes) -> None:
        """Write a file of the store that several runs may write: one at a time.

        So that one that dies leaves a file that the next one writes over.
        """
        name = f"{path.parent.name}-{path.stem}"
        with storage_errors(self.root), lease(self.root, name, WRITE_WAIT_S):
            path.parent.mkdir(exist_ok=True)
            write_atomically(path, payload, path.with_name(f".{path.name}.tmp"))

    def records(self) -> list[Record]:
        """All records of the store, by id; raises BadRecord at the first bad one."""
        return [read(path) for path in sorted((self.root / "records").glob("*.json"))]


def storage_errors(root: Path) -> AbstractContextManager[None]:
    """Turn an OSError under the store into one clear line."""
    return disk_errors(
        f"store {root}",
        "what is finished is kept: make the store writable, free its disk or choose another "
        "--store, then run the same command again",
    )
