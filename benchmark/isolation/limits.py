"""What a container may use, and the engine's options that hold it to that."""

from __future__ import annotations

import os
from typing import Any

from docker.types import LogConfig, Ulimit
from pydantic import BaseModel, ConfigDict, Field

from benchmark.cores import cores

USER = "10001:10001"
"""The image's user and group, `bench`."""

MIB = 1 << 20
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
INODES_PER_MIB = 64
"""Of a shared volume: an empty file costs memory too, which a tmpfs does not count as its size."""

IN_MEMORY = "nosuid,nodev,noexec"
"""Options of every tmpfs: nothing in it is run, and no device is opened through it."""

EMPTY = f"ro,size=4k,{IN_MEMORY},mode=0755"
"""Options of the tmpfs that hides a folder of the image."""

USER_PROCESSES = 4096
"""The kernel counts this one over all containers of the user: it only bounds what `processes`
has bounded in each of them, and must not let one container take another's share."""


class Limits(BaseModel):
    """One container's share of the machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wall_s: float = Field(gt=0, description="seconds until it is killed")
    memory_mib: int = Field(default=2048, ge=64, description="swap counts too, tmpfs as well")
    cores: tuple[int, ...] = Field(
        default_factory=cores, min_length=1, description="those of this process"
    )
    processes: int = Field(default=128, ge=1, description="threads count too")
    open_files: int = Field(default=1024, ge=64)
    tmp_mib: int = Field(default=256, ge=1, description="size of /tmp")
    shared_memory_mib: int = Field(default=64, ge=1, description="size of /dev/shm")
    log_mib: int = Field(default=4, ge=1, description="output until it is killed as flooding")


def volume_options(mib: int) -> dict[str, str]:
    """Options of a local volume in memory, which containers share; gone with the last of them."""
    owner, group = USER.split(":")
    # In pages, because Podman 4 takes `size` for a disk's quota.
    size = f"nr_blocks={mib * MIB // PAGE_BYTES},nr_inodes={mib * INODES_PER_MIB}"
    options = f"{size},{IN_MEMORY},uid={owner},gid={group},mode=0770"
    return {"type": "tmpfs", "device": "tmpfs", "o": options}


def options(limits: Limits, seccomp: str) -> dict[str, Any]:
    """Arguments of the Docker SDK's `containers.create` that hold a container to `limits`.

    seccomp: the profile, as the engine at hand wants it (Docker: the JSON; Podman: its path).
    """
    memory = limits.memory_mib * MIB
    return {
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", f"seccomp={seccomp}"],
        "user": USER,
        "privileged": False,
        "ipc_mode": "private",
        "mem_limit": memory,
        "memswap_limit": memory,
        "nano_cpus": len(limits.cores) * 10**9,
        "cpuset_cpus": ",".join(map(str, limits.cores)),
        "pids_limit": limits.processes,
        "ulimits": [
            Ulimit(name="nofile", soft=limits.open_files, hard=limits.open_files),
            Ulimit(name="nproc", soft=USER_PROCESSES, hard=USER_PROCESSES),
            Ulimit(name="core", soft=0, hard=0),
            Ulimit(name="msgqueue", soft=0, hard=0),
        ],
        "tmpfs": {
            "/tmp": f"size={limits.tmp_mib}m,{IN_MEMORY},mode=1777",
            # Podman would lay large ones here.
            **dict.fromkeys(("/run", "/var/tmp"), f"size=1m,{IN_MEMORY},mode=0755"),
        },
        "shm_size": limits.shared_memory_mib * MIB,
        # Twice what gets it killed: the log is read while it grows, and must not be cut before.
        "log_config": LogConfig(
            type="json-file", config={"max-size": f"{2 * limits.log_mib}m", "max-file": "1"}
        ),
        "hostname": "bench",
        "use_config_proxy": False,  # the user's own settings may hold credentials
    }
