"""Hostile attacks, each as a submission's code in a real container beside a real referee.

Whatever they do, the run ends with a status of their own, and the ledger says what was played.
"""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmark.arena.ledger import Interval
from benchmark.arena.tally import Tally
from benchmark.arena.wire import Status as Word
from benchmark.isolation.engine import Engine
from benchmark.isolation.exchange import Collected
from benchmark.isolation.pair import Ends, Pair
from benchmark.isolation.status import Status
from benchmark.runs.boxes import Boxes
from tests.isolation.hostile import BUDGET, PLAYED, WALL_S, Ring, needle

pytestmark = pytest.mark.engine


@pytest.fixture
def ring(engine: Engine, image: str, tmp_path: Path) -> Ring:
    """Small containers, so that what has no end ends soon."""
    return Ring(Boxes(engine, image, memory_mib=768), tmp_path)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Collected]:
    """What was taken out of the exchange, before anybody looked into it."""
    found: list[Collected] = []
    collect = Pair.collect

    def noted(self: Pair, folder: str, limit_bytes: int) -> Collected:
        found.append(collect(self, folder, limit_bytes))
        return found[-1]

    monkeypatch.setattr(Pair, "collect", noted)
    return found


def test_one_that_reports_outcomes_of_its_own_is_counted_by_the_referee(ring: Ring) -> None:
    """Neither what it tells its progress is looked at, nor what it says on the wire itself."""
    ring.run(
        """
        import json
        lie = Tally(wins=99, breakdown={"win:point": 99})
        progress.report(CurvePoint(steps=7, tally=lie, diagnostics={"loss": 1.0}))
        claim = {"op": "report", "diagnostics": {}, "steps": 7, "tally": {"wins": 99}}
        arena.client._channel.send(json.dumps(claim).encode())
        assert arena.client._channel.receive() == b"{}"
        return policy()
        """
    )
    nothing = Interval(steps=PLAYED, tally=Tally())
    words = nothing.model_copy(update={"diagnostics": {"loss": 1.0}})
    ring.assert_ledger(Word.DONE, 0, words, nothing)


def test_the_victim_is_nowhere_to_be_read(ring: Ring) -> None:
    """Neither its file, in the image or elsewhere, nor the referee's memory, nor its members."""
    ring.run(
        f"""
        found = [p for p in Path("/").rglob("*.safetensors")]
        assert not found, found
        found = holding(bytes.fromhex("{needle(ring.victim)}"))
        assert not found, found
        for place in ("/members", "/ledger", "/task/victim", "/task/spec.json"):
            assert not Path(place).exists(), place
        others = [p for p in os.listdir("/proc") if p.isdigit() and int(p) not in (1, os.getpid())]
        assert not others, others
        assert not list(Path("/opt/bench/benchmark/victims").iterdir())
        return policy()
        """
    )
    ring.assert_ledger(Word.DONE)


def test_seeds_that_it_sets_or_guesses_are_not_those_that_are_played(ring: Ring) -> None:
    """It undoes the hash from a seed to its episodes, to train on those that it is judged by.

    First in an arena of its own, where that works.
    """
    ring.run(
        """
        from benchmark.arena.arena import Arena
        from benchmark.evaluation.matches import episode_list
        from benchmark.games.pong import Pong
        from benchmark.policies.policy import ZeroPolicy
        from benchmark.seeding import EpisodeSeeds, derive, mix
        WORD = 1 << 64

        def undone(y):
            for shift, factor in ((31, 0x94D049BB133111EB), (27, 0xBF58476D1CE4E5B9), (30, 1)):
                z = y
                for _ in range(64 // shift):
                    z = y ^ (z >> shift)
                y = z * pow(factor, -1, WORD) % WORD
            return (y - 0x9E3779B97F4A7C15) % WORD

        def starts(base, listed=None):
            return Pong(MATCHES).reset(EpisodeSeeds(base, MATCHES, listed))[0]

        wanted = episode_list("pong-v1", 50)
        judged = [starts(0, [[seed]] + [[]] * (MATCHES - 1))[0].tobytes() for seed in wanted]
        names = [(undone(undone(seed)) - int(mix(np.uint64(0)))) % WORD for seed in wanted]
        own = Arena(Pong(MATCHES), "left", Mixture.of(ZeroPolicy(2)), seed=0)
        assert [own.reset(seed=name)[0][0].tobytes() for name in names] == judged

        shown = [arena.reset(seed=name)[0] for name in names]
        assert not {row.tobytes() for obs in shown for row in obs} & set(judged), "set"
        for guess in range(1000):
            for base in (guess, derive("arena", guess, names[0])):
                assert not np.array_equal(starts(base), shown[0]), f"guessed {guess}"
        return policy()
        """
    )
    ring.assert_ledger(Word.DONE)


