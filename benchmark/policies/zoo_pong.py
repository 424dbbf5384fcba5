"""Roboschool's Pong agents (OpenAI, MIT licence): plain numbers, no file's code or pickle run.

They are 13-64-32-2 ReLU networks, deterministic, without an observation filter. They are read
from the `.npz` of their arrays or from the original `.py`, whose array literals are parsed with
`ast`.
"""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmark.policies.policy import Array, MLPPolicy, PolicyCard
from benchmark.policies.zoo_file import MAX_BYTES, BadZooFile, check_size

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
AXIS_BUG = (
    "A replication variant, never ranked: the paper's released Pong code hands the victim's "
    "environment the first component of its action, which is then broadcast to both axes, so "
    "the published victim moves with (a_x, a_x)."
)


def read(path: Path) -> dict[str, Array]:
    """Those of an agent's arrays that a `.npz` or `.py` holds, by name; raises BadZooFile."""
    check_size(path)
    try:
        return READERS[path.suffix](path)
    except OSError as error:
        raise BadZooFile(f"{path}: cannot be read ({error.strerror or error})") from error


def policies(path: Path, arrays: dict[str, Array]) -> list[MLPPolicy]:
    """The agent whose arrays `path` holds, and its replication variant; raises BadZooFile."""
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
