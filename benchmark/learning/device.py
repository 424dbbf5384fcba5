"""Where a learner's updates are computed: on this machine's cores, or on a GPU.

Matches are played by NumPy on the cores wherever updates are computed. A GPU has a copy of the
weights, which goes there before an update and comes back after it. Records made on cores are the
same as before there was a choice; those made on a GPU are equal within rounding only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmark.errors import InfrastructureError


@dataclass(frozen=True)
class Device:
    """A device by torch's name, and whether the learner's weights there are a copy."""

    name: str
    apart: bool

    @property
    def is_cores(self) -> bool:
        """Whether it is this machine's cores."""
        return self.name == "cpu"


CPU = Device("cpu", apart=False)
CUDA = Device("cuda", apart=True)
DEVICES = {device.name: device for device in (CPU, CUDA)}

CORES_ONLY = frozenset({CPU.name})
ANYWHERE = frozenset(DEVICES)
"""For methods that add no term to PPO's loss: all else is computed by NumPy."""


def missing() -> str | None:
    """What this process lacks to compute on a GPU; None where there is one."""
    if torch.cuda.is_available():
        return None
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA; install a build with it"
    return f"torch {torch.__version__} finds no GPU on this machine; nvidia-smi lists those it sees"


def device_of(name: str) -> Device:
    """A planned job's device.

    Raises:
        InfrastructureError: this process has none of that kind.
    """
    lacks = missing() if name == CUDA.name else None
    if lacks is not None:
        raise InfrastructureError(f"the job was planned for a GPU, and {lacks}")
    return DEVICES[name]


def called(name: str) -> str:
    """What the device is called, for the record."""
    return f"{name}: {torch.cuda.get_device_name()}" if name == CUDA.name else name