class End(NamedTuple):
    """What a body comes to: its status, the referee's word, words of the message, later steps.

    A body that takes more than it may takes no more than would show that nothing held it back, and
    then ends well.
    """

    body: str
    status: Status
    word: Word
    message: str
    more: int = 0


SAY = "arena.client._channel._socket.sendall({}); arena.client._channel._socket.recv(999)"
ENDS = {
    "nan": End(
        "arena.reset(); arena.step(np.full((MATCHES, 2), np.nan, np.float32))",
        Status.VIOLATED, Word.BAD_ACTIONS, "NaN or infinity",
    ),
    "over-budget": End(
        "stand(arena, 1000)",
        Status.VIOLATED, Word.OVER_BUDGET, "beyond the budget", BUDGET - PLAYED,
    ),
    "malformed": End(
        SAY.format("bytes(4) + bytes([9]) + b'{\"op\": 1}'"),
        Status.VIOLATED, Word.MALFORMED, "not a request",
    ),
    "out-of-order": End(
        SAY.format("bytes([255] * 64)"), Status.VIOLATED, Word.OUT_OF_ORDER, "belong to no request"
    ),
    "oversized": End(
        SAY.format("bytes(1) + bytes([255] * 8)"), Status.VIOLATED, Word.MALFORMED, "at most"
    ),
    "truncated": End(  # not by its own step, whose writing would kill it first
        "os.truncate('/exchange/arrays', 0); arena.client.step(1)",
        Status.VIOLATED, Word.BAD_ARRAYS, "cut short",
    ),
    "memory": End(
        "x = [bytearray(1 << 24) for _ in range(96)]\nreturn policy()",
        Status.OUT_OF_MEMORY, Word.DISCONNECTED, "more memory",
    ),
    "forks": End(
        "for _ in range(500):\n    if os.fork() == 0: signal.pause()\nreturn policy()",
        Status.CRASHED, Word.DISCONNECTED, "BlockingIOError",
    ),
    "flood": End(
        "while True: print('x' * 4096)",  # for ever: nothing but the limit can end it
        Status.FLOODED, Word.DISCONNECTED, "more output"
    ),
    "silent": End("os._exit(0)", Status.NO_RESULT, Word.DISCONNECTED, "word of having finished"),
    "bye": End(
        "arena.client.close(); os._exit(0)", Status.NO_RESULT, Word.DONE, "no usable policy"
    ),
    "no-socket": End(
        "os.unlink('/exchange/socket'); os.mkdir('/exchange/socket'); os._exit(7)",
        Status.CRASHED, Word.DISCONNECTED, "exit code 7",
    ),
    "exit": End("os._exit(7)", Status.CRASHED, Word.DISCONNECTED, "exit code 7"),
    "raise": End("raise RuntimeError('no')", Status.CRASHED, Word.DISCONNECTED, "Error: no"),
    "nothing": End("return None", Status.CRASHED, Word.DISCONNECTED, "NoneType"),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDS)
def test_each_is_contained_with_its_status(ring: Ring, case: str) -> None:
    """And nothing is reported that was not played."""
    body, status, word, message, more = ENDS[case]
    end = ring.end(body)
    assert end.status is status, end
    assert message in str(end)
    ring.assert_ledger(word, more)


