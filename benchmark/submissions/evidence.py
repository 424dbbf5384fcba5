"""What a run of a submission leaves in its folder: records, and the policies that they are about.

evidence/submission.json         the hash of the content that was run
evidence/records/<id>.json       records, as a store keeps them
evidence/policies/<identity>/    every policy that the runs made, as artifacts
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from benchmark import __version__
from benchmark.disk import plain, write_atomically
from benchmark.errors import Misuse
from benchmark.policies import artifact
from benchmark.policies.policy import Policy
from benchmark.records.files import BadRecord, read, to_json
from benchmark.records.record import Record
from benchmark.records.store import Store, storage_errors
from benchmark.runs.finished import read_policy
from benchmark.runs.plan import Plan
from benchmark.submissions.folder import Submission

ABOUT, RECORDS, POLICIES = "submission.json", "records", "policies"
MAX_RECORDS, MAX_POLICIES, MAX_ABOUT = 500, 2000, 4096


def write(submission: Submission, store: Store, plans: Sequence[Plan], made: list[Record]) -> None:
    """File a run's records and policies beside those of the same content; others are dropped.

    Raises:
        InfrastructureError: the folder cannot be written.
    """
    home = submission.evidence
    with storage_errors(submission.folder):
        if _about(home) != submission.sha256 and home.exists():
            shutil.rmtree(home)
        (home / RECORDS).mkdir(parents=True, exist_ok=True)
        for plan in plans:
            for job in plan.jobs:
                if job.kind in ("attack", "harden") and store.has(job.key):
                    policy = store.policy(job.key)
                    artifact.save(policy, home / POLICIES / policy.card.identity[:32])
        for record in made:
            write_atomically(home / RECORDS / f"{record.id}.json", to_json(record))
        about = {"sha256": submission.sha256, "benchmark": __version__}
        write_atomically(home / ABOUT, (json.dumps(about, indent=1) + "\n").encode())


def replace(submission: Submission, record: Record) -> None:
    """File a record in place of the one of its cell."""
    with storage_errors(submission.folder):
        path = submission.evidence / RECORDS / f"{record.id}.json"
        write_atomically(path, to_json(record))


def records(submission: Submission) -> list[Record]:
    """The records, by id, of exactly this content and of this method.

    Raises:
        Misuse: there are none, they are of other content, or one is not what it says.
    """
    home = submission.evidence
    found = _plain(home / RECORDS, "*.json", MAX_RECORDS)
    if not found:
        raise Misuse(f"{home}: no records; `bench submit {submission.folder}` makes them")
    if _about(home) != submission.sha256:
        raise Misuse(
            f"{home} is of other content than {submission.folder} now has; run `bench submit "
            f"{submission.folder}` again"
        )
    return [_read(path, submission) for path in found]


def policies(submission: Submission) -> dict[str, Policy]:
    """The policies that were handed in, by the sha256 of their weights; raises BadArtifact."""
    folders = _plain(submission.evidence / POLICIES, "*/card.json", MAX_POLICIES)
    loaded = [read_policy(path.parent) for path in folders]
    return {policy.card.sha256: policy for policy in loaded}


def _read(path: Path, submission: Submission) -> Record:
    record, about = read(path), submission.manifest
    method = record.cell.attack if about.kind == "attack" else record.cell.defense
    if about.kind != "attack" and method is None:
        return record  # the undefended cell that a defended one is compared with
    if method is None or method.name != about.name:
        raise BadRecord(f"{path}: of another method than '{about.name}'")
    if about.kind == "attack" and record.cell.track != about.track:
        raise BadRecord(
            f"{path}: of track '{record.cell.track}', the manifest says '{about.track}'"
        )
    return record


def _plain(home: Path, pattern: str, most: int) -> list[Path]:
    """Files of a folder that may be a stranger's: no links are followed."""
    found = sorted(home.glob(pattern)) if home.is_dir() and not home.is_symlink() else []
    if len(found) > most:
        raise Misuse(f"{home}: at most {most} files are read, there are {len(found)}")
    for path in found:
        if path.is_symlink() or path.parent.is_symlink():
            raise Misuse(f"{path}: a link; expected a plain file")
    return found


def _about(home: Path) -> str | None:
    """The hash of the content that the evidence is of."""
    try:
        told = json.loads(plain(home / ABOUT, MAX_ABOUT, BadRecord))
        return str(told["sha256"])
    except (BadRecord, ValueError, TypeError, KeyError):
        return None
