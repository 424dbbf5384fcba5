"""Hostile code in real containers: each is held, and its end is told for what it was."""

from __future__ import annotations

import json
import platform
import socket
from pathlib import Path
from typing import Any

import pytest

from benchmark.isolation.container import Task, run_container
from benchmark.isolation.engine import Engine, EngineLost
from benchmark.isolation.limits import MIB, Limits
from benchmark.isolation.probe import CALLS, FAMILIES
from benchmark.isolation.status import SHOWN_LINES, SHOWN_WIDTH, Status, judge, without_result
from tests.isolation.conftest import Run, readable

pytestmark = pytest.mark.engine

LISTENING = frozenset({"unix", "inet", "inet6"})


@pytest.fixture(scope="module")
def probed(engine: Engine, image: str) -> dict[str, Any]:
    """What the probe found in a container."""
    lines: list[str] = []
    limits = Limits(wall_s=60, memory_mib=512, processes=40, tmp_mib=16, open_files=200)
    task = Task(role="probe", command=("python", "-m", "benchmark.isolation.probe"), limits=limits)
    ended = run_container(engine, image, task, told=lines.append)
    assert ended.exit_code == 0, ended.log
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def test_it_is_nobody_and_cannot_become_anybody(probed: dict[str, Any]) -> None:
    """No capability, no program with another's rights, none to be gained."""
    assert (probed["user"], probed["group"], probed["groups"]) == (10001, 10001, [10001])
    assert set(probed["capabilities"].values()) == {0}
    assert probed["no_new_privileges"]
    assert probed["set_user_id_files"] == []


def test_it_sees_no_network_and_no_other_process(probed: dict[str, Any]) -> None:
    """Only its own loopback."""
    assert probed["interfaces"] == ["lo"]
    assert probed["routes"] == 0
    assert probed["processes_seen"] == 1


def test_it_opens_no_socket_that_leaves_the_namespace(probed: dict[str, Any]) -> None:
    """Least of all AF_VSOCK, to the hypervisor, and AF_NETLINK."""
    opened = {family for family, result in probed["sockets"].items() if result == "ok"}
    assert opened == LISTENING
    assert {probed["sockets"][family] for family in set(FAMILIES) - LISTENING} == {"EPERM"}


def test_the_profile_is_in_force(probed: dict[str, Any]) -> None:
    """Each call that it leaves out is refused by it, before its arguments are looked at."""
    assert probed["seccomp"] == 2
    assert probed["calls"] == dict.fromkeys(CALLS, "EPERM") | {"clone3": "ENOSYS"}
    assert probed["user_namespace"] == "EPERM"


def test_it_writes_only_where_there_is_a_bound(probed: dict[str, Any]) -> None:
    """The root, and all that is mounted on it, is read-only but for sized tmpfs."""
    assert probed["writable"].pop("/tmp") == 16 * MIB
    assert probed["writable"].pop("/dev/shm") == 64 * MIB
    assert all(size <= MIB for size in probed["writable"].values()), probed["writable"]


def test_the_limits_are_in_force(probed: dict[str, Any]) -> None:
    """As the kernel tells them to the container."""
    assert probed["limits"] == {"open_files": 200, "user_processes": 4096, "core_bytes": 0}
    assert probed["cgroup"] == {"memory_bytes": str(512 * MIB), "processes": "40"}
    assert probed["cores"] == sorted(Limits(wall_s=1).cores)


def test_it_has_no_tools_and_no_secrets(probed: dict[str, Any]) -> None:
    """Nothing to build with, and nothing of this process's environment."""
    assert probed["tools"] == []
    environment = probed["environment"]
    assert environment["PYTHONHASHSEED"] == "0"
    assert environment["TZ"] == "UTC"
    own = {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "PWD", "HOSTNAME", "TERM", "container"}
    prefixes = ("PYTHON", "OMP_", "OPENBLAS_", "MKL_", "NUMBA_", "SHLVL")
    assert [k for k in environment if k not in own and not k.startswith(prefixes)] == []


def test_it_does_not_reach_a_listener_on_this_machine(run: Run) -> None:
    """Neither by TCP nor by an abstract Unix socket, both opened here."""
    name = "\0bench-test-listener"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(name)
        unix.listen()
        ended, lines = run(
            "import socket, sys\n"
            "for family, place in ((2, ('127.0.0.1', int(sys.argv[1]))),\n"
            "                      (1, '\\0bench-test-listener')):\n"
            "    try: socket.socket(family).connect(place); print('reached')\n"
            "    except OSError as e: print(type(e).__name__)\n",
            str(tcp.getsockname()[1]),
        )
    assert lines == ["ConnectionRefusedError", "ConnectionRefusedError"]
    assert judge(ended).status is Status.OK


