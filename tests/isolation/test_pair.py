"""Referee and contestant in real containers: what they share, how each may end, what is left."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.isolation import engine as engines
from benchmark.isolation.container import Container, Task
from benchmark.isolation.engine import Engine, EngineLost
from benchmark.isolation.limits import MIB, Limits
from benchmark.isolation.pair import Ends, Pair
from benchmark.isolation.status import Status, Verdict, judge
from tests.isolation.conftest import contestant, mine, readable

pytestmark = pytest.mark.engine

SERVE = (
    "import mmap, os, socket, sys\n"
    "arrays = os.open('/exchange/arrays', os.O_RDWR | os.O_CREAT)\n"
    "os.posix_fallocate(arrays, 0, 8192)\n"
    "shared = mmap.mmap(arrays, 8192)\n"
    "server = socket.socket(socket.AF_UNIX); server.bind('/exchange/socket'); server.listen()\n"
    "wire, _ = server.accept()\n"
    "print('connected')\n"
    "while wire.recv(1): print('step', shared[0]); shared[1] = shared[0] + 1; wire.send(b'.')\n"
)
CONNECT = (
    "import mmap, os, socket, time\n"
    "wire = socket.socket(socket.AF_UNIX)\n"
    "while True:\n"
    "    try: wire.connect('/exchange/socket'); break\n"
    "    except OSError: time.sleep(.01)\n"
    "arrays = os.open('/exchange/arrays', os.O_RDWR)\n"
    "shared = mmap.mmap(arrays, 8192)\n"
    "def step(): wire.send(b'.'); return wire.recv(1)\n"
)


def referee(code: str, wall_s: float = 20, **more: object) -> Task:
    """A task that runs Python code as the referee."""
    task = contestant(code, wall_s=wall_s)
    return task.model_copy(update={"role": "referee", **more})


def play(
    engine: Engine,
    image: str,
    first: Task,
    second: Task,
    grace_s: float = 5,
    told: list[str] | None = None,
) -> tuple[Ends, Verdict]:
    """Both to their end, and the verdict."""
    with Pair(engine, image, first, second, exchange_mib=4, grace_s=grace_s) as pair:
        ends = pair.wait(None if told is None else told.append)
    return ends, judge(*ends)


def test_they_meet_on_the_shared_volume_and_nowhere_else(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    """Messages by socket, numbers by memory; the victim's file and process are the referee's."""
    victim = readable(tmp_path / "victim")
    (victim / "weights").write_bytes(b"secret")
    ledger = tmp_path / "ledger"
    code = CONNECT + (
        "shared[0] = 41; step(); print(shared[1])\n"
        "print(os.path.exists('/victim'), os.path.exists('/ledger'))\n"
        "print(sorted(name for name in os.listdir('/proc') if name.isdigit()))\n"
    )
    keep = "open('/ledger/counts', 'w').write('kept')\nprint(open('/victim/weights').read())\n"
    first = referee(SERVE + keep, inputs={"/victim": victim}, outputs={"/ledger": ledger})
    told: list[str] = []
    with Pair(engine, image, first, contestant(code), exchange_mib=4) as pair:
        ends = pair.wait(told.append)
    assert judge(*ends).status is Status.OK, ends
    assert ends.contestant.log == ("42", "False False", "['1']")
    assert told == ["connected", "step 41", "secret"]
    assert (ledger / "counts").read_text(encoding="utf-8") == "kept"


def test_results_are_taken_out_when_both_have_ended(engine: Engine, image: str) -> None:
    """Plain files; links, pipes and holes of a terabyte are refused. Also while both run."""
    code = CONNECT + (
        "os.makedirs('/exchange/out/deep')\n"
        "open('/exchange/out/deep/policy', 'wb').write(b'weights')\n"
        "os.symlink('/etc/passwd', '/exchange/out/link')\n"
        "os.makedirs('/exchange/holes')\n"
        "open('/exchange/holes/x', 'wb').truncate(1 << 40)\n"
        "os.symlink('/etc', '/exchange/etc')\n"
        "step()\n"
    )
    with Pair(engine, image, referee(SERVE), contestant(code), exchange_mib=4) as pair:
        ends = pair.wait()
        assert judge(*ends).status is Status.OK, ends
        found = pair.collect("out", MIB)
        assert found.files == {"deep/policy": b"weights"}
        assert found.refused == ("link: a link",)
        began = time.monotonic()
        assert pair.collect("holes", MIB).files == {}
        assert pair.collect("holes", MIB).refused == ("more than 1 MiB in all",)
        assert time.monotonic() - began < 10
        assert pair.collect("etc", MIB).refused == (".: a link",)
        assert pair.collect("none", MIB).files == {}


def test_filling_the_shared_volume(engine: Engine, image: str) -> None:
    """With bytes and with empty files: an error in the contestant, and the referee goes on."""
    code = CONNECT + (
        "for fill in (lambda i: open(f'/exchange/{i}', 'w').close(),\n"
        "             lambda i: open('/exchange/big', 'ab', buffering=0).write(bytes(65536))):\n"
        "    try:\n"
        "        for i in range(100_000): fill(i)\n"
        "    except OSError as e: print(e.errno, i)\n"
        "    for name in os.listdir('/exchange'):\n"
        "        if name.isdigit(): os.remove(f'/exchange/{name}')\n"
        "shared[0] = 1; step(); print(shared[1])\n"
    )
    ends, verdict = play(engine, image, referee(SERVE), contestant(code))
    assert verdict.status is Status.OK, ends
    files, size, answer = ends.contestant.log
    assert files.split()[0] == size.split()[0] == "28"  # ENOSPC
    assert int(files.split()[1]) <= 4 * 64
    assert int(size.split()[1]) <= 4 * 16
    assert answer == "2"


def test_taking_the_shared_memory_away(engine: Engine, image: str) -> None:
    """It kills a referee that trusts the file's length, and is told for what it is."""
    code = CONNECT + "os.truncate('/exchange/arrays', 0)\nwire.send(b'.'); time.sleep(60)\n"
    ends, verdict = play(engine, image, referee(SERVE), contestant(code), grace_s=0.5)
    assert verdict.status is Status.VIOLATED, ends
    assert "shared arrays" in verdict.message


