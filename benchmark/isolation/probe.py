"""What holds, seen from inside: run in a container, it tries the ways out and prints JSON.

    python -m benchmark.isolation.probe             what this process may do and use
    python -m benchmark.isolation.probe packages    what is installed, by name and version

It dials nothing. Sockets are made and closed again, files made where they may be and removed.
Needs the standard library alone.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import resource
import socket
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

OK = "ok"

FAMILIES = {
    "unix": 1, "inet": 2, "inet6": 10, "netlink": 16, "packet": 17, "alg": 38, "vsock": 40,
    "xdp": 44,
}  # fmt: skip
"""Linux's numbers; Python does not name all of them everywhere."""

CALLS = {
    # name: (number on x86_64, on aarch64, arguments that would do no harm if it were allowed)
    "io_uring_setup": (425, 425, (0, 0)),
    "ptrace": (101, 117, (0, 0, 0, 0)),
    "process_vm_readv": (310, 270, (0, 0, 0, 0, 0, 0)),
    "process_vm_writev": (311, 271, (0, 0, 0, 0, 0, 0)),
    "pidfd_getfd": (438, 438, (-1, 0, 0)),
    "kcmp": (312, 272, (0, 0, 0, 0, 0)),
    "add_key": (248, 217, (0, 0, 0, 0, 0)),
    "keyctl": (250, 219, (-1, 0)),
    "bpf": (321, 280, (-1, 0, 0)),
    "userfaultfd": (323, 282, (-1,)),
    "perf_event_open": (298, 241, (0, 0, -1, -1, 0)),
    "mount": (165, 40, (0, 0, 0, 0, 0)),
    "fsopen": (430, 430, (0, 0)),
    "unshare": (272, 97, (0x10000000,)),
    "setns": (308, 268, (-1, 0)),
    "open_by_handle_at": (304, 265, (-1, 0, 0)),
    "clone3": (435, 435, (0, 0)),
    "splice": (275, 76, (-1, 0, -1, 0, 0, 0)),
    "mq_open": (240, 180, (0, 0, 0, 0)),
    "shmget": (29, 194, (0, 0, 0)),
}
"""System calls that a container has no use for."""

LIMITS = {"open_files": resource.RLIMIT_NOFILE, "user_processes": resource.RLIMIT_NPROC,
          "core_bytes": resource.RLIMIT_CORE}  # fmt: skip

TOOLS = ("pip", "pip3", "cc", "gcc", "g++", "clang", "make", "cmake", "ld", "as")
"""What builds programs."""

CGROUP = Path("/sys/fs/cgroup")
CGROUP_FILES = {  # by version 2 of the interface, then version 1
    "memory_bytes": ("memory.max", "memory/memory.limit_in_bytes"),
    "processes": ("pids.max", "pids/pids.max"),
}


def report() -> dict[str, Any]:
    """All that was found."""
    status = _status()
    return {
        "user": os.getuid(),
        "group": os.getgid(),
        "groups": sorted(os.getgroups()),
        "capabilities": {key: int(status[f"Cap{key}"], 16) for key in ("Eff", "Prm", "Inh", "Bnd")},
        "no_new_privileges": status["NoNewPrivs"] == "1",
        "seccomp": int(status["Seccomp"]),
        "processes_seen": sum(name.isdigit() for name in os.listdir("/proc")),
        "interfaces": sorted(os.listdir("/sys/class/net")),
        "routes": len(Path("/proc/net/route").read_text(encoding="ascii").splitlines()) - 1,
        "sockets": {name: _open(family) for name, family in FAMILIES.items()},
        "calls": {name: _call(*entry) for name, entry in CALLS.items()},
        "user_namespace": _new_namespace(),
        "writable": _writable(),
        "limits": {name: resource.getrlimit(which)[0] for name, which in LIMITS.items()},
        "cgroup": {name: _first(files) for name, files in CGROUP_FILES.items()},
        "cores": sorted(os.sched_getaffinity(0)),
        "set_user_id_files": _set_user_id(),
        "tools": [tool for tool in TOOLS if _found(tool)],
        "environment": dict(sorted(os.environ.items())),
    }  # fmt: skip


def packages() -> dict[str, str]:
    """Every installed package and its version."""
    return dict(sorted((d.metadata["Name"], d.version) for d in distributions()))


def _status() -> dict[str, str]:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _open(family: int) -> str:
    """OK, or the name of the error that opening a socket brought."""
    try:
        socket.socket(family).close()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error.errno))
    return OK


def _call(x86_64: int, aarch64: int, arguments: tuple[int, ...]) -> str:
    """A system call's error; an unknown processor is told as such."""
    number = {"x86_64": x86_64, "aarch64": aarch64}.get(platform.machine())
    if number is None:
        return f"not tried on {platform.machine()}"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *map(ctypes.c_long, arguments)) != -1:
        return OK
    return errno.errorcode.get(ctypes.get_errno(), str(ctypes.get_errno()))


def _new_namespace() -> str:
    """clone with CLONE_NEWUSER; the child, if there is one, ends at once."""
    number = {"x86_64": 56, "aarch64": 220}.get(platform.machine())
    if number is None:
        return f"not tried on {platform.machine()}"
    libc = ctypes.CDLL(None, use_errno=True)
    child = libc.syscall(number, *map(ctypes.c_long, (0x10000000 | 17, 0, 0, 0, 0)))
    if child == 0:
        os._exit(0)
    if child > 0:
        os.waitpid(child, 0)
        return OK
    return errno.errorcode.get(ctypes.get_errno(), str(ctypes.get_errno()))


def _writable() -> dict[str, int]:
    """Mounted folders, and the usual ones, in which a file can be made; with their bytes in all."""
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        mounted = {line.split()[4] for line in mounts}
    usual = {
        "/",
        "/etc",
        "/home",
        "/opt/bench",
        "/opt/venv",
        "/root",
        "/run",
        "/usr",
        "/var/tmp",
        "/work",
    }
    found = {}
    for folder in sorted(mounted | usual):
        try:
            with tempfile.TemporaryFile(dir=folder):
                space = os.statvfs(folder)
        except OSError:
            continue
        found[folder] = space.f_blocks * space.f_frsize
    return found


def _first(names: tuple[str, ...]) -> str:
    """The content of the first file that is there."""
    for name in names:
        path = CGROUP / name
        if path.is_file():
            return path.read_text(encoding="ascii").strip()
    return ""


def _set_user_id() -> list[str]:
    """Programs that would run with another's rights."""
    found = []
    for folder in ("/bin", "/sbin", "/usr", "/opt"):
        for place, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(place, name)
                try:
                    mode = os.lstat(path).st_mode
                except OSError:
                    continue
                if mode & 0o6000 and mode & 0o170000 == 0o100000:
                    found.append(path)
    return found


def _found(tool: str) -> bool:
    return any(os.access(os.path.join(f, tool), os.X_OK) for f in os.get_exec_path())


if __name__ == "__main__":
    sys.stdout.write(json.dumps(packages() if sys.argv[1:] == ["packages"] else report()) + "\n")
