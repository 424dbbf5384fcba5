"""Importing published policies. Plain numbers are read: no file's code or pickle ever runs.

Two zoos: Roboschool's Pong agents (`zoo_pong`) and the multiagent-competition zoo (`zoo_flat`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.policies import zoo_flat, zoo_pong
from benchmark.policies.policy import NetworkPolicy
from benchmark.policies.zoo_file import BadZooFile
from benchmark.policies.zoo_published import published

__all__ = ["BadZooFile", "import_path"]

ZOO_NAMES = "*parameters-v*pkl"
"""How the files of the multiagent-competition zoo are called, one of them without the dot."""


def import_path(
    path: Path, game: str | None = None, seat: str | None = None
) -> Sequence[NetworkPolicy]:
    """Read every published policy under `path` (a file, or a folder searched recursively).

    game and seat say what a single file in the form of the multiagent-competition zoo is, where
    it is none of the zoo's own.

    Raises:
        BadZooFile: with the path and what is wrong; a folder without any policy as well.
    """
    if not path.exists():
        raise BadZooFile(f"{path}: no such file or folder")
    if not path.is_dir():
        return _import_file(path, game, seat)
    if game is not None or seat is not None:
        raise BadZooFile(f"{path}: a folder; --game and --seat tell what a single file is")
    return _import_folder(path)


def _import_file(path: Path, game: str | None, seat: str | None) -> Sequence[NetworkPolicy]:
    which = published(path)
    if which is not None:
        what = f"{which.name} of the published zoo"
        _check_claim(path, what, (which.game, which.seat), (game, seat))
        return [zoo_flat.published_policy(path, which)]
    if path.suffix in zoo_pong.READERS:
        _check_claim(path, "read as a Pong agent", ("pong-v1", "any"), (game, seat))
        return zoo_pong.policies(path, zoo_pong.read(path))
    if game is None:
        raise zoo_flat.stranger(path)
    return [zoo_flat.foreign_policy(path, game, seat)]


def _check_claim(
    path: Path, what: str, known: tuple[str, str], claim: tuple[str | None, str | None]
) -> None:
    """Refuse a --game or --seat other than what the file is known to be."""
    if any(said not in (None, true) for true, said in zip(known, claim, strict=True)):
        raise BadZooFile(
            f"{path}: {what}, game {known[0]}, seat {known[1]}; --game and --seat say otherwise "
            f"({zoo_flat.sizes()})"
        )


def _import_folder(path: Path) -> Sequence[NetworkPolicy]:
    found: dict[str, NetworkPolicy] = {}
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        for policy in _of_folder(file):
            _add(found, policy, file)
    if not found:
        raise BadZooFile(
            f"{path}: no published policy in it; expected .npz or .py of Roboschool's Pong "
            "agents, or files of the multiagent-competition zoo"
        )
    return list(found.values())


def _of_folder(file: Path) -> Sequence[NetworkPolicy]:
    """The policies of a file of a folder: none for a file of another kind."""
    which = published(file)
    if which is not None:
        return [zoo_flat.published_policy(file, which)]
    if file.match(ZOO_NAMES):  # damaged, and not to be passed over in silence
        raise zoo_flat.stranger(file)
    if file.suffix not in zoo_pong.READERS:
        return []
    arrays = zoo_pong.read(file)
    return zoo_pong.policies(file, arrays) if arrays else []


def _add(found: dict[str, NetworkPolicy], policy: NetworkPolicy, file: Path) -> None:
    """The same policy may lie there twice, as .npz and as .py; two of one name may not differ."""
    name, tensors = policy.card.name, policy.tensors()
    twin = found.setdefault(name, policy).tensors()
    if tensors.keys() != twin.keys() or any(
        not np.array_equal(tensors[key], twin[key]) for key in tensors
    ):
        raise BadZooFile(f"{file}: another policy named '{name}' lies beside it")
