"""Policies of the multiagent-competition zoo: a pickle of one flat vector of float32.

In order: return statistics (3 numbers, dropped), the observation filter (sum[D], sum of
squares[D], count), the value branch (dropped) and the policy branch, each tensor row by row for
y = x @ W + b. Two families, from the layout of Bansal et al.'s `policy.py`: tanh networks of
64-64, and networks of 128 ReLU features into an LSTM of 128.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import (
    Array,
    MLPPolicy,
    NetworkPolicy,
    PolicyCard,
    expected_shapes,
)
from benchmark.policies.zoo_file import BadZooFile, read_bytes
from benchmark.policies.zoo_pickle import UnreadablePickle, read_vector
from benchmark.policies.zoo_published import PUBLISHED, Published
from benchmark.settings import hint

RETURN_STATISTICS = 3
FILTER_CLIP = 5.0
MIN_VARIANCE = 0.01
ZOO = "multiagent-competition agent zoo (Bansal et al. 2018)"
NOTES = "The file's value branch is dropped."
LICENCE = "Published without a licence to redistribute: import only."

Vector = NDArray[np.floating[Any]]


class ZooGame(NamedTuple):
    """What a game's policies look like, and which seats they are made for."""

    kind: Literal["mlp", "lstm"]
    obs_dim: int
    act_dim: int
    act_bound: float
    seats: tuple[str, ...]


GAMES: Mapping[str, ZooGame] = {
    "you-shall-not-pass-v1": ZooGame("mlp", 380, 17, 0.4, ("blocker", "runner")),
    "run-to-goal-humans-v1": ZooGame("mlp", 380, 17, 0.4, ("left", "right")),
    "run-to-goal-ants-v1": ZooGame("mlp", 122, 8, 1.0, ("left", "right")),
    "kick-and-defend-v1": ZooGame("lstm", 384, 17, 0.4, ("kicker", "keeper")),
    "sumo-humans-v1": ZooGame("lstm", 395, 17, 0.4, ("any", "left", "right")),
    "sumo-ants-v1": ZooGame("lstm", 137, 8, 1.0, ("any", "left", "right")),
}


def published_policy(path: Path, which: Published) -> NetworkPolicy:
    """The policy of a file that is known to be a published one."""
    return _read(path, which, f"{ZOO}, {which.file}", f"{NOTES} {LICENCE}")


def foreign_policy(path: Path, game: str, seat: str | None) -> NetworkPolicy:
    """The policy of a file in the zoo's form that is none of the zoo's.

    Raises:
        BadZooFile: no such game or seat, a published policy's name, or not that game's numbers.
    """
    if game not in GAMES:
        raise BadZooFile(f"--game: no flat vectors of '{game}' are known; {hint(game, GAMES)}")
    seats = GAMES[game].seats
    if seat not in seats:
        raise BadZooFile(f"--seat: one of {game} is needed ({', '.join(seats)}), got {seat}")
    name = policy_name(path)
    if name in {which.name for which in PUBLISHED.values()}:
        raise BadZooFile(f"{path}: '{name}' is a published policy's name; rename the file")
    which = Published(name, game, str(seat), path.name)
    return _read(path, which, f"flat vector {path.name}", NOTES)


def stranger(path: Path) -> BadZooFile:
    """Why a file that is none of the published ones is not imported, and what would."""
    payload = read_bytes(path)
    try:
        vector = _vector(path, payload)
    except BadZooFile as error:
        return error
    return BadZooFile(
        f"{path}: a flat vector of {len(vector)} numbers, but not a published file (sha256 "
        f"{_sha256(payload)}..): damaged or someone's own; {sizes()}; import one's own by "
        "`bench victims import FILE --game G --seat S`"
    )


