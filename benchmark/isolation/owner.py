"""Whose container it is, so that those of a program that was killed can be cleared away."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import docker
from docker.errors import DockerException

LABEL = "competitive-rl-bench.owner"


def mark() -> str:
    """This process, by boot, namespace, number and start, so that no other is taken for it."""
    return f"{_here()}:{os.getpid()}:{_started(os.getpid())}"


def sweep(client: docker.DockerClient) -> None:
    """Remove containers and volumes whose program was killed before it could."""
    with contextlib.suppress(DockerException):
        for container in client.containers.list(all=True, filters={"label": LABEL}):
            if gone(container.labels.get(LABEL, "")):
                with contextlib.suppress(DockerException):
                    container.remove(force=True, v=True)
        for volume in client.volumes.list(filters={"label": LABEL}):
            if gone((volume.attrs.get("Labels") or {}).get(LABEL, "")):
                with contextlib.suppress(DockerException):
                    volume.remove(force=True)


def gone(label: str) -> bool:
    """Whether a program of this boot and namespace, which alone can be looked up, has ended."""
    here, _, program = label.rpartition(":")[0].rpartition(":")
    started = label.rpartition(":")[2]
    if not started or here != _here() or not program.isdigit():
        return False
    return _started(int(program)) != started


def _here() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux: nothing is swept
        return ""


def _started(program: int) -> str:
    """When a process started, in the kernel's ticks; empty if there is none."""
    try:
        text = Path(f"/proc/{program}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]
