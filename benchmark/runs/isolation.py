"""Which isolation a run gets: containers where an engine and this code's image are at hand."""

from __future__ import annotations

import re
from typing import NamedTuple

from benchmark.errors import CheckFailed, InfrastructureError, Misuse
from benchmark.isolation import image
from benchmark.isolation.engine import find
from benchmark.runs.boxes import Boxes
from benchmark.settings import hint

KINDS = ("auto", "process", "container")
TRUSTED = "the method's code runs beside the victim (level 0)"


class Choice(NamedTuple):
    """boxes: the containers to train in, or None for this process; note: which, and why."""

    boxes: Boxes | None
    note: str


def choose(asked: str, *, allow_unpinned: bool = False, threads: int = 1) -> Choice:
    """What `--isolation` comes to on this machine.

    Raises:
        Misuse: no such isolation, or no image.
        CheckFailed: the image is not the pinned one, and that was not allowed.
        InfrastructureError: containers were asked for, and no engine answers.
    """
    if asked not in KINDS:
        raise Misuse(f"--isolation: no isolation '{asked}'; {hint(asked, KINDS)}")
    if asked == "process":
        return Choice(None, f"process: {TRUSTED}")
    try:
        return _containers(allow_unpinned, threads)
    except (InfrastructureError, Misuse, CheckFailed) as error:
        if asked == "container":
            raise
        return Choice(None, f"process: {TRUSTED}; --isolation container: {_first_clause(error)}")


def _first_clause(error: Exception) -> str:
    """What is wrong, without the places that were looked at and the advice."""
    return re.split(r" \(|: |; ", str(error), maxsplit=1)[0]


def _containers(allow_unpinned: bool, threads: int) -> Choice:
    engine = find()
    found = image.facts(engine)
    problem = image.unpinned(found, image.checkout())
    if problem and not allow_unpinned:
        raise CheckFailed(f"image '{found.name}': {problem}, or run with --allow-unpinned")
    note = f"container: {engine}, image {found.digest[:19]}"
    boxes = Boxes(engine, found.digest, pinned=not problem, threads=threads)
    return Choice(boxes, note + (f" (unpinned: {problem})" if problem else ""))
