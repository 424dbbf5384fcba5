"""Hostile methods, each as a submission's code in a real container beside a real referee.

Whatever they do, the run ends with a status of their own, and the ledger says what was played.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from benchmark import registry
from benchmark.arena.session import RefereeSpec
from benchmark.isolation.engine import Engine
from benchmark.isolation.status import Status
from benchmark.learning.progress import CurvePoint
from benchmark.policies.policy import Policy
from benchmark.registry import Victims
from benchmark.runs.boxes import Boxes, Contained
from benchmark.runs.contestant import Task
from tests.isolation.conftest import readable

pytestmark = pytest.mark.engine
MATCHES, BUDGET = 4, 400
VICTIM = "house-relu"

METHOD = """
import os, socket, sys, time
from pathlib import Path
import numpy as np
from attacks.attack import Attack
from benchmark.policies.policy import RandomPolicy
from benchmark.learning.progress import CurvePoint
from benchmark.arena.tally import Tally
from pydantic import BaseModel

class Config(BaseModel):
    pass

class Hostile(Attack):
    name, track, citation = "hostile", "black-box", "none"
    matches = {matches}

    @classmethod
    def configure(cls, game, settings):
        return Config()

    def train(self, arena, budget_steps, rng, progress):
        def honest(steps):
            obs = arena.reset(seed=0)[0]
            for _ in range(steps):
                obs = arena.step(np.zeros((self.matches, 2), np.float32))[0]
        def policy():
            from benchmark.learning.networks import ActorCritic, ObsFilter
            net = ActorCritic(13, 2, hidden=(4,), activation="tanh", log_std=0.0, rng=rng)
            return net.freeze(self.card(arena, training={{}}), ObsFilter(13, None))
{body}
"""


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


class Ring:
    """Runs a hostile method against the shipped victim."""

    def __init__(self, boxes: Boxes, folder: Path):
        self._boxes, self._folder = boxes, folder
        self.told = Told()

    def run(self, body: str, wall_s: float = 40.0) -> Policy:
        """Train it; raises Contained."""
        code = readable(self._folder / "code")
        text = METHOD.format(matches=MATCHES, body=textwrap.indent(textwrap.dedent(body), " " * 8))
        (code / "hostile.py").write_text(text, encoding="utf-8")
        victim = Victims().folders()[VICTIM]
        spec = RefereeSpec(
            game="pong-v1", options=dict(registry.game("pong-v1").describe().options),
            seat="left", members={"victim": victim}, mixture=(("victim", 1.0),),
            budget_steps=BUDGET,
        )  # fmt: skip
        orders = Task(
            kind="attack", method="hostile", config={}, seed=0, budget_steps=BUDGET,
            entry="hostile:Hostile", code=code,
        )  # fmt: skip
        kept = self._folder / "kept"
        return self._boxes.train(spec, orders, wall_s, self.told, kept)

    def status(self, body: str, wall_s: float = 40.0) -> Status:
        """What became of one that leaves no policy."""
        with pytest.raises(Contained) as caught:
            self.run(body, wall_s)
        return caught.value.status


@pytest.fixture
def ring(engine: Engine, image: str, tmp_path: Path) -> Ring:
    """Small containers, so that what has no end ends soon."""
    return Ring(Boxes(engine, image, memory_mib=768), tmp_path)


def test_an_honest_one_is_counted_by_the_referee(ring: Ring) -> None:
    """Its own counts are not looked at."""
    ring.run(
        """
        honest(10)
        lie = Tally(wins=99, breakdown={"win:point": 99})
        progress.report(CurvePoint(steps=7, tally=lie, diagnostics={"loss": 1.0}))
        return policy()
        """
    )
    (point,) = ring.told.points
    assert point.steps == 10 * MATCHES
    assert point.tally.wins == 0
    assert point.diagnostics == {"loss": 1.0}


def test_the_victim_is_nowhere_to_be_read(ring: Ring) -> None:
    """Neither its file, in the image or elsewhere, nor the referee's memory, nor its members."""
    ring.run(
        """
        honest(1)
        found = [p for p in Path("/").rglob("*.safetensors")]
        assert not found, found
        for place in ("/members", "/ledger", "/task/victim"):
            assert not Path(place).exists(), place
        others = [p for p in os.listdir("/proc") if p.isdigit() and int(p) not in (1, os.getpid())]
        assert not others, others
        assert not list(Path("/opt/bench/benchmark/victims").iterdir())
        return policy()
        """
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("arena.reset(); arena.step(np.full((4, 2), np.nan, np.float32))", Status.VIOLATED),
        ("honest(1000)", Status.VIOLATED),
        ("arena.client._channel._socket.sendall(b'\\xff' * 64); time.sleep(5)", Status.VIOLATED),
        ("arena.client._channel._socket.sendall(bytes(1) + b'\\xff' * 8); time.sleep(5)",
         Status.VIOLATED),
        ("os.truncate('/exchange/arrays', 0); honest(2)", None),  # its own mapping may kill it
        ("x = []\nwhile True: x.append(bytearray(1 << 24))", Status.OUT_OF_MEMORY),
        ("while True:\n    try: os.fork()\n    except OSError: time.sleep(.01)", None),
        ("while True: print('x' * 4096)", Status.FLOODED),
        ("os._exit(0)", Status.NO_RESULT),
        ("os._exit(7)", Status.CRASHED),
        ("raise RuntimeError('no')", Status.CRASHED),
        ("honest(1); return None", Status.CRASHED),
        ("Path('/exchange/out').mkdir(); os.symlink('/etc/passwd', '/exchange/out/card.json'); "
         "arena.close(); os._exit(0)", Status.NO_RESULT),
        ("honest(1); os.unlink('/exchange/socket'); os.mkdir('/exchange/socket'); os._exit(7)",
         Status.CRASHED),
        ("import pickle; out = Path('/exchange/out'); out.mkdir(); "
         "(out / 'policy.safetensors').write_bytes(pickle.dumps(print)); "
         "(out / 'card.json').write_text('{}'); arena.client.close(); os._exit(0)",
         Status.NO_RESULT),
    ],
    ids=[
        "nan", "over-budget", "malformed", "oversized", "arrays", "memory", "forks", "flood",
        "silent", "exit", "raise", "nothing", "link", "no-socket", "pickle",
    ],
)  # fmt: skip
def test_each_is_contained_with_its_status(ring: Ring, body: str, status: Status | None) -> None:
    """And nothing is reported that was not played."""
    found = ring.status(body, wall_s=15.0)
    assert found is status or (status is None and not found.infrastructure)
    assert all(point.steps <= BUDGET for point in ring.told.points)


def test_one_that_sleeps_for_ever_is_stopped(ring: Ring) -> None:
    assert ring.status("time.sleep(1e6)", wall_s=12.0) is Status.TIMED_OUT


def test_sockets_that_leave_the_box_are_refused(ring: Ring) -> None:
    """Of the families that the profile closes; the network itself is not there."""
    ring.run(
        """
        for family, kind in (("AF_VSOCK", socket.SOCK_STREAM), ("AF_NETLINK", socket.SOCK_RAW),
                             ("AF_PACKET", socket.SOCK_RAW), ("AF_INET", socket.SOCK_RAW)):
            try:
                socket.socket(getattr(socket, family), kind)
            except OSError:
                continue
            raise AssertionError(f"{family} was opened")
        honest(1)
        return policy()
        """
    )


def test_filling_the_shared_volume_stays_in_it(ring: Ring) -> None:
    """It is full, and the policy finds no room, or the referee none for its arrays: no win."""
    found = ring.status(
        """
        honest(1)
        with open("/exchange/filler", "wb") as file:
            while True:
                file.write(bytes(1 << 20))
                file.flush()
        """
    )
    assert found in (Status.CRASHED, Status.VIOLATED)
