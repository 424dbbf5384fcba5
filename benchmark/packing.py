"""Named arrays and a little JSON as one safetensors payload: checkpoints and snapshots."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

FACTS = "facts"


class Damaged(ValueError):
    """A payload that is not whole, or not of `pack`."""


def pack(arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> bytes:
    """All of it, as safetensors with the facts among its metadata."""
    tensors = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    payload: bytes = safetensors.numpy.save(tensors, {FACTS: json.dumps(facts)})
    return payload


def unpack(payload: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """What `pack` was given.

    Raises:
        Damaged: it is cut short or changed, or has no facts.
    """
    try:
        arrays = safetensors.numpy.load(payload)
        # The library tells the facts of files alone: a length and JSON come before the arrays.
        header = json.loads(payload[8 : 8 + int.from_bytes(payload[:8], "little")])
        return arrays, json.loads(header["__metadata__"][FACTS])
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise Damaged(str(error)) from error
