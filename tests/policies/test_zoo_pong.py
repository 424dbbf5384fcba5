"""Importing published Pong agents: plain numbers in, no code or pickle of a file ever run."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.policies.policy import MLPPolicy
from benchmark.policies.zoo import BadZooFile, import_path
from benchmark.policies.zoo_file import MAX_BYTES
from benchmark.policies.zoo_pong import AXIS_BUG, PONG_SHAPES, with_axis_bug

Arrays = dict[str, np.ndarray]


def agent(seed: int = 0) -> Arrays:
    """Arrays of a Roboschool-shaped agent."""
    rng = np.random.default_rng(seed)
    return {k: (0.3 * rng.normal(size=s)).astype(np.float32) for k, s in PONG_SHAPES.items()}


def source(arrays: Arrays, before: str = "", after: str = "") -> str:
    """A Python file as Roboschool publishes them."""
    lines = ["import numpy as np", "import gym", before]
    lines += [f"{name} = np.array({array.tolist()!r})" for name, array in arrays.items()]
    return "\n".join([*lines, after, ""])


def observations() -> np.ndarray:
    """Some observations (20, 13)."""
    return np.random.default_rng(1).normal(size=(20, 13)).astype(np.float32)


def by_hand(arrays: Arrays, obs: np.ndarray) -> np.ndarray:
    """The published forward pass: 13-64-32-2, ReLU between, linear at the end."""
    x = np.maximum(obs @ arrays["weights_dense1_w"] + arrays["weights_dense1_b"], 0)
    x = np.maximum(x @ arrays["weights_dense2_w"] + arrays["weights_dense2_b"], 0)
    return x @ arrays["weights_final_w"] + arrays["weights_final_b"]


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    """A published agent as .npz."""
    path = tmp_path / "RoboschoolPong_v0_2017may1.npz"
    np.savez(path, **agent())
    return path


# --- what is read --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["npz", "compressed", "py"])
def test_an_agent_plays_as_published(tmp_path, kind):
    path = tmp_path / f"RoboschoolPong_v0_2017may1.{'py' if kind == 'py' else 'npz'}"
    if kind == "py":
        path.write_text(source(agent()))
    else:
        (np.savez if kind == "npz" else np.savez_compressed)(path, **agent())
    policy, buggy = import_path(path)
    assert np.abs(policy.act(observations())[0] - by_hand(agent(), observations())).max() < 1e-6
    assert (policy.card.name, buggy.card.name) == ("may1", "may1-axis-bug")
    assert (policy.card.game, policy.card.seat, policy.card.ranked) == ("pong-v1", "any", True)
    assert policy.card.action_mode == "mean"
    assert policy.card.filter_clip is None
    assert path.name in policy.card.origin


def test_the_axis_bug_variant_moves_with_its_x_action_on_both_axes(npz):
    policy, buggy = import_path(npz)
    true, broken = policy.act(observations())[0], buggy.act(observations())[0]
    assert np.allclose(broken[:, 0], true[:, 0], atol=1e-6)
    assert np.array_equal(broken[:, 1], broken[:, 0])
    assert np.abs(true[:, 1] - true[:, 0]).max() > 0.1
    assert not buggy.card.ranked
    assert buggy.card.notes == AXIS_BUG
    assert np.array_equal(policy.tensors()["layer2.weight"], agent()["weights_final_w"])


def test_the_axis_bug_variant_is_a_policy_of_its_own(npz):
    policy = import_path(npz)[0]
    buggy = with_axis_bug(policy)
    assert isinstance(buggy, MLPPolicy)
    same = {k for k, v in policy.tensors().items() if np.array_equal(v, buggy.tensors()[k])}
    assert same == {"layer0.weight", "layer0.bias", "layer1.weight", "layer1.bias"}


def test_a_folder_is_searched_to_its_leaves(tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    np.savez(tmp_path / "X_2017may1.npz", **agent(1))
    (deep / "X_2017may2.py").write_text(source(agent(2)))
    (deep / "README.md").write_text("not a policy")
    found = import_path(tmp_path)
    assert [p.card.name for p in found] == ["may1", "may1-axis-bug", "may2", "may2-axis-bug"]


@pytest.mark.parametrize("claim", [{"game": "sumo-ants-v1"}, {"seat": "left"}])
def test_a_claim_that_contradicts_the_file_is_refused(npz, claim):
    assert len(import_path(npz, "pong-v1", "any")) == 2
    with pytest.raises(BadZooFile, match="game pong-v1, seat any; --game and --seat say other"):
        import_path(npz, **claim)


def test_a_foreign_name_is_kept(tmp_path):
    np.savez(tmp_path / "my_agent.npz", **agent())
    assert import_path(tmp_path)[0].card.name == "my-agent"


# --- what never runs -----------------------------------------------------------------------


class Bomb:
    """Unpickling one leaves a file behind."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_python_file_is_read_without_running_it(tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "x2017may3.py"
    touch = f"open({str(marker)!r}, 'w').write('ran')"
    path.write_text(source(agent(), before=touch, after=f"{touch}\nraise SystemExit(3)"))
    policy = import_path(path)[0]
    assert not marker.exists()
    assert np.array_equal(policy.tensors()["layer0.bias"], agent()["weights_dense1_b"])


