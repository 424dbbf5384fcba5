"""The recurrent policy: held against loops written out gate by gate, and against torch's cell."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.policies import artifact
from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import MLPPolicy, PolicyCard, check_tensors, expected_shapes
from benchmark.registry import Victims

Tensors = dict[str, np.ndarray]


def lstm_card(**fields: Any) -> PolicyCard:
    """A small recurrent network's card."""
    base = {
        "name": "net", "kind": "lstm", "game": "any", "seat": "any", "obs_dim": 5, "act_dim": 2,
        "hidden": (4, 3), "activation": "relu", "origin": "test",
    }  # fmt: skip
    return PolicyCard(**(base | fields))


def random_tensors(card: PolicyCard, seed: int = 0) -> Tensors:
    """Usable tensors of a card."""
    rng = np.random.default_rng(seed)
    shapes = expected_shapes(card).items()
    tensors = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes}
    if "filter.std" in tensors:
        tensors["filter.std"] = np.abs(tensors["filter.std"]) + np.float32(0.1)
    return tensors


def network(seed: int = 0, **fields: Any) -> LSTMPolicy:
    """A small recurrent network of random weights."""
    made = lstm_card(**fields)
    return LSTMPolicy(made, random_tensors(made, seed))


def observations(rows: int, dim: int = 5, seed: int = 1) -> np.ndarray:
    """Random observations (rows, dim) float32."""
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)


def sigmoid(x: float) -> float:
    """The logistic function."""
    return 1.0 / (1.0 + math.exp(-x))


def dense(inputs: list[float], weight: np.ndarray, bias: np.ndarray, column: int) -> float:
    """One unit of y = x @ W + b."""
    return sum(x * float(weight[i, column]) for i, x in enumerate(inputs)) + float(bias[column])


def slow_step(
    t: Tensors, z: list[float], c: list[float], h: list[float]
) -> tuple[list[float], list[float], list[float]]:
    """One match, one step of BasicLSTMCell as TensorFlow documents it: (mean, c', h')."""
    features, cell = t["layer0.weight"].shape[1], len(c)
    x = [max(0.0, dense(z, t["layer0.weight"], t["layer0.bias"], k)) for k in range(features)]
    new_c, new_h = [], []
    for k in range(cell):
        gate = [dense(x + h, t["lstm.kernel"], t["lstm.bias"], g * cell + k) for g in range(4)]
        candidate = math.tanh(gate[1])
        new_c.append(c[k] * sigmoid(gate[2] + 1.0) + sigmoid(gate[0]) * candidate)
        new_h.append(sigmoid(gate[3]) * math.tanh(new_c[-1]))
    outputs = t["layer1.bias"].shape[0]
    mean = [dense(new_h, t["layer1.weight"], t["layer1.bias"], k) for k in range(outputs)]
    return mean, new_c, new_h


# --- the network ---------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    st.integers(1, 6), st.integers(1, 5), st.integers(1, 5), st.integers(1, 3),
    st.integers(0, 2**32), st.integers(1, 4),
)  # fmt: skip
def test_an_episode_equals_the_cell_written_out(obs_dim, features, cell, act_dim, seed, rows):
    policy = network(seed, obs_dim=obs_dim, hidden=(features, cell), act_dim=act_dim)
    slow = [([0.0] * cell, [0.0] * cell) for _ in range(rows)]
    state = policy.initial_state(rows)
    for step in range(4):
        obs = observations(rows, obs_dim, seed + step)
        acted, state = policy.act(obs, state)
        assert (acted.dtype, acted.shape) == (np.float32, (rows, act_dim))
        assert (state.dtype, state.shape) == (np.float32, (rows, 2 * cell))
        for row in range(rows):
            mean, c, h = slow_step(policy.tensors(), obs[row].tolist(), *slow[row])
            slow[row] = (c, h)
            assert np.allclose(acted[row], mean, atol=2e-6, rtol=1e-5)
            assert np.allclose(state[row], c + h, atol=2e-6, rtol=1e-5)