def policy_name(path: Path) -> str:
    """A name for a policy from its file's: lower case, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "policy"


def vector_size(game: str) -> int:
    """How many numbers a policy of this game is."""
    card = _card(game)
    shapes = expected_shapes(card)
    numbers = sum(map(prod, shapes.values())) + 1  # sums and squares are as many as mean and std
    return RETURN_STATISTICS + numbers + _value_size(card)


def _value_size(card: PolicyCard) -> int:
    """The value branch: the same network with one output and nothing else."""
    bare = {"act_dim": 1, "stochastic": False, "filter_clip": None}
    return sum(map(prod, expected_shapes(card.model_copy(update=bare)).values()))


def _read(path: Path, which: Published, source: str, notes: str) -> NetworkPolicy:
    payload = read_bytes(path)
    card = _card(which.game).model_copy(
        update={
            "name": which.name,
            "seat": which.seat,
            "origin": f"{source}, sha256 {_sha256(payload)}",
            "notes": notes,
        }
    )
    return _policy(path, _vector(path, payload), card)


def _card(game: str) -> PolicyCard:
    """The network and the way to act of a game's policies."""
    spec = GAMES[game]
    return PolicyCard(
        name="",
        kind=spec.kind,
        game=game,
        seat="",
        obs_dim=spec.obs_dim,
        act_dim=spec.act_dim,
        act_bound=spec.act_bound,
        hidden=(64, 64) if spec.kind == "mlp" else (128, 128),
        activation="tanh" if spec.kind == "mlp" else "relu",
        filter_clip=FILTER_CLIP,
        action_mode="sampled",  # as the zoo's own main.py plays them
        stochastic=True,
        origin="",
    )


def _vector(path: Path, payload: bytes) -> Vector:
    try:
        return read_vector(payload)
    except UnreadablePickle as error:
        raise BadZooFile(
            f"{path}: not a pickle of one flat vector: {error}; expected .npz or .py of a Pong "
            f"agent, or a file of the multiagent-competition zoo: {sizes()}"
        ) from error


def _policy(path: Path, vector: Vector, card: PolicyCard) -> NetworkPolicy:
    """Cut a vector (K,) into the tensors of a card; raises BadZooFile."""
    size = vector_size(card.game)
    if len(vector) != size:
        raise BadZooFile(
            f"{path}: {len(vector)} numbers, expected {size} for {card.game}; {sizes()}"
        )
    kind = LSTMPolicy if card.kind == "lstm" else MLPPolicy
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN are refused
            if not np.isfinite(vector.astype(np.float32)).all():
                raise ValueError("it holds NaN, infinity or numbers beyond float32")
            return kind(card, _tensors(vector, card))
    except ValueError as error:
        raise BadZooFile(f"{path}: {error}") from error


def _tensors(vector: Vector, card: PolicyCard) -> dict[str, Array]:
    sums_end = RETURN_STATISTICS + 2 * card.obs_dim
    moments, count = vector[RETURN_STATISTICS:sums_end], vector[sums_end]
    tensors = _filter(moments.reshape(2, -1).astype(np.float64), float(count))
    start = sums_end + 1 + _value_size(card)
    for name, shape in expected_shapes(card).items():  # from input to output, log_std at the end
        if name not in tensors:
            tensors[name] = vector[start : start + prod(shape)].reshape(shape).astype(np.float32)
            start += prod(shape)
    return tensors


def _filter(moments: NDArray[np.float64], count: float) -> dict[str, Array]:
    """Mean and std from the sums of observations and of their squares (2, D)."""
    if not count > 0:
        raise ValueError(f"its filter has seen {count:g} observations, expected more than 0")
    mean, square = moments / count
    std = np.sqrt(np.maximum(square - mean**2, MIN_VARIANCE))
    return {"filter.mean": mean.astype(np.float32), "filter.std": std.astype(np.float32)}


def _sha256(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()[:12]


def sizes() -> str:
    """How many numbers the zoo's vectors have, by game, for a message."""
    by_size: dict[int, list[str]] = {}
    for game in GAMES:
        by_size.setdefault(vector_size(game), []).append(game)
    listed = (f"{size} ({', '.join(games)})" for size, games in by_size.items())
    return f"the zoo's vectors have {', '.join(listed)} numbers"