@pytest.mark.skipif(platform.machine() != "x86_64", reason="another machine's code")
def test_calls_of_another_architecture_are_fatal(run: Run) -> None:
    """32-bit calls have other numbers, which the profile does not list."""
    code = (
        "import ctypes, mmap, os\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        "page.write(bytes.fromhex('b814000000cd80c3'))\n"  # eax = getpid; int 0x80; ret
        "at = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    ctypes.CFUNCTYPE(ctypes.c_int)(at)(); os._exit(0)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    _, lines = run(code)
    assert lines == ["31"]  # SIGSYS


def test_allocating_without_end(run: Run) -> None:
    """The kernel ends it; the verdict says why."""
    ended, _ = run("x = []\nwhile True: x.append(bytearray(1 << 22))", memory_mib=128)
    assert judge(ended).status is Status.OUT_OF_MEMORY


def test_forking_without_end(run: Run) -> None:
    """It gets as many processes as it may have, and the machine none of the rest."""
    code = (
        "import os, time\n"
        "made = 0\n"
        "try:\n"
        "    while True:\n"
        "        if os.fork() == 0: time.sleep(60)\n"
        "        made += 1\n"
        "except BlockingIOError: print(made)\n"
    )
    ended, lines = run(code, processes=16)
    assert lines == ["15"]
    assert judge(ended).status is Status.OK


@pytest.mark.parametrize(("folder", "mib"), [("/tmp", 8), ("/dev/shm", 64)])
def test_filling_what_it_may_write(run: Run, folder: str, mib: int) -> None:
    """It gets the size that was set, and then an error."""
    code = (
        "import sys\n"
        "done = 0\n"
        "try:\n"
        "    with open(sys.argv[1] + '/x', 'wb', buffering=0) as file:\n"
        "        while True: done += file.write(bytes(1 << 20))\n"
        "except OSError as e: print(e.errno, done >> 20)\n"
    )
    _, lines = run(code, folder)
    error, done = map(int, lines[0].split())
    assert error == 28  # ENOSPC
    assert mib - 2 <= done <= mib


def test_writing_outside(run: Run, engine: Engine, image: str, tmp_path: Path) -> None:
    """Neither the image nor what was handed in, not even where every permission is given."""
    given = readable(tmp_path / "given")
    (given / "file").write_text("as it was", encoding="utf-8")
    (given / "file").chmod(0o666)
    given.chmod(0o777)
    code = (
        "import errno\n"
        "for path in ('/given/file', '/given/new', '/work/x', '/opt/bench/benchmark/__init__.py',\n"
        "             '/etc/x', '/proc/sys/kernel/core_pattern', '/sys/kernel/x'):\n"
        "    try: open(path, 'a'); print('wrote', path)\n"
        "    except OSError as e: print(errno.errorcode[e.errno])\n"
        "print(open('/given/file').read())\n"
    )
    lines: list[str] = []
    task = Task(
        role="contestant", command=("python", "-c", code), limits=Limits(wall_s=30),
        inputs={"/given": given},
    )  # fmt: skip
    run_container(engine, image, task, told=lines.append)
    *refused, kept = lines
    assert refused[:3] == ["EROFS"] * 3  # its own, but for the mounts that are read-only
    assert len(refused) == 7
    assert not [line for line in refused if line.startswith("wrote")]
    assert kept == "as it was"
    assert [path.name for path in given.iterdir()] == ["file"]
    assert (given / "file").read_text(encoding="utf-8") == "as it was"


def test_flooding_the_log(run: Run) -> None:
    """Stopped soon; what is kept of it is small and harmless."""
    ended, _ = run("while True: print('\\x1b]0;owned\\x07' + 'x' * 10_000)", log_mib=1)
    assert judge(ended).status is Status.FLOODED
    assert ended.wall_s < 20
    assert 0 < len(ended.log) <= SHOWN_LINES
    assert all(line.isprintable() and len(line) <= SHOWN_WIDTH for line in ended.log)


def test_sleeping_for_ever_and_deaf(run: Run) -> None:
    """Its time is up all the same."""
    code = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(9999)"
    ended, _ = run(code, wall_s=1)
    assert judge(ended).status is Status.TIMED_OUT
    assert 1 <= ended.wall_s < 10


def test_silent_with_its_output_closed(run: Run) -> None:
    """An end of output is no end of the container."""
    ended, _ = run("import os, time\nos.close(1); os.close(2)\ntime.sleep(9999)", wall_s=1)
    assert judge(ended).status is Status.TIMED_OUT


def test_ending_well_with_nothing_done(run: Run) -> None:
    """An exit code of 0 is no result."""
    ended, _ = run("")
    assert judge(ended).status is Status.OK
    assert without_result(judge(ended), "policy").status is Status.NO_RESULT


@pytest.mark.parametrize(
    ("code", "fragment"),
    [
        ("raise RuntimeError('boom')", "exit code 1"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("import os; os._exit(137)", "SIGKILL"),
    ],
)
def test_crashes(run: Run, engine: Engine, code: str, fragment: str) -> None:
    """Told with exit code and the log's last lines; a kill that was only acted is a crash too."""
    ended, lines = run(code)
    verdict = judge(ended)
    acted = "137" in code and not engine.reports_out_of_memory
    assert verdict.status is (Status.OUT_OF_MEMORY if acted else Status.CRASHED)
    assert acted or fragment in verdict.message
    assert list(verdict.log) == lines[-SHOWN_LINES:]


def test_a_command_that_is_none(engine: Engine, image: str) -> None:
    """The starter says so; nothing is left behind."""
    task = Task(role="contestant", command=("no-such-program",), limits=Limits(wall_s=10))
    ended = run_container(engine, image, task)
    assert ended.exit_code == 127
    assert "no-such-program" in "".join(ended.log)


def test_an_engine_that_refuses_is_infrastructure(engine: Engine, image: str) -> None:
    """And what it had made is removed."""
    task = Task(
        role="contestant", command=("true",), limits=Limits(wall_s=10, cores=(4095,)),
    )  # fmt: skip
    with pytest.raises(EngineLost, match="refused"):
        run_container(engine, image, task)


def test_the_libraries_run_under_the_profile(run: Run) -> None:
    """torch with its gradients and shared memory, MuJoCo, gymnasium, numba, processes, threads."""
    code = (
        "import multiprocessing, subprocess, threading, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "import gymnasium, mujoco, numba, numpy, sklearn.neighbors, torch\n"
        "x = torch.ones(8, 8, requires_grad=True); (x @ x).sum().backward()\n"
        "print(float(x.grad.sum()), torch.zeros(3).share_memory_().is_shared())\n"
        'model = mujoco.MjModel.from_xml_string(\'<mujoco><worldbody><body><joint type="free"/>'
        '<geom size=".1"/></body></worldbody></mujoco>\')\n'
        "data = mujoco.MjData(model); mujoco.mj_step(model, data); print(data.time)\n"
        "env = gymnasium.make('CartPole-v1'); env.reset(seed=0); print(env.step(0)[1])\n"
        "print(numba.njit(lambda a: a + 1)(1))\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool: print(pool.map(abs, [-1, -2]))\n"
        "thread = threading.Thread(target=print, args=('thread',)); thread.start(); thread.join()\n"
        "print(subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout.strip())\n"
    )
    ended, lines = run(code, wall_s=120, memory_mib=2048, processes=64, tmp_mib=64)
    assert judge(ended).status is Status.OK, ended.log
    assert lines == ["1024.0 True", "0.002", "1.0", "2", "[1, 2]", "thread", "child"]


def test_compiled_kernels_come_with_the_image(engine: Engine, image: str) -> None:
    """A container that plays compiles nothing: it loads what the build compiled."""
    lines: list[str] = []
    code = (
        "from benchmark.games.pong import Pong\n"
        "from benchmark.seeding import EpisodeSeeds\n"
        "Pong(4).reset(EpisodeSeeds(1, 4))\n"
    )
    task = Task(
        role="contestant", command=("python", "-c", code),
        limits=Limits(wall_s=60), environment={"NUMBA_DEBUG_CACHE": "1"},
    )  # fmt: skip
    ended = run_container(engine, image, task, told=lines.append)
    assert ended.exit_code == 0, ended.log
    assert any("data loaded from" in line for line in lines)
    assert [line for line in lines if "data saved to" in line] == []
