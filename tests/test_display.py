"""What people are told of a run on a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from benchmark.display import show_failures
from benchmark.runs.executors.executor import Failure


def test_causes_are_told_one_by_one_and_what_waited_for_them_is_counted() -> None:
    """Nine pairings of an adversary that there is not say no more than one of them."""
    crash = Failure(job="a", label="train x", kind="crashed", message="KeyError: 'p'", trace="m:7")
    waiting = [
        Failure(job=str(k), label=f"play {k}", kind="blocked", message="needs 'train x'")
        for k in range(9)
    ]
    out = io.StringIO()
    show_failures(Console(file=out, width=200), [crash, *waiting])
    assert [line.rstrip() for line in out.getvalue().splitlines()] == [
        "failed train x: KeyError: 'p' (crashed)", "m:7", "blocked 9 job(s), which need 'train x'",
    ]  # fmt: skip
