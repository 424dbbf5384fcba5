"""Flat vectors in the form of the multiagent-competition zoo, and the pickles of them.

Written from the published layout (shared/reference/paper.md, 7.1), not from the importer.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np

Parts = dict[str, np.ndarray]


def random_parts(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> Parts:
    """Parts of these shapes, in the order of the file."""
    rng = np.random.default_rng(seed)
    parts = {
        name: np.asarray(rng.normal(size=shape) / np.sqrt(shape[0] if shape else 1), np.float32)
        for name, shape in shapes.items()
    }
    count = np.float32(1000.0)
    mean = rng.normal(size=shapes["obs sum"]).astype(np.float32)
    variance = rng.random(shapes["obs sum"]).astype(np.float32) ** 4  # some are below the floor
    parts["obs sum"], parts["obs count"] = count * mean, np.array(count)
    parts["obs sumsq"] = count * (variance + mean**2)
    return parts


HEAD = {"ret sum": (), "ret sumsq": (), "ret count": ()}


def mlp_parts(obs_dim: int, act_dim: int, seed: int = 0) -> Parts:
    """A tanh network of 64-64."""
    shapes = {
        **HEAD, "obs sum": (obs_dim,), "obs sumsq": (obs_dim,), "obs count": (),
        "vffc1 w": (obs_dim, 64), "vffc1 b": (64,), "vffc2 w": (64, 64), "vffc2 b": (64,),
        "vffinal w": (64, 1), "vffinal b": (1,),
        "polfc1 w": (obs_dim, 64), "polfc1 b": (64,), "polfc2 w": (64, 64), "polfc2 b": (64,),
        "polfinal w": (64, act_dim), "polfinal b": (act_dim,), "logstd": (1, act_dim),
    }  # fmt: skip
    return random_parts(shapes, seed)


def lstm_parts(obs_dim: int, act_dim: int, seed: int = 0) -> Parts:
    """128 ReLU features into an LSTM of 128."""
    shapes = {
        **HEAD, "obs sum": (obs_dim,), "obs sumsq": (obs_dim,), "obs count": (),
        "fully_connected w": (obs_dim, 128), "fully_connected b": (128,),
        "lstmv kernel": (256, 512), "lstmv bias": (512,),
        "fully_connected_1 w": (128, 1), "fully_connected_1 b": (1,),
        "fully_connected_2 w": (obs_dim, 128), "fully_connected_2 b": (128,),
        "lstmp kernel": (256, 512), "lstmp bias": (512,),
        "fully_connected_3 w": (128, act_dim), "fully_connected_3 b": (act_dim,),
        "logstd": (1, act_dim),
    }  # fmt: skip
    return random_parts(shapes, seed)


def joined(parts: Parts) -> np.ndarray:
    """The flat vector (K,) float32."""
    return np.concatenate([part.ravel() for part in parts.values()]).astype(np.float32)


def standardised(parts: Parts, obs: np.ndarray) -> np.ndarray:
    """The published filter, in float64."""
    total, squares = parts["obs sum"].astype(float), parts["obs sumsq"].astype(float)
    count = float(parts["obs count"])
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0.01))
    return np.clip((obs - mean) / std, -5.0, 5.0)


def mlp_by_hand(parts: Parts, obs: np.ndarray) -> np.ndarray:
    """The published forward pass: the mean action."""
    x = np.tanh(standardised(parts, obs) @ parts["polfc1 w"] + parts["polfc1 b"])
    x = np.tanh(x @ parts["polfc2 w"] + parts["polfc2 b"])
    return x @ parts["polfinal w"] + parts["polfinal b"]


def lstm_by_hand(parts: Parts, episode: list[np.ndarray]) -> list[np.ndarray]:
    """The published forward pass of an episode: the mean action of each step."""
    rows, means = len(episode[0]), []
    c = h = np.zeros((rows, 128))
    for obs in episode:
        z = standardised(parts, obs)
        x = np.maximum(z @ parts["fully_connected_2 w"] + parts["fully_connected_2 b"], 0.0)
        gates = np.concatenate([x, h], axis=1) @ parts["lstmp kernel"] + parts["lstmp bias"]
        i, j, f, o = np.split(gates, 4, axis=1)
        c = c / (1.0 + np.exp(-f - 1.0)) + np.tanh(j) / (1.0 + np.exp(-i))
        h = np.tanh(c) / (1.0 + np.exp(-o))
        means.append(h @ parts["fully_connected_3 w"] + parts["fully_connected_3 b"])
    return means


# --- pickles -------------------------------------------------------------------------------


def python2_text(vector: np.ndarray) -> bytes:
    """Protocol 0 of Python 2: the bytes as a quoted string."""
    head = (
        b"cnumpy.core.multiarray\n_reconstruct\np0\n(cnumpy\nndarray\np1\n(I0\ntp2\nS'b'\np3\ntp4\n"
        b"Rp5\n(I1\n(L%dL\ntp6\ncnumpy\ndtype\np7\n(S'%s'\np8\nI0\nI1\ntp9\nRp10\n"
        b"(I3\nS'<'\np11\nNNNI-1\nI-1\nI0\ntp12\nbI00\nS"
    ) % (len(vector), vector.dtype.str[1:].encode())
    return head + repr(vector.tobytes())[1:].encode() + b"\np13\ntp14\nb."


def python2_binary(vector: np.ndarray) -> bytes:
    """Protocol 2 of Python 2."""
    raw = vector.tobytes()
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85q\x03"
        b"U\x01bq\x04\x87q\x05Rq\x06(K\x01\x8a\x04" + len(vector).to_bytes(4, "little") + b"\x85"
        b"cnumpy\ndtype\nq\x07U\x02" + vector.dtype.str[1:].encode() + b"K\x00K\x01\x87q\x08Rq\x09"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + len(raw).to_bytes(4, "little") + raw + b"q\x0atq\x0bb."
    )


def as_published(vector: np.ndarray) -> bytes:
    """Protocol 3 of Python 3 and NumPy 1, as the zoo's files are."""
    return pickle.dumps(vector, protocol=3).replace(b"numpy._core", b"numpy.core")


def modern(protocol: int) -> Callable[[np.ndarray], bytes]:
    """This Python and this NumPy."""
    return lambda vector: pickle.dumps(vector, protocol=protocol)


def frozen(vector: np.ndarray) -> bytes:
    """Protocol 5 of an array that may not be written, whose bytes are then immutable."""
    kept = vector.copy()
    kept.flags.writeable = False
    return pickle.dumps(kept, protocol=5)


FORMS: dict[str, Callable[[np.ndarray], bytes]] = {
    "published": as_published,
    "Python 2, protocol 0": python2_text,
    "Python 2, protocol 2": python2_binary,
    "read-only, protocol 5": frozen,
    **{f"protocol {protocol}": modern(protocol) for protocol in range(6)},
}