def as_torch_cell(policy: LSTMPolicy) -> torch.nn.LSTMCell:
    """The cell in torch, whose gates are i, f, g (our j), o and which adds no forget bias."""
    features, cell = policy.card.hidden
    kernel, bias = policy.tensors()["lstm.kernel"], policy.tensors()["lstm.bias"].copy()
    bias[2 * cell : 3 * cell] += 1.0
    order = np.concatenate([np.arange(g * cell, (g + 1) * cell) for g in (0, 2, 1, 3)])
    made = torch.nn.LSTMCell(features, cell)
    with torch.no_grad():
        made.weight_ih.copy_(torch.from_numpy(kernel[:features, order].T.copy()))
        made.weight_hh.copy_(torch.from_numpy(kernel[features:, order].T.copy()))
        made.bias_ih.copy_(torch.from_numpy(bias[order]))
        made.bias_hh.zero_()
    return made


@pytest.mark.parametrize("seed", range(3))
def test_an_episode_equals_torchs_cell(seed):
    policy = network(seed, obs_dim=20, hidden=(16, 12), act_dim=3)
    t = {name: torch.from_numpy(value) for name, value in policy.tensors().items()}
    cell, state = as_torch_cell(policy), policy.initial_state(9)
    c = h = torch.zeros(9, 12)
    for step in range(12):
        obs = observations(9, 20, 100 * seed + step)
        acted, state = policy.act(obs, state)
        with torch.no_grad():
            x = torch.relu(torch.from_numpy(obs) @ t["layer0.weight"] + t["layer0.bias"])
            h, c = cell(x, (h, c))
            wanted = h @ t["layer1.weight"] + t["layer1.bias"]
        assert np.abs(acted - wanted.numpy()).max() < 2e-5
        assert np.abs(state - torch.cat([c, h], dim=1).numpy()).max() < 1e-5


def test_gates_that_are_wide_open_or_shut_give_finite_actions():
    policy = network()
    huge = {k: 1e4 * v for k, v in policy.tensors().items()}
    state = policy.initial_state(6)
    for _ in range(3):
        acted, state = LSTMPolicy(policy.card, huge).act(observations(6), state)
        assert np.isfinite(acted).all()
        assert np.isfinite(state).all()


# --- memory --------------------------------------------------------------------------------


def test_the_past_moves_the_action_and_a_reset_forgets_it():
    policy, obs = network(), observations(4)
    first, after = policy.act(obs, policy.initial_state(4))
    second, _ = policy.act(obs, after)
    assert np.abs(second - first).max() > 1e-3
    after[[1, 3]] = policy.initial_state(2)  # as the arena does where an episode has ended
    mixed, _ = policy.act(obs, after)
    assert np.allclose(mixed[[1, 3]], first[[1, 3]], atol=1e-6)
    assert np.allclose(mixed[[0, 2]], second[[0, 2]], atol=1e-6)


def test_an_episode_starts_at_zero():
    state = network().initial_state(7)
    assert (state.dtype, state.shape) == (np.float32, (7, 6))
    assert not state.any()


def test_acting_changes_nothing_that_it_was_given():
    policy, obs = network(filter_clip=2.0), observations(6)
    state = policy.act(obs, policy.initial_state(6))[1]
    before = obs.copy(), state.copy(), {k: v.copy() for k, v in policy.tensors().items()}
    acted, after = policy.act(obs, state)
    kept = acted.copy(), after.copy()
    policy.act(observations(6, seed=9), after)
    assert np.array_equal(obs, before[0])
    assert np.array_equal(state, before[1])
    assert all(np.array_equal(policy.tensors()[k], v) for k, v in before[2].items())
    assert np.array_equal(acted, kept[0])
    assert np.array_equal(after, kept[1])
    assert after.flags.writeable


def test_acting_without_a_state_is_refused():
    with pytest.raises(ValueError, match="'net' is recurrent: act\\(\\) needs its state"):
        network().act(observations(2))


# --- filter and chance ---------------------------------------------------------------------


