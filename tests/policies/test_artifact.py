"""Policies on disk: what is written is what is read; anything damaged is refused by its path."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.policies.artifact import CARD, MAX_BYTES, WEIGHTS, BadArtifact, load, load_card, save
from benchmark.policies.policy import (
    MLPPolicy,
    PolicyCard,
    RandomPolicy,
    ZeroPolicy,
    expected_shapes,
)

Damage = Callable[[Path], None]


def network(seed: int = 0, **fields: Any) -> MLPPolicy:
    """A small network of random weights."""
    base = {
        "name": "net", "kind": "mlp", "game": "pong-v1", "seat": "left",
        "obs_dim": 3, "act_dim": 2, "hidden": (4,), "origin": "test", "stochastic": True,
        "filter_clip": 5.0, "training": {"steps": 7}, "notes": "n",
    }  # fmt: skip
    card, rng = PolicyCard(**(base | fields)), np.random.default_rng(seed)
    shapes = expected_shapes(card).items()
    tensors = {k: np.abs(rng.normal(size=s)).astype(np.float32) + 0.1 for k, s in shapes}
    return MLPPolicy(card, tensors)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole artifact."""
    save(network(), tmp_path / "victim")
    return tmp_path / "victim"


# --- round trip ----------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32), obs_dim=st.integers(1, 6), act_dim=st.integers(1, 3),
    hidden=st.lists(st.integers(1, 9), max_size=3).map(tuple),
    activation=st.sampled_from(["tanh", "relu"]),
    filter_clip=st.none() | st.floats(0.1, 100.0), stochastic=st.booleans(),
    act_bound=st.floats(0.01, 10.0), notes=st.text("ab \"é\n{", max_size=20),
)  # fmt: skip
def test_what_is_saved_is_what_is_loaded(tmp_path_factory, seed, **fields):
    policy, folder = network(seed, **fields), tmp_path_factory.mktemp("artifact") / "a" / "b"
    card = save(policy, folder)
    loaded = load(folder)
    assert loaded.card == card == load_card(folder)
    assert card == policy.card.model_copy(update={"sha256": card.sha256})
    assert loaded.tensors().keys() == policy.tensors().keys()
    for name, tensor in policy.tensors().items():
        assert np.array_equal(loaded.tensors()[name], tensor)
    obs = np.random.default_rng(seed).normal(size=(3, policy.card.obs_dim)).astype(np.float32)
    assert np.array_equal(loaded.act(obs)[0], policy.act(obs)[0])


def test_the_card_holds_the_weights_hash_and_the_folder_nothing_else(folder):
    weights = (folder / WEIGHTS).read_bytes()
    assert load_card(folder).sha256 == hashlib.sha256(weights).hexdigest()
    assert sorted(p.name for p in folder.iterdir()) == sorted([CARD, WEIGHTS])


def test_the_same_policy_makes_the_same_bytes(folder, tmp_path):
    save(network(), tmp_path / "again")
    for name in (CARD, WEIGHTS):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_saving_again_replaces_the_artifact(folder):
    save(network(seed=1), folder)
    assert np.array_equal(
        load(folder).tensors()["layer0.weight"], network(seed=1).tensors()["layer0.weight"]
    )


@pytest.mark.parametrize("policy", [ZeroPolicy(2), RandomPolicy(2, 0.4)])
def test_scripted_floors_come_back(policy, tmp_path):
    save(policy, tmp_path / "floor")
    loaded = load(tmp_path / "floor")
    assert type(loaded) is type(policy)
    draws = np.random.default_rng(0).random((4, 2))
    obs = np.zeros((4, 3), dtype=np.float32)
    assert np.array_equal(loaded.act(obs, None, draws)[0], policy.act(obs, None, draws)[0])


# --- damage --------------------------------------------------------------------------------


