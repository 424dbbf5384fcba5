"""A method of a stranger's, hostile, in a real container beside a real referee.

Whatever its body does, it begins as an honest one would: it plays an interval, standing still, and
reports it. So a ledger that an attack has moved is told from one that it has not: an arena of this
process says what that interval must look like to the last count.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from benchmark import registry
from benchmark.arena.arena import Arena
from benchmark.arena.ledger import Interval, Ledger
from benchmark.arena.mixture import Mixture
from benchmark.arena.referee import load_account
from benchmark.arena.session import RefereeSpec
from benchmark.arena.wire import Status as Word
from benchmark.learning.progress import CurvePoint
from benchmark.policies import artifact
from benchmark.policies.policy import Policy
from benchmark.registry import Victims
from benchmark.runs.boxes import BOOKS, Boxes, Contained
from benchmark.runs.contestant import Task
from benchmark.seeding import derive
from tests.isolation.conftest import readable

GAME, VICTIM = "pong-v1", "house-relu"
MATCHES, HONEST = 4, 300
PLAYED = MATCHES * HONEST
BUDGET = PLAYED + 400
WALL_S = 900.0
"""Far more than any takes: a machine that is busy with other things is slow to start one."""
SEED_BASE = derive("nobody in a container knows this one")

COMMON = """
import os, signal, socket, sys, time
from pathlib import Path
import numpy as np
from attacks.attack import Attack
from benchmark.arena.mixture import Mixture
from benchmark.arena.tally import Tally
from benchmark.learning.progress import CurvePoint
from benchmark.policies import artifact
from benchmark.policies.policy import MLPPolicy, PolicyCard
from defenses.defense import Defense
from pydantic import BaseModel

MATCHES = {matches}

class Config(BaseModel):
    pass

def stand(arena, steps):
    arena.reset(seed=0)
    for _ in range(steps):
        arena.step(np.zeros((MATCHES, 2), np.float32))

def begin(arena, progress):
    stand(arena, {honest})
    progress.report(CurvePoint(steps=0, tally=Tally()))

def follower():
    # A bat that follows the ball, without a hidden layer.
    card = PolicyCard(name="follower", kind="mlp", game="pong-v1", seat="left", obs_dim=13,
                      act_dim=2, origin="test")
    weight = np.zeros((13, 2), np.float32)
    weight[10, 1], weight[2, 1] = 9, -9
    return MLPPolicy(card, {{"layer0.weight": weight, "layer0.bias": np.zeros(2, np.float32)}})

def holding(needle):
    # Files that hold these bytes, wherever this machine's folders or memory are mounted.
    found = []
    for line in Path("/proc/mounts").read_text().splitlines():
        place = Path(line.split()[1])
        if str(place).startswith(("/proc", "/sys")) or place == Path("/"):
            continue
        for path in place.rglob("*") if place.is_dir() else [place]:
            try:
                found += [str(path)] if path.is_file() and needle in path.read_bytes() else []
            except OSError:
                pass
    return found
"""
ATTACK = """
class Hostile(Attack):
    name, track, citation = "hostile", "black-box", "none"
    matches = MATCHES

    @classmethod
    def configure(cls, game, settings):
        return Config()

    def train(self, arena, budget_steps, rng, progress):
        policy = follower
        begin(arena, progress)
{body}
"""
DEFENSE = """
class Hostile(Defense):
    name, citation = "hostile", "none"

    @classmethod
    def configure(cls, game, settings):
        return Config()

    def harden(self, victim, make_arena, adversaries, opponents, budget_steps, rng, progress):
        arena = make_arena(Mixture.of(adversaries[0]), MATCHES)
        begin(arena, progress)
{body}
"""
Kind = Literal["attack", "harden"]


def written(folder: Path, body: str, kind: Kind = "attack") -> Path:
    """The folder of a hostile method's code, `hostile:Hostile`."""
    text = COMMON.format(matches=MATCHES, honest=HONEST)
    frame = ATTACK if kind == "attack" else DEFENSE
    text += frame.format(body=textwrap.indent(textwrap.dedent(body), " " * 8))
    code = readable(folder / "code")
    (code / "hostile.py").write_text(text, encoding="utf-8")
    return code


