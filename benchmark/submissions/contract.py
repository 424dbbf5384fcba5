"""What every method must do, as checks that anybody can run on a class.

Trainings are of toy size (`[toy]` of the manifest), against players with random weights.
`python -m benchmark.submissions.contract DIR [WHEELS]` prints them as JSON, so that they can run
elsewhere, with packages that are not installed there.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from benchmark.errors import BenchError, CheckFailed
from benchmark.learning.progress import Quiet
from benchmark.learning.threads import use_threads
from benchmark.policies.policy import Policy
from benchmark.submissions import folder as folders
from benchmark.submissions.manifest import Manifest
from benchmark.submissions.trials import TRIALS, Training


class Check(BaseModel):
    """One thing that was looked at."""

    model_config = ConfigDict(frozen=True)

    what: str
    passed: bool
    detail: str = ""


def checks(kind: Any, manifest: Manifest, game: str) -> list[Check]:
    """Every check of a method's class on a game; none of its errors gets out."""
    use_threads(1)
    trial = TRIALS[manifest.kind](kind, manifest, game)
    return [_checked(what, look) for what, look in trial.looks().items()]


def names(manifest: Manifest, game: str) -> list[str]:
    """What `checks` looks at, in order; of the method nothing is asked."""
    return list(TRIALS[manifest.kind](None, manifest, game).looks())


def failures(kind: Any, folder: Path) -> list[Check]:
    """What a submission's class fails of the contract, on its first game: for its own test."""
    manifest = folders.read(folder).manifest
    return [one for one in checks(kind, manifest, manifest.games[0]) if not one.passed]


def toy_policy(kind: Any, folder: Path, **settings: Any) -> Policy:
    """What a toy training of a class makes, always from the same seed; settings on top.

    The sizes are those of the submission, so that another method may be compared with it.
    """
    use_threads(1)
    manifest = folders.read(folder).manifest
    trial = TRIALS[manifest.kind](kind, manifest, manifest.games[0])
    assert isinstance(trial, Training)
    return trial.train(Quiet(), **settings)


def _checked(what: str, look: Callable[[], str | None]) -> Check:
    try:
        return Check(what=what, passed=True, detail=look() or "")
    except (Exception, SystemExit) as error:  # anybody's code
        told = str(error)
        if not isinstance(error, CheckFailed):
            told = f"{type(error).__name__}: {error}, {_place(error)}"
        return Check(what=what, passed=False, detail=told)


def _place(error: BaseException) -> str:
    """Where it was raised: 'calm.py:36, in on_rollout'."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}, in {last.name}"


def main(arguments: Sequence[str]) -> int:
    """Print the checks of a submission on all of its games as JSON, by game."""
    submission = folders.read(Path(arguments[0]))
    wheels = Path(arguments[1]) if len(arguments) > 1 else None
    folders.check_requirements(submission.manifest, wheels)
    with submission.loaded(wheels) as kind:
        found = {
            game: [one.model_dump() for one in checks(kind, submission.manifest, game)]
            for game in submission.manifest.games
        }
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0 if all(one["passed"] for group in found.values() for one in group) else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BenchError as refusal:
        sys.stderr.write(f"bench: {refusal}\n")
        sys.exit(refusal.exit_code)