class Bomb:
    """Unpickling one leaves a file behind."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def edit_card(folder: Path, **changes: Any) -> None:
    """Change fields of the card; the value None removes a field."""
    fields = json.loads((folder / CARD).read_bytes()) | changes
    (folder / CARD).write_text(json.dumps({k: v for k, v in fields.items() if v is not None}))


def put_weights(folder: Path, payload: bytes) -> None:
    """Other weights, with the card's hash set to match: damage with a straight face."""
    (folder / WEIGHTS).write_bytes(payload)
    edit_card(folder, sha256=hashlib.sha256(payload).hexdigest())


def put_tensors(folder: Path, **changes: np.ndarray | None) -> None:
    """Other tensors, properly written; the value None removes one."""
    tensors = safetensors.numpy.load((folder / WEIGHTS).read_bytes())
    tensors |= {k.replace("_", "."): v for k, v in changes.items()}
    put_weights(folder, safetensors.numpy.save({k: v for k, v in tensors.items() if v is not None}))


def cut(folder: Path, name: str, keep: int) -> None:
    """Cut a file short; a negative `keep` counts from its end."""
    path = folder / name
    path.write_bytes(path.read_bytes()[:keep])


def replace_by_folder(path: Path) -> None:
    """Put a folder where a file was."""
    path.unlink()
    path.mkdir()


def raw_safetensors(dtype: str, size: int) -> bytes:
    """A well-formed file of one tensor of a type that NumPy may not know."""
    header = {"layer0.weight": {"dtype": dtype, "shape": [6], "data_offsets": [0, 6 * size]}}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(6 * size)


def too_large(folder: Path) -> None:
    """A sparse file over the limit."""
    with (folder / WEIGHTS).open("r+b") as file:
        file.truncate(MAX_BYTES + 1)


