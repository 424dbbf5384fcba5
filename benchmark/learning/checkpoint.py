"""A checkpoint: named arrays plus a little JSON, in one safetensors file, written atomically."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from benchmark.policies.artifact import write_atomically

Arrays = dict[str, NDArray[Any]]


@dataclass
class Checkpoint:
    """All of a training at an update's boundary: arrays by dotted name, and JSON facts."""

    arrays: Arrays = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def put(self, part: str, arrays: Arrays) -> None:
        """File arrays under a part's name."""
        self.arrays.update({f"{part}/{name}": array for name, array in arrays.items()})

    def get(self, part: str) -> Arrays:
        """The arrays filed under a part's name."""
        start = part + "/"
        return {k[len(start) :]: v for k, v in self.arrays.items() if k.startswith(start)}


def write(checkpoint: Checkpoint, path: Path) -> None:
    """Write atomically: a crash leaves the checkpoint before, whole."""
    arrays = {k: np.asarray(v, order="C") for k, v in checkpoint.arrays.items()}
    payload = safetensors.numpy.save(arrays, {"facts": json.dumps(checkpoint.facts)})
    write_atomically(path, payload)


def read(path: Path) -> Checkpoint | None:
    """The checkpoint at `path`, or None where there is none that is whole."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
        return Checkpoint(arrays, json.loads(metadata["facts"]))
    except (OSError, safetensors.SafetensorError, KeyError, json.JSONDecodeError):
        return None


def generator_facts(rng: np.random.Generator) -> dict[str, Any]:
    """A NumPy generator's state, as JSON."""
    return dict(rng.bit_generator.state)


def restore_generator(rng: np.random.Generator, facts: dict[str, Any]) -> None:
    """Continue a generator from `generator_facts`."""
    rng.bit_generator.state = facts