def test_a_referee_that_fails_is_infrastructure(engine: Engine, image: str) -> None:
    """The contestant, which waits for it, is ended, and not blamed."""
    code = CONNECT + "time.sleep(60)\n"
    first = referee(SERVE.replace("while", "raise SystemExit('no disk')\nwhile"))
    ends, verdict = play(engine, image, first, contestant(code), grace_s=0.5)
    assert verdict.status is Status.REFEREE_LOST
    assert verdict.status.infrastructure
    assert "no disk" in verdict.log
    assert ends.contestant.wall_s < 15


def test_a_referee_that_does_not_end_is_ended(engine: Engine, image: str) -> None:
    """A while after its contestant."""
    first = referee(SERVE + "import time; time.sleep(60)\n")
    _, verdict = play(engine, image, first, contestant(CONNECT), grace_s=0.5)
    assert verdict.status is Status.REFEREE_LOST
    assert "did not end" in verdict.message


def test_a_contestant_that_crashes_or_stalls(engine: Engine, image: str) -> None:
    """Its own status, and the referee ends well."""
    ends, verdict = play(engine, image, referee(SERVE), contestant(CONNECT + "raise OSError\n"))
    assert verdict.status is Status.CRASHED
    assert ends.referee.exit_code == 0
    ends, verdict = play(
        engine, image, referee(SERVE), contestant(CONNECT + "time.sleep(99)\n", wall_s=1)
    )
    assert verdict.status is Status.TIMED_OUT
    assert ends.referee.exit_code == 0


def test_nothing_is_left_when_the_start_fails(engine: Engine, image: str) -> None:
    """Of two containers, the second."""
    second = contestant("pass")
    wrong = second.model_copy(update={"limits": Limits(wall_s=5, cores=(4095,))})
    with pytest.raises(EngineLost):
        play(engine, image, referee(SERVE), wrong)
    assert mine(engine) == []


SCRIPT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell has it ignored
from benchmark.isolation import engine as engines
from benchmark.isolation.pair import Pair
from tests.isolation.conftest import contestant
found = engines.find()
sleep = contestant("import time; time.sleep(60)", wall_s=60)
with Pair(found, sys.argv[1], sleep.model_copy(update={"role": "referee"}), sleep) as pair:
    print("\\n".join([pair.referee.name, pair.contestant.name, pair.exchange.name, ""]), flush=True)
    pair.wait()
"""


def alive(engine: Engine, names: list[str]) -> list[str]:
    """Which of these containers and volumes there still are."""
    containers = [c.name for c in engine.client.containers.list(all=True)]
    volumes = [v.name for v in engine.client.volumes.list()]
    return [name for name in names if name in (*containers, *volumes)]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_by_a_program_that_is_stopped(
    engine: Engine, image: str, how: signal.Signals
) -> None:
    """Ctrl-C removes everything; after a kill, the next program that needs the engine does."""
    script = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, image], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True, env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert script.stdout is not None
    names = [script.stdout.readline().strip() for _ in range(3)]
    assert alive(engine, names) == names
    script.send_signal(how)
    script.wait(30)
    if how is signal.SIGKILL:
        assert alive(engine, names) == names
        engines.find()
    assert alive(engine, names) == []


class Relay:
    """A socket in front of the engine's, which can be cut."""

    def __init__(self, target: str, path: Path):
        self._target = target
        self._pairs: list[socket.socket] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
            except OSError:
                return
            self._pairs += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self) -> None:
        """As if the engine had died."""
        for end in (self._server, *self._pairs):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def relay(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """In front of the engine, and named in DOCKER_HOST."""
    path = tmp_path / "relay.sock"
    made = Relay(engine.url.removeprefix("unix://"), path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    yield made
    made.cut()
    for container in engine.client.containers.list(all=True, filters={"name": "bench-relayed"}):
        container.remove(force=True)


def test_an_engine_that_is_lost_is_a_status_of_its_own(relay: Relay, image: str) -> None:
    """Soon, and not the contestant's fault."""
    task = contestant("import time; time.sleep(60)").model_copy(update={"role": "relayed"})
    with Container(engines.find(), image, task) as container:
        container.start()
        assert container.running()
        relay.cut()
        verdict = judge(container.wait())
    assert verdict.status is Status.ENGINE_LOST
    assert verdict.status.infrastructure
    assert "does not answer" in verdict.message