@pytest.mark.parametrize(
    "value",
    [
        "np.array(open({marker!r}, 'w').write('ran'))",
        "open({marker!r}, 'w')",
        "[open({marker!r}, 'w').write('ran'), 0.0]",
        "np.array([(lambda: open({marker!r}, 'w'))(), 0.0])",
        "np.array([__import__('pathlib').Path({marker!r}).touch(), 0.0])",
        "np.zeros(2) + 1",
        "np.array()",
        "[x for x in range(2)]",
        "f'{{1}}'",
    ],
)
def test_a_call_where_numbers_should_be_is_refused_unrun(tmp_path, value):
    marker, path = tmp_path / "ran", tmp_path / "x2017may1.py"
    arrays = agent()
    del arrays["weights_final_b"]
    path.write_text(source(arrays, after=f"weights_final_b = {value.format(marker=str(marker))}"))
    with pytest.raises(BadZooFile, match="weights_final_b") as caught:
        import_path(path)
    assert str(path) in str(caught.value)
    assert not marker.exists()


def test_an_object_array_that_would_unpickle_is_refused_unrun(tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "x.npz"
    arrays: dict[str, Any] = dict(agent())
    arrays["weights_final_b"] = np.array([Bomb(marker), Bomb(marker)], dtype=object)
    np.savez(path, **arrays)
    with pytest.raises(BadZooFile) as caught:
        import_path(path)
    assert str(path) in str(caught.value)
    assert not marker.exists()
    with np.load(path, allow_pickle=True) as archive:  # the trap is armed
        archive["weights_final_b"]
    assert marker.exists()


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_in_disguise_is_refused_unrun(tmp_path, protocol):
    marker, path = tmp_path / "ran", tmp_path / "x.npz"
    path.write_bytes(pickle.dumps(Bomb(marker), protocol=protocol))
    with pytest.raises(BadZooFile) as caught:
        import_path(path)
    assert str(path) in str(caught.value)
    assert not marker.exists()


def test_a_pickle_inside_the_archive_is_refused_unrun(tmp_path):
    marker, path = tmp_path / "ran", tmp_path / "x.npz"
    np.savez(path, **{k: v for k, v in agent().items() if k != "weights_final_b"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("weights_final_b.npy", pickle.dumps(Bomb(marker)))
    with pytest.raises(BadZooFile) as caught:
        import_path(path)
    assert str(path) in str(caught.value)
    assert not marker.exists()


# --- what is refused -----------------------------------------------------------------------


def saved(change: Callable[[Arrays], None], write: Callable[..., None] = np.savez) -> bytes:
    """An .npz after a change to its arrays."""
    arrays, file = agent(), io.BytesIO()
    change(arrays)
    write(file, **arrays)
    return file.getvalue()


def whole(arrays: Arrays) -> None:
    """No change."""


def setting(name: str, value: Any) -> Callable[[Arrays], None]:
    """Replace one array."""
    return lambda arrays: arrays.update({name: np.asarray(value)})


def one_bad(value: float) -> Callable[[Arrays], None]:
    """Put one bad number into an array."""
    return lambda arrays: arrays["weights_dense2_w"].__setitem__((3, 4), value)


def flipped(payload: bytes, place: int) -> bytes:
    """One byte inverted."""
    changed = bytearray(payload)
    changed[place] ^= 0xFF
    return bytes(changed)


def with_method(payload: bytes, method: int) -> bytes:
    """The archive claiming another compression method for its first member."""
    local, central = payload.find(b"PK\x03\x04"), payload.find(b"PK\x01\x02")
    changed = bytearray(payload)
    changed[local + 8] = changed[central + 10] = method
    return bytes(changed)


def npy(array: Any) -> bytes:
    """A bare .npy."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


ZIP, PACKED = saved(whole), saved(whole, np.savez_compressed)
BAD_NPZ = {
    "empty": b"",
    "text": b"hello",
    "cut short": ZIP[:-30],
    "half": ZIP[: len(ZIP) // 2],
    "a flipped byte": flipped(ZIP, 400),
    "compressed, half": PACKED[: len(PACKED) // 2],
    "missing array": saved(lambda a: a.pop("weights_final_b")),
    "wrong shape": saved(setting("weights_final_w", np.zeros((2, 32)))),
    "a scalar": saved(setting("weights_final_b", 1.0)),
    "text array": saved(setting("weights_final_b", ["a", "b"])),
    "complex": saved(setting("weights_final_b", [1j, 2.0])),
    "truth values": saved(setting("weights_final_b", [True, False])),
    "NaN": saved(one_bad(np.nan)),
    "infinity": saved(one_bad(np.inf)),
    "a bare .npy": npy(np.zeros(3)),
    "beyond float32": saved(setting("weights_final_b", [1e300, 0.0])),
    "unknown compression": with_method(ZIP, 99),
}


def assert_refused(path: Path) -> None:
    """Reading the file raises BadZooFile that names it."""
    with pytest.raises(BadZooFile) as caught:
        import_path(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("damage", BAD_NPZ)
def test_a_damaged_npz_is_refused(tmp_path, damage):
    path = tmp_path / "x2017may1.npz"
    path.write_bytes(BAD_NPZ[damage])
    assert_refused(path)


def test_a_compressed_npz_with_any_flipped_byte_is_refused_or_read_right(tmp_path):
    path = tmp_path / "x2017may1.npz"
    for place in range(30, len(PACKED), 101):
        path.write_bytes(flipped(PACKED, place))
        try:
            policy = import_path(path)[0]
        except BadZooFile:
            continue
        assert np.array_equal(policy.tensors()["layer0.weight"], agent()["weights_dense1_w"])


BAD_PYTHON = {
    "empty": "",
    "no Python": "weights = = 1",
    "a null byte": "weights_final_b = 1\0",
    "nested too deep": "weights_final_b = " + "(" * 1000 + "1" + ")" * 1000,
    "text": source(agent()) + "weights_final_b = ['a', 'b']\n",
    "a ragged list": source(agent()) + "weights_final_b = [[1.0], [1.0, 2.0]]\n",
    "a wrong length": source(agent()) + "weights_final_b = [1.0, 2.0, 3.0]\n",
    "missing": source({k: v for k, v in agent().items() if k != "weights_final_b"}),
    "inside a function": "def f():\n " + source(agent()).replace("\n", "\n "),
    "a giant integer": f"weights_final_b = [1{'0' * 400}, 0]",
    "a long sum": "weights_final_b = 1" + " + 1" * 200_000,
    "a long sign": "weights_final_b = " + "-" * 200_000 + "1",
}


@pytest.mark.parametrize("damage", BAD_PYTHON)
def test_a_damaged_python_file_is_refused(tmp_path, damage):
    path = tmp_path / "x2017may1.py"
    path.write_text(BAD_PYTHON[damage])
    assert_refused(path)


@pytest.mark.parametrize("suffix", [".npz", ".py"])
def test_too_large_a_file_is_not_even_read(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(BadZooFile, match="larger than 64 MiB"):
        import_path(path)


@pytest.mark.parametrize("name", ["policy.pkl", "policy", "policy.npy", "x.NPZ"])
def test_another_kind_of_file_is_refused_by_its_suffix(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(ZIP)
    with pytest.raises(BadZooFile, match=r"expected \.npz or \.py") as caught:
        import_path(path)
    assert str(path) in str(caught.value)


def test_nothing_and_a_folder_of_nothing_are_refused(tmp_path):
    with pytest.raises(BadZooFile, match="no such file or folder"):
        import_path(tmp_path / "absent")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(BadZooFile, match="no published policy in it"):
        import_path(tmp_path)


def test_a_folder_named_like_a_file_is_refused(tmp_path):
    (tmp_path / "x.npz").mkdir()
    with pytest.raises(BadZooFile, match="no published policy in it"):
        import_path(tmp_path)


def test_other_files_of_a_folder_are_passed_over(tmp_path):
    (tmp_path / "RoboschoolPong_v0_2017may1.py").write_text(source(agent()))
    (tmp_path / "setup.py").write_text("raise SystemExit('never run')\n")
    assert [p.card.name for p in import_path(tmp_path)] == ["may1", "may1-axis-bug"]


def test_the_same_policy_twice_is_one_and_two_of_one_name_are_refused(tmp_path):
    (tmp_path / "x2017may1.py").write_text(source(agent()))
    (tmp_path / "x2017may1.npz").write_bytes(saved(whole))
    assert len(import_path(tmp_path)) == 2
    (tmp_path / "x2017may1.npz").write_bytes(saved(setting("weights_final_b", [7.0, 7.0])))
    with pytest.raises(BadZooFile, match="another policy named 'may1'"):
        import_path(tmp_path)


def test_an_archive_that_unpacks_without_end_is_refused_before_it_does(tmp_path):
    path = tmp_path / "x2017may1.npz"
    bomb = np.zeros(MAX_BYTES // 4 + 1, dtype=np.float32)
    path.write_bytes(saved(setting("weights_final_b", bomb), np.savez_compressed))
    with pytest.raises(BadZooFile, match="unpacks to more than 64 MiB"):
        import_path(path)
