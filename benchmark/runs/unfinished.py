"""Jobs that are not done, as their work folders show them: what became of each, read only."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from benchmark.disk import plain
from benchmark.learning import checkpoint as checkpoints
from benchmark.learning.progress import CURVE
from benchmark.policies.artifact import BadArtifact
from benchmark.records.leases import held
from benchmark.records.store import CHECKPOINT, FAILURE, Store

MAX_CHECKPOINT = 1 << 30
MAX_FAILURE = 16 * 1024 * 1024
REFEREE = "referee"


class Unfinished(BaseModel):
    """A job under way, interrupted, or failed for good."""

    key: str
    state: Literal["in progress", "to be continued", "to begin anew", "failed"]
    cut_short: bool = False
    """Its checkpoint is not whole."""
    failure: str | None = None


def read(store: Store, folder: Path) -> Unfinished | None:
    """What a work folder holds; None where its job is finished, now or meanwhile.

    Raises:
        BadArtifact: what is in it would stop the job.
    """
    key = folder.name
    failure = read_failure(folder)
    whole = _is_whole(folder / CHECKPOINT)
    if store.has(key):  # last, since a job may be committed while this looks
        return None
    if held(store.root, key):
        return Unfinished(key=key, state="in progress")
    if failure is not None:
        return Unfinished(key=key, state="failed", failure=failure)
    goes_on = whole or (folder / REFEREE).is_dir()
    state: Literal["to be continued", "to begin anew"]
    state = "to be continued" if goes_on else "to begin anew"
    return Unfinished(key=key, state=state, cut_short=whole is False)


def read_failure(folder: Path) -> str | None:
    """Why a job failed for good; None where it did not.

    Raises:
        BadArtifact: there is a note of a failure, and it is damaged.
    """
    path = folder / FAILURE
    if not os.path.lexists(path):
        return None
    try:
        return str(json.loads(plain(path, MAX_FAILURE, BadArtifact))["failure"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadArtifact(f"{path}: not the note of a failure ({error})") from error


def _is_whole(path: Path) -> bool | None:
    """Whether a checkpoint is; None where there is none.

    Raises:
        BadArtifact: it cannot be read, or it is whole and no training could go on from it.
    """
    if not os.path.lexists(path):
        return None
    found = checkpoints.unpacked(plain(path, MAX_CHECKPOINT, BadArtifact))
    if found is None:
        return False
    try:
        CURVE.validate_json(found.facts["curve"])
    except (KeyError, TypeError, ValidationError) as error:
        raise BadArtifact(f"{path}: not the curve so far in it") from error
    return True
