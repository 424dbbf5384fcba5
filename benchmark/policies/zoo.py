"""Importers for published policies. They read plain numbers: no file's code or pickle ever runs.

Roboschool's Pong agents (OpenAI, MIT licence) are 13-64-32-2 ReLU networks, deterministic,
without an observation filter. They are read from the `.npz` of their arrays or from the
original `.py`, whose array literals are parsed with `ast`.
"""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmark.errors import Misuse
from benchmark.policies.policy import Array, MLPPolicy, PolicyCard

PONG_NAMES = ("weights_dense1", "weights_dense2", "weights_final")
PONG_SHAPES = {
    "weights_dense1_w": (13, 64),
    "weights_dense1_b": (64,),
    "weights_dense2_w": (64, 32),
    "weights_dense2_b": (32,),
    "weights_final_w": (32, 2),
    "weights_final_b": (2,),
}
PARSE_ERRORS = (
    SyntaxError,
    ValueError,
    TypeError,
    OverflowError,
    RecursionError,
    MemoryError,
)
"""What `ast` raises on source that is no source, or nested without end."""
MAX_BYTES = 64 * 1024 * 1024
AXIS_BUG = (
    "A replication variant, never ranked: the paper's released Pong code hands the victim's "
    "environment the first component of its action, which is then broadcast to both axes, so "
    "the published victim moves with (a_x, a_x)."
)


class BadZooFile(Misuse):
    """A file that is not one of the published policies, or one that was damaged."""


def import_path(path: Path) -> list[MLPPolicy]:
    """Read every published policy under `path` (a file, or a folder searched recursively).

    Raises:
        BadZooFile: with the path and what is wrong; a folder without any policy as well.
    """
    if not path.exists():
        raise BadZooFile(f"{path}: no such file or folder")
    if not path.is_dir():
        return _import_file(path, _read(path))
    found: dict[str, MLPPolicy] = {}
    for file in sorted(p for p in path.rglob("*") if p.suffix in READERS and p.is_file()):
        arrays = _read(file)
        if not set(arrays) & set(PONG_SHAPES):
            continue  # some other file of the folder
        for policy in _import_file(file, arrays):
            _add(found, policy, file)
    if not found:
        raise BadZooFile(f"{path}: no published policy in it; expected {' or '.join(READERS)}")
    return list(found.values())


def _add(found: dict[str, MLPPolicy], policy: MLPPolicy, file: Path) -> None:
    """The same policy may lie there as .npz and as .py; two of one name may not differ."""
    name, tensors = policy.card.name, policy.tensors()
    twin = found.setdefault(name, policy).tensors()
    if any(not np.array_equal(tensors[key], twin[key]) for key in tensors):
        raise BadZooFile(f"{file}: another policy named '{name}' lies beside it")


def _read(path: Path) -> dict[str, Array]:
    if path.suffix not in READERS:
        raise BadZooFile(f"{path}: expected {' or '.join(READERS)}, got '{path.suffix or path}'")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadZooFile(f"{path}: larger than {MAX_BYTES >> 20} MiB; not a published policy")
        return READERS[path.suffix](path)
    except OSError as error:
        raise BadZooFile(f"{path}: cannot be read ({error.strerror or error})") from error


def _import_file(path: Path, arrays: dict[str, Array]) -> list[MLPPolicy]:
    check_pong_arrays(path, arrays)
    policy = pong_policy(pong_name(path), arrays, path.name)
    return [policy, with_axis_bug(policy)]


def pong_name(path: Path) -> str:
    """`may1` for `RoboschoolPong_v0_2017may1.npz`; a foreign file keeps its own stem."""
    return path.stem.rsplit("2017", 1)[-1].lower().replace("_", "-") or path.stem


def read_npz(path: Path) -> dict[str, Array]:
    """The known arrays of an .npz, pickled objects and decompression bombs refused."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_BYTES:
            raise ValueError(f"unpacks to more than {MAX_BYTES >> 20} MiB")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in arrays.files if name in PONG_SHAPES}
    except OSError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise a dozen kinds on damaged input
        raise BadZooFile(f"{path}: not a plain .npz of arrays ({error})") from error


def read_python(path: Path) -> dict[str, Array]:
    """Arrays assigned as `name = np.array([...])` at a Python file's top level, never run."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except PARSE_ERRORS as error:
        raise BadZooFile(f"{path}: not readable as Python source ({error})") from error
    arrays = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in PONG_SHAPES:
                arrays[name] = _literal_array(path, name, node.value)
    return arrays


def _literal_array(path: Path, name: str, value: ast.expr) -> Array:
    if isinstance(value, ast.Call) and value.args:  # np.array([...]): only its literal is read
        value = value.args[0]
    try:
        return np.asarray(ast.literal_eval(value), dtype=np.float32)
    except PARSE_ERRORS as error:
        raise BadZooFile(f"{path}: {name} is not a literal array of numbers") from error


READERS: dict[str, Callable[[Path], dict[str, Array]]] = {".npz": read_npz, ".py": read_python}


def check_pong_arrays(path: Path, arrays: dict[str, Array]) -> None:
    """Raise BadZooFile unless these are a Roboschool Pong agent's arrays, all finite."""
    missing = sorted(set(PONG_SHAPES) - set(arrays))
    if missing:
        raise BadZooFile(f"{path}: not a Roboschool Pong agent; arrays missing: {missing}")
    for name, shape in PONG_SHAPES.items():
        array = arrays[name]
        if array.shape != shape or array.dtype.kind not in "fiu":
            raise BadZooFile(
                f"{path}: {name} expected {shape} numbers, got {array.shape} {array.dtype}"
            )
        with np.errstate(over="ignore"):
            finite = np.isfinite(array.astype(np.float32)).all()
        if not finite:
            raise BadZooFile(f"{path}: {name} holds NaN, infinity or numbers beyond float32")


def pong_policy(name: str, arrays: dict[str, Array], source: str) -> MLPPolicy:
    """A Roboschool agent as a policy for either seat."""
    card = PolicyCard(
        name=name,
        kind="mlp",
        game="pong-v1",
        seat="any",
        obs_dim=13,
        act_dim=2,
        hidden=(64, 32),
        activation="relu",
        origin=f"OpenAI Roboschool agent zoo, {source} (MIT licence)",
    )
    tensors = {}
    for i, layer in enumerate(PONG_NAMES):
        tensors[f"layer{i}.weight"] = arrays[f"{layer}_w"]
        tensors[f"layer{i}.bias"] = arrays[f"{layer}_b"]
    return MLPPolicy(card, tensors)


def with_axis_bug(policy: MLPPolicy) -> MLPPolicy:
    """The victim as the paper's released Pong code really runs it: the x action on both axes."""
    tensors = policy.tensors()
    tensors["layer2.weight"] = np.repeat(tensors["layer2.weight"][:, :1], 2, axis=1)
    tensors["layer2.bias"] = np.repeat(tensors["layer2.bias"][:1], 2)
    name = f"{policy.card.name}-axis-bug"
    card = policy.card.model_copy(update={"name": name, "notes": AXIS_BUG, "ranked": False})
    return MLPPolicy(card, tensors)