def test_the_filter_standardises_and_clips():
    raw = network(2)
    tensors = raw.tensors() | {
        "filter.mean": np.arange(5, dtype=np.float32), "filter.std": np.full(5, 0.5, np.float32),
    }  # fmt: skip
    filtered = LSTMPolicy(lstm_card(filter_clip=1.5), tensors)
    obs = 3.0 * observations(8)
    z = np.clip((obs - np.arange(5)) / 0.5, -1.5, 1.5).astype(np.float32)
    assert np.array_equal(
        filtered.act(obs, filtered.initial_state(8))[0], raw.act(z, raw.initial_state(8))[0]
    )


def test_both_modes_share_the_memory_and_differ_by_the_spread():
    made = lstm_card(stochastic=True, action_mode="sampled")
    tensors = random_tensors(made) | {"log_std": np.array([0.1, -1.0])}
    policy = LSTMPolicy(made, tensors)
    mean = policy.in_mode("mean")
    assert isinstance(mean, LSTMPolicy)
    assert policy.needs_draws
    assert not mean.needs_draws
    obs, state = observations(3), policy.initial_state(3)
    draws = np.full((3, 2), 0.8413447460685429)  # one standard deviation above the middle
    (sampled, after), (centre, same) = policy.act(obs, state, draws), mean.act(obs, state)
    assert np.array_equal(after, same)
    assert np.allclose(sampled - centre, np.exp([0.1, -1.0]), atol=1e-6)
    with pytest.raises(ValueError, match="needs draws"):
        policy.act(obs, state)
    with pytest.raises(ValueError, match="log_std"):
        network().in_mode("sampled")


# --- tensors, artifact ---------------------------------------------------------------------


def test_expected_shapes_follow_the_card():
    made = lstm_card(hidden=(7, 3), filter_clip=5.0, stochastic=True)
    assert expected_shapes(made) == {
        "layer0.weight": (5, 7), "layer0.bias": (7,), "lstm.kernel": (10, 12), "lstm.bias": (12,),
        "layer1.weight": (3, 2), "layer1.bias": (2,), "filter.mean": (5,), "filter.std": (5,),
        "log_std": (2,),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(expected_shapes(lstm_card())))
def test_each_tensor_is_checked(name):
    good = random_tensors(lstm_card())
    with pytest.raises(ValueError, match=rf"missing: \['{name}'\]"):
        check_tensors(lstm_card(), {k: v for k, v in good.items() if k != name})
    with pytest.raises(ValueError, match=rf"tensor {name}: expected shape"):
        check_tensors(lstm_card(), good | {name: good[name][..., None]})


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3, 2)])
def test_an_lstm_has_features_and_a_cell(hidden):
    with pytest.raises(ValueError, match="features, cell"):
        expected_shapes(lstm_card(hidden=hidden))


def test_a_card_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="kind 'mlp', expected 'lstm'"):
        LSTMPolicy(lstm_card(kind="mlp"), random_tensors(lstm_card(kind="mlp")))
    with pytest.raises(ValueError, match="kind 'lstm', expected 'mlp'"):
        MLPPolicy(lstm_card(), random_tensors(lstm_card()))


def test_what_is_saved_is_what_is_loaded(tmp_path: Path):
    policy = network(filter_clip=5.0, stochastic=True, game="pong-v1")
    card = artifact.save(policy, tmp_path / "net")
    loaded = Victims(tmp_path).load("net")
    assert isinstance(loaded, LSTMPolicy)
    assert loaded.card == card
    for name, tensor in policy.tensors().items():
        assert np.array_equal(loaded.tensors()[name], tensor)
    obs, state = observations(3), policy.initial_state(3)
    for ours, theirs in zip(policy.act(obs, state), loaded.act(obs, state), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("fields", [{"kind": "mlp"}, {"hidden": (4,)}, {"hidden": (3, 4)}])
def test_an_artifact_whose_card_is_another_networks_is_refused(tmp_path, fields):
    card = artifact.save(network(), tmp_path)
    (tmp_path / artifact.CARD).write_text(card.model_copy(update=fields).model_dump_json())
    with pytest.raises(artifact.BadArtifact) as caught:
        artifact.load(tmp_path)
    assert str(tmp_path) in str(caught.value)
