"""The contestant's process: a method's code, its configuration, and a referee behind a socket.

    python -m benchmark.runs.contestant --task TASK.json --socket PATH --arrays PATH --out DIR

What it leaves in DIR is a policy as an artifact stores it; whoever reads it trusts none of it. Its
exit code is 0 where it did, else the error's own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from benchmark.arena.remote import Client, RemoteArena
from benchmark.disk import instructions
from benchmark.errors import BenchError, InfrastructureError
from benchmark.learning import checkpoint as checkpoints
from benchmark.learning.checkpoint import Checkpoint, Pace
from benchmark.learning.progress import CurvePoint
from benchmark.learning.threads import use_threads
from benchmark.policies import artifact
from benchmark.policies.policy import Policy
from benchmark.registry import attacks, defenses
from benchmark.seeding import training_rng

PATIENCE_S = 120.0
"""How long the referee's socket may take to appear."""


class Task(BaseModel):
    """What a contestant is told: its method, its seed, its budget, and no more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["attack", "harden"]
    method: str
    config: dict[str, Any]
    seed: int
    budget_steps: int
    adversaries: tuple[str, ...] = Field(default=(), description="members of the referee")
    opponents: tuple[str, ...] = Field(default=(), description="members of the referee")
    victim: Path | None = Field(
        default=None, description="artifact of the victim: a defense's own, a white-box attack's"
    )
    entry: str | None = Field(
        default=None, description="`module:Class` of a method that is not part of the image"
    )
    code: Path | None = Field(default=None, description="the folder that its module lies in")
    wheels: Path | None = Field(
        default=None, description="a folder of packages that it needs besides the image's"
    )
    threads: int = Field(default=1, ge=1)
    checkpoint_s: float = Field(
        default=checkpoints.EVERY_S, description="seconds between checkpoints"
    )


class Words:
    """A training's progress as the referee hears it: numbers of its own, and when to count."""

    def __init__(self, client: Client, every_s: float = checkpoints.EVERY_S):
        self._client, self._pace = client, Pace(every_s)

    def report(self, point: CurvePoint) -> None:
        """Pass the diagnostics on; steps and matches are the referee's to tell."""
        self._client.report(point.diagnostics)

    def resume(self) -> Checkpoint | None:
        """What the referee kept of a contestant whose container was lost."""
        kept = self._client.load()
        if kept is None:
            return None
        found = checkpoints.unpacked(kept)
        if found is None:  # the ledger goes on from there, so a new beginning would be cut short
            raise InfrastructureError("the referee kept a checkpoint that is not whole")
        return found

    def due(self) -> bool:
        """As in one process; when does not move the result."""
        return self._pace.due

    def save(self, checkpoint: Checkpoint) -> None:
        """With the referee: what is in this container goes with it."""
        with self._pace.writing():
            self._client.save(checkpoints.packed(checkpoint))


def train(task: Task, client: Client) -> Policy:
    """The policy that the task's method makes of its referee's arenas."""
    # What follows is as `runs.training` does it in one process, so that both make the same policy.
    rng = training_rng(task.kind, task.seed, client.card.id)
    victim = None if task.victim is None else artifact.load(task.victim)
    words = Words(client, task.checkpoint_s)
    if task.kind == "attack":
        kind = attacks.load(task.method)
        attack = kind(kind.configure(client.card, task.config))
        arena: RemoteArena = client.arena(attack.matches)
        if attack.track == "white-box" and victim is not None:
            arena.reveal(victim)
        made: Policy = attack.train(arena, task.budget_steps, rng, words)
        return made
    kind = defenses.load(task.method)
    defense = kind(kind.configure(client.card, task.config))
    hardened: Policy = defense.harden(
        victim,
        client,
        [client.members[name] for name in task.adversaries],
        [client.members[name] for name in task.opponents],
        task.budget_steps,
        rng,
        words,
    )
    return hardened


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a contestant; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.runs.contestant")
    for name in ("task", "socket", "arrays", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args(arguments)
    try:
        task = instructions(given.task, Task, "a task")
        use_threads(task.threads)
        client = _connected(given.socket, given.arrays)
        with _known(task):
            policy = train(task, client)
        artifact.save(policy, given.out)
        client.close()  # last: from the referee's end on, this process has little time to end
    except BenchError as error:
        sys.stderr.write(f"contestant: {error}\n")
        return error.exit_code
    return 0


@contextlib.contextmanager
def _known(task: Task) -> Iterator[None]:
    """The method under its name, also where it came in a folder."""
    if task.entry is None or task.code is None:
        yield
        return
    registry = attacks if task.kind == "attack" else defenses
    with registry.including(task.method, task.entry, task.code, wheels=task.wheels):
        yield


def _connected(socket_path: Path, arrays: Path) -> Client:
    """The referee's client, as soon as it listens: both are started together."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return Client(socket_path, arrays)
        except InfrastructureError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # what libraries do on leaving takes long on a busy machine, and changes nothing