def test_a_race_on_the_shared_actions_is_played_as_it_was_judged(ring: Ring) -> None:
    """One process flips an action between NaN and a number while another has steps played.

    Whatever the referee finds it judges, and never lets a NaN into the game.
    """
    end = ring.end(
        """
        arena.reset()
        if os.fork() == 0:
            while True:
                arena._region._actions[0, 0] = np.nan
                arena._region._actions[0, 0] = 0.5
        while True:
            arena.client.step(1)
        """
    )
    assert end.status is Status.VIOLATED
    assert "NaN or infinity" in str(end)
    ring.assert_ledger(Word.BAD_ACTIONS, None)


@pytest.fixture
def hastened(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its honest interval is told, all its time has passed: that of the referee's container.

    The contestant's is started a little later, so it has a moment left.
    """
    wait = Pair.wait

    def hasten(pair: Pair) -> None:
        while not ring.told.points:
            time.sleep(0.05)
        gone = WALL_S - pair.referee.seconds
        for container in (pair.referee, pair.contestant):
            container._began -= gone

    def waited(self: Pair, told: Callable[[str], None] | None = None) -> Ends:
        threading.Thread(target=hasten, args=(self,), daemon=True).start()
        return wait(self, told)

    monkeypatch.setattr(Pair, "wait", waited)


@pytest.mark.usefixtures("hastened")
@pytest.mark.parametrize("idle", ["time.sleep(.1)", "arena.reset()"])
def test_one_without_end_is_stopped(ring: Ring, idle: str) -> None:
    """Asleep, or busy with what costs no step, and then it would hear that its referee is gone."""
    end = ring.end(
        f"""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            {idle}
        return policy()
        """
    )
    assert end.status is Status.TIMED_OUT
    ring.assert_ledger(Word.DISCONNECTED)


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
        return policy()
        """
    )
    ring.assert_ledger(Word.DONE)


def test_filling_the_shared_volume_stays_in_it(ring: Ring) -> None:
    """It is full: what fills it gets an error, which is its own."""
    end = ring.end(
        """
        with open("/exchange/filler", "wb") as file:
            while file.tell() < 1 << 28:
                file.write(bytes(1 << 20))
                file.flush()
        return policy()
        """
    )
    assert end.status is Status.CRASHED
    assert "No space left" in str(end)
    ring.assert_ledger(Word.DISCONNECTED)


LEAVE = """
arena.client.close()
home, out = Path("/exchange/home"), Path("/exchange/out")
artifact.save(policy(), home)
out.mkdir()
"""


def test_a_link_among_the_results_is_not_followed(ring: Ring, taken: list[Collected]) -> None:
    """A whole policy lies where it points to, so that whoever followed it would have a result."""
    end = ring.end(
        LEAVE + "(out / 'card.json').write_bytes((home / 'card.json').read_bytes())\n"
        "(out / 'policy.safetensors').symlink_to(home / 'policy.safetensors')\nos._exit(0)\n"
    )
    assert end.status is Status.NO_RESULT
    assert [*taken[0].files] == ["card.json"]
    assert taken[0].refused == ("policy.safetensors: a link",)
    ring.assert_ledger(Word.DONE)


def test_a_pickle_among_the_results_is_not_run(
    ring: Ring, taken: list[Collected], tmp_path: Path
) -> None:
    """Its hash is on its card, so that it is read as weights are; it would make a folder here."""
    marker = tmp_path / "marker"
    end = ring.end(
        LEAVE
        + f"""
import hashlib, json, pickle

class Trap:
    def __reduce__(self):
        return os.mkdir, ({str(marker)!r},)

weights = pickle.dumps(Trap())
(out / "policy.safetensors").write_bytes(weights)
card = json.loads((home / "card.json").read_bytes())
(out / "card.json").write_text(json.dumps(card | {{"sha256": hashlib.sha256(weights).hexdigest()}}))
os._exit(0)
"""
    )
    assert not marker.exists()
    assert end.status is Status.NO_RESULT
    ring.assert_ledger(Word.DONE)
    pickle.loads(taken[0].files["policy.safetensors"])  # noqa: S301 - the trap was a live one
    assert marker.exists()
