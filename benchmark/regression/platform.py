"""On which machines the same program gives the same bits.

Not on one CPU alone: rocketlake and emeraldrapids (LLVM's names) agree in every bit of every
pairing and golden training, so the CPU's name is told and not compared. What is compared is what
libraries choose their routines by.
"""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import llvmlite.binding
import torch
from pydantic import BaseModel, ConfigDict
from threadpoolctl import threadpool_info

from benchmark.records.cell import content_hash

PACKAGES = ("mujoco", "numpy", "torch", "numba", "scipy")
"""Whose arithmetic moves results."""
FLOATS = ("sse4.2", "avx", "fma", "avx2", "avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl",
          "neon", "sve")  # fmt: skip
"""Instruction sets by which NumPy, MKL and the C library choose routines for float32 and float64.
Later ones (VNNI, BF16, FP16, AMX) are for other types: the two CPUs above differ in these."""


class Platform(BaseModel):
    """All that picks one arithmetic routine and not another: those that agree give equal bits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: str
    cpu: str
    """As compilers name it; told, not compared."""
    vendor: str = ""
    """MKL chooses by it. '' in baselines that are older than this field."""
    floats: str = ""
    """Which of FLOATS the CPU has."""
    blas: str
    instructions: str
    """Those that torch uses."""
    libc: str
    packages: dict[str, str]

    def differences(self, other: Platform) -> list[str]:
        """What of the other is not the same here, as 'vendor: AMD, here Intel'."""
        mine, theirs = self._compared(), other._compared()
        return [
            f"{name}: {theirs.get(name) or 'unknown'}, here {mine.get(name)}"
            for name in sorted({*mine, *theirs})
            if mine.get(name) != theirs.get(name)
        ]

    def agrees(self, other: Platform) -> bool:
        """Whether the two should give the same bits."""
        return not self.differences(other)

    @property
    def key(self) -> str:
        """A name for files: what a person tells platforms apart by, and a hash of the rest."""
        told = f"{self.machine.split()[-1]}-{self.vendor or 'unknown'}-{self.instructions}"
        plain = "".join(letter if letter.isalnum() else "-" for letter in told.lower())
        return f"{plain}-{content_hash(self._compared())[:8]}"

    def _compared(self) -> dict[str, str]:
        return {**self.model_dump(exclude={"packages", "cpu"}), **self.packages}


def here() -> Platform:
    """The platform of this process."""
    has = llvmlite.binding.get_host_cpu_features()
    return Platform(
        machine=f"{platform.system()} {platform.machine()}",
        cpu=llvmlite.binding.get_host_cpu_name(),
        vendor=_vendor(),
        floats=" ".join(name for name in FLOATS if has.get(name)),
        blas=", ".join(sorted({i["architecture"] for i in threadpool_info() if _is_blas(i)})),
        instructions=torch.backends.cpu.get_cpu_capability(),
        libc=" ".join(platform.libc_ver()),
        packages={name: version(name).partition("+")[0] for name in PACKAGES},
    )


def _vendor() -> str:
    try:
        facts = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        facts = []
    told = [fact.partition(":")[2].strip() for fact in facts if fact.startswith("vendor_id")]
    return told[0] if told else platform.processor()


def _is_blas(found: dict[str, str]) -> bool:
    return found.get("user_api") == "blas" and "architecture" in found
