"""Several trainings one after the other under one `Progress`: one curve, one checkpoint.

A stage is a training of either side. The checkpoint holds what the finished stages made and the
running one's own checkpoint, so that a process killed at any point goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmark.arena.arena import Arena
from benchmark.errors import Misuse
from benchmark.learning.checkpoint import Checkpoint
from benchmark.learning.progress import STAGE, CurvePoint, Progress
from benchmark.policies.artifact import NETWORKS
from benchmark.policies.policy import NetworkPolicy, Policy, PolicyCard

Train = Callable[[Progress], Policy]
"""A training that reports to a progress of its own and can be resumed from it."""


class Stages:
    """Runs trainings in the same order every time; those that an earlier try finished are read."""

    def __init__(self, progress: Progress):
        self.progress = progress
        self._before = progress.resume()
        self._finished: list[tuple[NetworkPolicy, int]] = []

    @property
    def steps(self) -> int:
        """Environment steps of the finished stages."""
        return sum(steps for _, steps in self._finished)

    @property
    def number(self) -> int:
        """Of the stage that runs or comes next, from 1."""
        return len(self._finished) + 1

    def run(self, arena: Arena, train: Train, *, attacking: bool) -> NetworkPolicy:
        """What a training in a fresh `arena` makes, with a checkpoint at its end.

        attacking: the arena is in the adversary's seat. A stage that is read instead of trained
        leaves in its arena the steps that it took, so that a budget counted there is the same.

        Raises:
            Misuse: what it made has no weights to keep.
        """
        done = self._read()
        if done is None:
            policy = train(StageProgress(self, self._running(), attacking=attacking))
            if not isinstance(policy, NetworkPolicy):
                raise Misuse(f"a stage trains a network; '{policy.card.name}' has no weights")
            self._finished.append((policy, arena.steps))
            self.save(None)
            return policy
        self._finished.append(done)
        policy, arena.steps = done
        return policy

    def save(self, running: Checkpoint | None) -> None:
        """Store the finished stages, and the running one's checkpoint if there is one."""
        made = Checkpoint()
        for k, (policy, _) in enumerate(self._finished, start=1):
            made.put(f"stage{k}", policy.tensors())
        made.facts["stage"] = self.number
        made.facts["finished"] = [
            {"card": policy.card.model_dump(mode="json"), "steps": steps}
            for policy, steps in self._finished
        ]
        made.facts["running"] = None
        if running is not None:
            made.put("running", running.arrays)
            made.facts["running"] = running.facts
        self.progress.save(made)

    def _read(self) -> tuple[NetworkPolicy, int] | None:
        """The stage at hand with its steps, if an earlier try finished it."""
        if self._before is None or self.number >= self._before.facts["stage"]:
            return None
        facts: dict[str, Any] = self._before.facts["finished"][self.number - 1]
        card = PolicyCard.model_validate(facts["card"])
        tensors = self._before.get(f"stage{self.number}")
        return NETWORKS[card.kind](card, tensors), int(facts["steps"])

    def _running(self) -> Checkpoint | None:
        """The checkpoint of the stage at hand, if an earlier try left one."""
        before = self._before
        if before is None or before.facts["stage"] != self.number or not before.facts["running"]:
            return None
        return Checkpoint(before.get("running"), before.facts["running"])


class StageProgress:
    """The `Progress` of one stage: its steps count on, and its matches are the victim's."""

    def __init__(self, stages: Stages, saved: Checkpoint | None, *, attacking: bool):
        self._stages, self._saved, self._attacking = stages, saved, attacking

    def report(self, point: CurvePoint) -> None:
        """Pass a point on, with the stage that it belongs to."""
        stage = {STAGE: float(self._stages.number), "attacking": float(self._attacking)}
        self._stages.progress.report(
            CurvePoint(
                steps=self._stages.steps + point.steps,
                tally=point.tally.flipped() if self._attacking else point.tally,
                diagnostics={**point.diagnostics, **stage},
            )
        )

    def resume(self) -> Checkpoint | None:
        """The stage's own checkpoint."""
        return self._saved

    def due(self) -> bool:
        """As the whole training."""
        return self._stages.progress.due()

    def save(self, checkpoint: Checkpoint) -> None:
        """Store it beside what the stages before it made."""
        self._stages.save(checkpoint)
