"""A policy on disk: a folder with `policy.safetensors` and `card.json`. Nothing is unpickled."""

from __future__ import annotations

import hashlib
from pathlib import Path

import safetensors
import safetensors.numpy
from pydantic import ValidationError

from benchmark.disk import write_atomically
from benchmark.errors import Misuse, first_problem
from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import (
    MLPPolicy,
    NetworkPolicy,
    Policy,
    PolicyCard,
    RandomPolicy,
    ZeroPolicy,
)

NETWORKS: dict[str, type[NetworkPolicy]] = {kind.kind: kind for kind in (MLPPolicy, LSTMPolicy)}
WEIGHTS, CARD = "policy.safetensors", "card.json"
MAX_BYTES = 64 * 1024 * 1024


class BadArtifact(Misuse):
    """A folder that is not a policy artifact, or one that was damaged."""


def save(policy: Policy, folder: Path) -> PolicyCard:
    """Write a policy's artifact into `folder` (made if absent); returns the card with its sha256.

    The weights are written first and the card last, so a folder with a card is whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    payload = safetensors.numpy.save(policy.tensors())
    card = policy.card.model_copy(update={"sha256": hashlib.sha256(payload).hexdigest()})
    write_atomically(folder / WEIGHTS, payload)
    write_atomically(folder / CARD, (card.model_dump_json(indent=2) + "\n").encode())
    return card


def load(folder: Path) -> Policy:
    """Read a policy's artifact.

    Raises:
        BadArtifact: a file is missing or damaged, with its path and what is wrong.
    """
    card = load_card(folder)
    if card.kind not in NETWORKS:
        return _floor(card)
    path = folder / WEIGHTS
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadArtifact(f"{path}: larger than {MAX_BYTES >> 20} MiB; not a policy")
        payload = path.read_bytes()
        found = hashlib.sha256(payload).hexdigest()
        if found != card.sha256:
            raise BadArtifact(
                f"{path}: sha256 is {found[:12]}.., the card says {card.sha256[:12]}..; "
                "the artifact was changed or cut short: make or import it again"
            )
        return NETWORKS[card.kind](card, safetensors.numpy.load(payload))
    except OSError as error:
        raise BadArtifact(f"{path}: cannot be read ({error.strerror})") from error
    except (safetensors.SafetensorError, ValueError) as error:
        raise BadArtifact(f"{path}: {error}") from error
    except KeyError as error:  # how safetensors answers a type that NumPy lacks
        raise BadArtifact(f"{path}: tensors of type {error}, expected F32") from error


def _floor(card: PolicyCard) -> Policy:
    floor: Policy = ZeroPolicy(card.act_dim)
    if card.kind == "random":
        floor = RandomPolicy(card.act_dim, card.act_bound)
    floor.card = card
    return floor


def load_card(folder: Path) -> PolicyCard:
    """Read only the card of an artifact; raises BadArtifact."""
    path = folder / CARD
    try:
        return PolicyCard.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise BadArtifact(f"{folder}: no {CARD} in it; expected a policy's folder") from error
    except OSError as error:
        raise BadArtifact(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise BadArtifact(f"{path}: not a policy card ({first_problem(error)})") from error