F32 = np.float32
NAN, INF = np.array([np.nan, 0.0], F32), np.array([0.0, np.inf], F32)
CARD_DAMAGE: dict[str, tuple[Damage, str]] = {
    "missing": (lambda f: (f / CARD).unlink(), "no card.json"),
    "empty": (lambda f: cut(f, CARD, 0), "not a policy card"),
    "cut short": (lambda f: cut(f, CARD, -5), "not a policy card"),
    "no text": (lambda f: (f / CARD).write_bytes(b"\xff\xfe\x00"), "not a policy card"),
    "a list": (lambda f: (f / CARD).write_text("[1, 2]"), "not a policy card"),
    "a folder": (lambda f: replace_by_folder(f / CARD), "cannot be read"),
    "a pickle": (lambda f: (f / CARD).write_bytes(pickle.dumps({"name": 1})), "not a policy"),
    "a field too many": (lambda f: edit_card(f, surplus=1), "surplus"),
    "a field too few": (lambda f: edit_card(f, name=None), "name"),
    "a wrong type": (lambda f: edit_card(f, obs_dim="many"), "obs_dim"),
    "an unknown kind": (lambda f: edit_card(f, kind="script"), "kind"),
}
WEIGHT_DAMAGE: dict[str, tuple[Damage, str]] = {
    "missing": (lambda f: (f / WEIGHTS).unlink(), "cannot be read"),
    "empty": (lambda f: cut(f, WEIGHTS, 0), "sha256"),
    "cut short": (lambda f: cut(f, WEIGHTS, -1), "sha256"),
    "a folder": (lambda f: replace_by_folder(f / WEIGHTS), "cannot be read"),
    "too large": (too_large, "larger than 64 MiB"),
    "another hash": (lambda f: edit_card(f, sha256="0" * 64), "sha256"),
    "no hash": (lambda f: edit_card(f, sha256=None), "sha256"),
    "empty, hash matched": (lambda f: put_weights(f, b""), "header"),
    "no safetensors": (lambda f: put_weights(f, b"\x08" + b"\0" * 20), "header"),
    "NaN": (lambda f: put_tensors(f, layer1_bias=NAN), "layer1.bias holds NaN"),
    "infinity": (lambda f: put_tensors(f, layer1_bias=INF), "layer1.bias holds NaN"),
    "infinity as a float32": (
        lambda f: put_tensors(f, layer1_bias=np.array([1e300, 0.0])), "layer1.bias holds NaN",
    ),
    "a wrong shape": (lambda f: put_tensors(f, layer1_bias=np.zeros(3, F32)), "expected shape"),
    "a missing tensor": (lambda f: put_tensors(f, layer0_weight=None), "layer0.weight"),
    "a surplus tensor": (lambda f: put_tensors(f, layer9_bias=np.zeros(1, F32)), "layer9.bias"),
    "no spread": (lambda f: put_tensors(f, filter_std=np.zeros(3, F32)), "positive"),
    "another card's widths": (lambda f: edit_card(f, hidden=[5]), "expected shape"),
    "another card's depth": (lambda f: edit_card(f, hidden=[4, 4]), "layer2"),
    "another card's filter": (lambda f: edit_card(f, filter_clip=None), "filter.mean"),
    "sampled without spread": (
        lambda f: edit_card(f, stochastic=False, action_mode="sampled"), "log_std",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", CARD_DAMAGE)
def test_a_damaged_card_is_refused(folder, damage):
    spoil, wanted = CARD_DAMAGE[damage]
    spoil(folder)
    for read in (load, load_card):
        with pytest.raises(BadArtifact) as caught:
            read(folder)
        assert str(folder) in str(caught.value)
        assert wanted in str(caught.value)


@pytest.mark.parametrize("damage", WEIGHT_DAMAGE)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_damaged_weights_are_refused(folder, damage):
    spoil, wanted = WEIGHT_DAMAGE[damage]
    spoil(folder)
    with pytest.raises(BadArtifact) as caught:
        load(folder)
    assert str(folder / WEIGHTS) in str(caught.value)
    assert wanted in str(caught.value)


@pytest.mark.parametrize(
    ("dtype", "size"),
    [
        ("I64", 8),
        ("BOOL", 1),
        ("BF16", 2),
        ("F8_E4M3", 1),
    ],
)
def test_tensors_of_a_foreign_type_are_refused(folder, dtype, size):
    put_weights(folder, raw_safetensors(dtype, size))
    with pytest.raises(BadArtifact) as caught:
        load(folder)
    assert str(folder / WEIGHTS) in str(caught.value)


@settings(max_examples=60)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_weights_is_refused(tmp_path_factory, place, bit):
    folder = tmp_path_factory.mktemp("flipped")
    save(network(), folder)
    payload = bytearray((folder / WEIGHTS).read_bytes())
    payload[place % len(payload)] ^= 1 << bit
    (folder / WEIGHTS).write_bytes(payload)
    with pytest.raises(BadArtifact, match="sha256"):
        load(folder)


@pytest.mark.parametrize("name", [CARD, WEIGHTS])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_in_disguise_is_refused_and_nothing_of_it_runs(folder, tmp_path, name, protocol):
    marker = tmp_path / "ran"
    payload = pickle.dumps(Bomb(marker), protocol=protocol)
    if name == WEIGHTS:
        put_weights(folder, payload)
    else:
        (folder / CARD).write_bytes(payload)
    with pytest.raises(BadArtifact) as caught:
        load(folder)
    assert str(folder / name) in str(caught.value)
    assert not marker.exists()


@pytest.mark.parametrize("what", ["nothing", "a file", "an empty folder"])
def test_what_is_no_artifact_is_refused_by_its_path(tmp_path, what):
    path = tmp_path / "thing"
    if what == "a file":
        path.write_text("x")
    elif what == "an empty folder":
        path.mkdir()
    with pytest.raises(BadArtifact) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_failed_save_leaves_the_old_artifact_whole(folder, monkeypatch):
    before = load_card(folder)

    def full_disk(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save(network(seed=1), folder)
    monkeypatch.undo()
    assert load(folder).card == before
    assert sorted(p.name for p in folder.iterdir()) == sorted([CARD, WEIGHTS])
