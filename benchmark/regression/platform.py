"""On which machines the same program gives the same bits."""

from __future__ import annotations

import platform
from importlib.metadata import version

import llvmlite.binding
import torch
from pydantic import BaseModel, ConfigDict
from threadpoolctl import threadpool_info

PACKAGES = ("mujoco", "numpy", "torch", "numba", "scipy")
"""Whose arithmetic moves results."""


class Platform(BaseModel):
    """All that picks one arithmetic routine and not another. Equal platforms, equal bits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str
    cpu: str
    """As compilers name it: libraries choose their routines by it."""
    blas: str
    instructions: str
    """Those that torch uses."""
    libc: str
    packages: dict[str, str]

    def differences(self, other: Platform) -> list[str]:
        """What of the other is not the same here, as 'cpu: skylake, here icelake'."""
        mine, theirs = _flat(self), _flat(other)
        return [
            f"{name}: {theirs.get(name)}, here {mine.get(name)}"
            for name in sorted({*mine, *theirs})
            if mine.get(name) != theirs.get(name)
        ]


def here() -> Platform:
    """The platform of this process."""
    return Platform(
        machine=f"{platform.system()} {platform.machine()}",
        cpu=llvmlite.binding.get_host_cpu_name(),
        blas=", ".join(sorted({i["architecture"] for i in threadpool_info() if _is_blas(i)})),
        instructions=torch.backends.cpu.get_cpu_capability(),
        libc=" ".join(platform.libc_ver()),
        packages={name: version(name).partition("+")[0] for name in PACKAGES},
    )


def _is_blas(found: dict[str, str]) -> bool:
    return found.get("user_api") == "blas" and "architecture" in found


def _flat(found: Platform) -> dict[str, str]:
    return {**found.model_dump(exclude={"packages"}), **found.packages}
