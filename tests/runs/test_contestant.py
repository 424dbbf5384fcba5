"""The contestant's half of a training, before a referee in another thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from attacks.baseline import Baseline
from benchmark import registry
from benchmark.arena.remote import Client
from benchmark.arena.wire import Status
from benchmark.errors import InfrastructureError
from benchmark.learning.progress import CurvePoint
from benchmark.policies import artifact
from benchmark.policies.policy import Policy
from benchmark.runs.contestant import Task, Words, main, train
from tests.arena.conftest import CARD, Host, host
from tests.attacks.conftest import BUDGET, assert_same_policy, small
from tests.factories import scribble

__all__ = ["host"]


class Cut(Exception):
    """Stands in for the end of a container."""


def cut(task: Task, client: Client, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin a task and lose its container at a report."""
    heard: list[CurvePoint] = []

    def report(self: Words, point: CurvePoint) -> None:
        heard.append(point)
        if len(heard) == after:
            raise Cut
        client.report(point.diagnostics)

    with monkeypatch.context() as patch:
        patch.setattr(Words, "report", report)
        with pytest.raises(Cut):
            train(task, client)
    client._channel.close()


def whole(task: Task, host: Host, folder: str, **spec: Any) -> tuple[Policy, Any]:
    """A task's policy and account, of a container in a folder that may hold something."""
    hosted = host(folder, **spec)
    client = hosted.client()
    policy = train(task, client)
    client.close()
    account = hosted.end()
    assert account.status is Status.DONE
    return policy, account


def assert_resumed(
    task: Task, host: Host, monkeypatch: pytest.MonkeyPatch, after: int, **spec: Any
) -> None:
    """Cut off and continued, it makes what it makes in one go."""
    expected, account = whole(task, host, "whole", **spec)
    hosted = host("cut", **spec)
    cut(task, hosted.client(), after, monkeypatch)
    lost = hosted.end()
    assert lost.status is Status.DISCONNECTED
    assert 0 < lost.steps < account.steps
    policy, again = whole(task, host, "cut", **spec)
    assert_same_policy(policy, expected)
    assert (again.steps, again.intervals) == (account.steps, account.intervals)


def test_an_attack_goes_on(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(
        kind="attack",
        method="baseline",
        config=small(Baseline, CARD),
        seed=3,
        budget_steps=BUDGET,
        checkpoint_s=-1.0,
    )
    assert_resumed(task, host, monkeypatch, 3)


@pytest.mark.parametrize("after", [2, 3])
def test_a_defense_of_several_stages_goes_on(
    host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, after: int
) -> None:
    """Also from a later stage, whose arena is not the first that it opens."""
    members = {}
    for seat, name, seed in (("left", "adversary0", 1), ("left", "opponent0", 2)):
        artifact.save(scribble(seed, seat=seat), tmp_path / name)
        members[name] = tmp_path / name
    artifact.save(scribble(3, seat="right"), tmp_path / "mine")
    kind = registry.defenses.load("iterated")
    task = Task(
        kind="harden", method="iterated", config=small(kind, CARD), seed=3, budget_steps=BUDGET,
        checkpoint_s=-1.0, victim=tmp_path / "mine",
        adversaries=("adversary0",), opponents=("opponent0",),
    )  # fmt: skip
    assert_resumed(task, host, monkeypatch, after, seat="right", members=members, mixture=None)


def test_a_damaged_checkpoint_is_nobodys_win(host: Host) -> None:
    """The ledger goes on from it, so that to begin anew would be to train too little."""
    hosted = host()
    client = hosted.client()
    client.save(b"half of someth")
    client._channel.close()
    hosted.end()
    with pytest.raises(InfrastructureError, match="not whole"):
        Words(host().client()).resume()


@pytest.mark.parametrize("payload", [None, "{", "[]"])
def test_without_a_good_task_it_is_misuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], payload: str | None
) -> None:
    """Be it missing or damaged: one line, and nobody waits for a referee."""
    task = tmp_path / "task.json"
    if payload is not None:
        task.write_text(payload)
    named = [f"--{name}={tmp_path / name}" for name in ("socket", "arrays", "out")]
    assert main([f"--task={task}", *named]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"contestant: {task}: ")