def interval(opposite: Policy, seat: str, seed_base: int | None = SEED_BASE) -> Interval:
    """What a ledger says of the steps with which every body begins: here, in no container."""
    game = registry.game(GAME)(MATCHES)
    ledger = Ledger(game.card, seat)
    arena = Arena(game, seat, Mixture.of(opposite), seed=0, seed_base=seed_base, ledger=ledger)
    arena.reset(seed=0)
    for _ in range(HONEST):
        arena.step(np.zeros((MATCHES, 2), np.float32))
    closed = ledger.close({})
    assert closed.tally.episodes  # else there would be nothing to move
    return closed


class Told:
    """The points of the last try."""

    def __init__(self) -> None:
        self.points: list[CurvePoint] = []

    def restart(self) -> None:
        """Another try."""
        self.points = []

    def lost(self) -> None:
        """Nothing: `restart` comes before every try."""

    def report(self, point: CurvePoint) -> None:
        """A point."""
        self.points.append(point)

    def played(self, steps: int) -> None:
        """Nothing: the points say it."""


class Ring:
    """Runs a hostile method: an attack on the shipped victim, or its defense against members.

    members: by name, of a defense, the folders of the policies that its referee holds.
    """

    def __init__(
        self, boxes: Boxes, folder: Path, members: dict[str, Path] | None = None, **spec: Any
    ):
        self._boxes, self._folder, self._members, self._spec = boxes, folder, members, spec
        self.victim = Victims().folders()[VICTIM]
        self.told, self.kept = Told(), folder / "kept"

    def run(self, body: str) -> Policy:
        """Train it; raises Contained."""
        kind: Kind = "attack" if self._members is None else "harden"
        code = written(self._folder, body, kind)
        orders = Task(
            kind=kind, method="hostile", config={}, seed=0, budget_steps=BUDGET,
            entry="hostile:Hostile", code=code, adversaries=tuple(self._members or ()),
            victim=None if self._members is None else self.victim,
        )  # fmt: skip
        return self._boxes.train(self._referee(), orders, WALL_S, self.told, self.kept)

    def _referee(self) -> RefereeSpec:
        attacked = self._members is None
        spec: dict[str, Any] = {
            "game": GAME, "options": registry.game(GAME).describe().options,
            "seat": "left" if attacked else "right", "budget_steps": BUDGET,
            "members": {"victim": self.victim} if attacked else self._members,
            "mixture": (("victim", 1.0),) if attacked else None, "seed_base": SEED_BASE,
        }  # fmt: skip
        return RefereeSpec(**{**spec, **self._spec})

    def end(self, body: str) -> Contained:
        """What became of one that leaves no policy."""
        with pytest.raises(Contained) as caught:
            self.run(body)
        return caught.value

    def assert_ledger(self, word: Word, more: int | None = 0, *later: Interval) -> None:
        """The ledger holds the honest interval and what came later, and that is what was told.

        word: how the referee says that the session ended; more: steps played after the interval,
        none: any number of whole steps within the budget.
        """
        account = load_account(self.kept / BOOKS)
        assert account.status is word, account.line
        opposite = next(iter((self._members or {"victim": self.victim}).values()))
        honest = interval(artifact.load(opposite), "left" if self._members is None else "right")
        assert account.intervals == (honest, *later)
        assert self.told.points == [CurvePoint(**i.model_dump()) for i in account.intervals]
        if more is None:
            assert account.steps in range(PLAYED, BUDGET + 1, MATCHES)
        else:
            assert account.steps == PLAYED + more


def needle(folder: Path) -> str:
    """Bytes in hexadecimal by which an artifact's weights are told from every other file."""
    return (folder / artifact.WEIGHTS).read_bytes()[-48:].hex()
