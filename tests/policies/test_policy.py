"""Frozen policies: the network's arithmetic, its filter, chance from outside, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.policies.policy import (
    MLPPolicy,
    PolicyCard,
    RandomPolicy,
    ZeroPolicy,
    check_tensors,
    expected_shapes,
)
from benchmark.seeding import STREAM_ACTION_LEFT, uniforms


def card(**fields: Any) -> PolicyCard:
    """A small network's card."""
    base = {
        "name": "net", "kind": "mlp", "game": "any", "seat": "any",
        "obs_dim": 5, "act_dim": 2, "hidden": (8, 4), "origin": "test",
    }  # fmt: skip
    return PolicyCard(**(base | fields))


def random_tensors(card: PolicyCard, seed: int = 0) -> dict[str, np.ndarray]:
    """Usable tensors of a card."""
    rng = np.random.default_rng(seed)
    tensors = {
        name: (rng.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)
        for name, shape in expected_shapes(card).items()
    }
    if "filter.std" in tensors:
        tensors["filter.std"] = np.abs(tensors["filter.std"]) + np.float32(0.1)
    return tensors


def network(seed: int = 0, **fields: Any) -> MLPPolicy:
    """A small network of random weights."""
    made = card(**fields)
    return MLPPolicy(made, random_tensors(made, seed))


def observations(rows: int, dim: int = 5, seed: int = 1) -> np.ndarray:
    """Random observations (rows, dim) float32."""
    return np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)


def as_torch(policy: MLPPolicy) -> torch.nn.Sequential:
    """The same network in torch."""
    widths = (policy.card.obs_dim, *policy.card.hidden, policy.card.act_dim)
    activation = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[policy.card.activation]
    layers: list[torch.nn.Module] = []
    for i in range(len(widths) - 1):
        linear = torch.nn.Linear(widths[i], widths[i + 1])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(policy.tensors()[f"layer{i}.weight"].T.copy()))
            linear.bias.copy_(torch.from_numpy(policy.tensors()[f"layer{i}.bias"]))
        layers += [linear, activation()]
    return torch.nn.Sequential(*layers[:-1])


# --- the network ---------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    st.integers(1, 9), st.lists(st.integers(1, 16), max_size=3), st.integers(1, 4),
    st.sampled_from(["tanh", "relu"]), st.integers(0, 2**32), st.integers(1, 7),
)  # fmt: skip
def test_forward_equals_torch(obs_dim, hidden, act_dim, activation, seed, rows):
    policy = network(
        seed, obs_dim=obs_dim, hidden=tuple(hidden), act_dim=act_dim, activation=activation
    )
    obs = observations(rows, obs_dim, seed)
    with torch.no_grad():
        wanted = as_torch(policy)(torch.from_numpy(obs)).numpy()
    acted, state = policy.act(obs)
    assert (acted.dtype, acted.shape, state) == (np.float32, (rows, act_dim), None)
    assert np.abs(acted - wanted).max() < 1e-6 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize("hidden", [(), (8,), (8, 4)])
def test_features_are_what_the_last_layer_reads(hidden):
    policy = network(hidden=hidden, filter_clip=1.0)
    obs, last, tensors = observations(6), len(hidden), policy.tensors()
    features, state = policy.features(obs, None)
    assert (features.shape, state) == ((6, (5, *hidden)[-1]), None)
    output = features @ tensors[f"layer{last}.weight"] + tensors[f"layer{last}.bias"]
    assert np.array_equal(output, policy.act(obs)[0])


def test_forward_is_exact_on_small_integers():
    made = card(obs_dim=2, act_dim=1, hidden=(2,), activation="relu")
    policy = MLPPolicy(made, {
        "layer0.weight": np.array([[1.0, -1.0], [2.0, 3.0]]), "layer0.bias": np.array([0.0, 1.0]),
        "layer1.weight": np.array([[2.0], [5.0]]), "layer1.bias": np.array([-3.0]),
    })  # fmt: skip
    obs = np.array([[1.0, 1.0], [-4.0, 1.0], [3.0, -3.0]], dtype=np.float32)
    assert policy.act(obs)[0].tolist() == [[18.0], [37.0], [-3.0]]


def test_the_output_is_neither_squashed_nor_clipped():
    policy = network(hidden=())
    big = 1000.0 * observations(50)
    assert np.abs(policy.act(big)[0]).max() > 50.0


@pytest.mark.parametrize("fields", [{}, {"hidden": ()}, {"filter_clip": 2.0}])
def test_acting_changes_neither_observations_nor_weights(fields):
    policy, obs = network(**fields), observations(6)
    before, weights = obs.copy(), {k: v.copy() for k, v in policy.tensors().items()}
    first, again = policy.act(obs)[0], policy.act(obs)[0]
    assert np.array_equal(obs, before)
    assert np.array_equal(first, again)
    assert all(np.array_equal(policy.tensors()[k], v) for k, v in weights.items())


def test_a_network_has_no_memory_and_hands_a_state_on():
    policy, state = network(), np.ones((6, 1), dtype=np.float32)
    assert policy.initial_state(6) is None
    assert policy.act(observations(6), state)[1] is state


# --- the filter ----------------------------------------------------------------------------


def filtered_identity(clip: float | None) -> MLPPolicy:
    """A policy whose actions are its (standardised) observations."""
    made = card(obs_dim=2, act_dim=2, hidden=(), filter_clip=clip)
    tensors = {"layer0.weight": np.eye(2), "layer0.bias": np.zeros(2)}
    if clip is not None:
        tensors |= {"filter.mean": np.array([1.0, -2.0]), "filter.std": np.array([2.0, 0.5])}
    return MLPPolicy(made, tensors)


def test_the_filter_standardises_and_clips():
    obs = np.array([[1.0, -2.0], [5.0, -1.5], [100.0, -100.0]], dtype=np.float32)
    assert filtered_identity(3.0).act(obs)[0].tolist() == [[0.0, 0.0], [2.0, 1.0], [3.0, -3.0]]
    assert filtered_identity(0.5).act(obs)[0].tolist() == [[0.0, 0.0], [0.5, 0.5], [0.5, -0.5]]


def test_without_a_filter_the_observations_go_in_raw():
    obs = np.array([[1.0, -2.0], [100.0, -100.0]], dtype=np.float32)
    assert np.array_equal(filtered_identity(None).act(obs)[0], obs)


# --- chance --------------------------------------------------------------------------------


def sampled(**fields: Any) -> MLPPolicy:
    """A network that samples, with log_std (0.1, -1.0)."""
    made = card(stochastic=True, action_mode="sampled", **fields)
    return MLPPolicy(made, random_tensors(made) | {"log_std": np.array([0.1, -1.0])})


def test_samples_have_the_mean_and_spread_of_the_card():
    policy, rows = sampled(), 40_000
    obs = np.repeat(observations(1), rows, axis=0)
    draws = uniforms(np.arange(rows, dtype=np.uint64), STREAM_ACTION_LEFT, np.uint64(0), 2)
    actions, _ = policy.act(obs, None, draws)
    z = (actions - policy.mean(obs)) / np.exp([0.1, -1.0])
    assert actions.dtype == np.float32
    assert np.abs(z.mean(axis=0)).max() < 0.02
    assert np.abs(z.std(axis=0) - 1.0).max() < 0.02
    assert np.abs((z**3).mean(axis=0)).max() < 0.1
    assert np.abs((z**4).mean(axis=0) - 3.0).max() < 0.2
    assert abs(np.corrcoef(z.T)[0, 1]) < 0.02


def test_samples_are_a_function_of_the_draws():
    policy, obs = sampled(), observations(3)
    half = policy.act(obs, None, np.full((3, 2), 0.5))[0]
    assert np.allclose(half, policy.mean(obs), atol=1e-6)
    draws = np.linspace(0.01, 0.99, 3)[:, None].repeat(2, axis=1)
    rising = policy.act(np.repeat(obs[:1], 3, axis=0), None, draws)[0]
    assert (np.diff(rising, axis=0) > 0.0).all()
    assert np.array_equal(policy.act(obs, None, draws)[0], policy.act(obs, None, draws)[0])


TOP = 1.0 - 2.0**-53  # the largest number that `uniforms` can give


@pytest.mark.parametrize(
    "draw",
    [
        0.0,
        2.0**-53,
        1.0 - 2.0**-52,
        TOP,
    ],
)
def test_the_most_extreme_draws_give_finite_actions(draw):
    acted, _ = sampled().act(observations(4), None, np.full((4, 2), draw))
    assert np.isfinite(acted).all()


def test_sampling_without_draws_is_refused():
    assert sampled().needs_draws
    with pytest.raises(ValueError, match="'net' is sampled: act\\(\\) needs draws"):
        sampled().act(observations(2))


def test_the_mode_can_be_changed_on_the_same_weights():
    policy = sampled()
    mean = policy.in_mode("mean")
    assert not mean.needs_draws
    assert mean.card == policy.card.model_copy(update={"action_mode": "mean"})
    assert np.array_equal(mean.act(observations(3))[0], policy.mean(observations(3)))
    assert mean.in_mode("sampled").card == policy.card
    with pytest.raises(ValueError, match="log_std"):
        network().in_mode("sampled")


# --- scripted floors -----------------------------------------------------------------------


def test_the_random_floor_fills_its_box():
    policy, rows = RandomPolicy(3, 0.4), 20_000
    draws = uniforms(np.arange(rows, dtype=np.uint64), STREAM_ACTION_LEFT, np.uint64(0), 3)
    actions, _ = policy.act(np.zeros((rows, 7), dtype=np.float32), None, draws)
    assert (actions.shape, actions.dtype) == ((rows, 3), np.float32)
    assert -0.4 <= actions.min() < -0.399 < 0.399 < actions.max() <= 0.4
    assert abs(actions.mean()) < 0.01
    assert policy.needs_draws
    assert policy.card.act_bound == 0.4
    with pytest.raises(ValueError, match="needs draws"):
        policy.act(np.zeros((2, 7), dtype=np.float32))


def test_the_zero_floor_stands_still():
    policy = ZeroPolicy(3)
    actions, state = policy.act(observations(4))
    assert (actions.shape, actions.dtype, state) == ((4, 3), np.float32, None)
    assert not actions.any()
    assert not policy.needs_draws
    assert policy.tensors() == {}


# --- what is refused -----------------------------------------------------------------------


def test_expected_shapes_follow_the_card():
    made = card(obs_dim=3, hidden=(7,), act_dim=2, filter_clip=5.0, stochastic=True)
    assert expected_shapes(made) == {
        "layer0.weight": (3, 7), "layer0.bias": (7,), "layer1.weight": (7, 2),
        "layer1.bias": (2,), "filter.mean": (3,), "filter.std": (3,), "log_std": (2,),
    }  # fmt: skip


FULL = card(filter_clip=5.0, stochastic=True)


@pytest.mark.parametrize("name", sorted(expected_shapes(FULL)))
def test_each_tensor_is_checked_by_name_shape_and_content(name):
    good = random_tensors(FULL)
    check_tensors(FULL, good)
    without = {k: v for k, v in good.items() if k != name}
    with pytest.raises(ValueError, match=rf"missing: \['{name}'\]"):
        check_tensors(FULL, without)
    with pytest.raises(ValueError, match=rf"tensor {name}: expected shape .* got"):
        check_tensors(FULL, good | {name: good[name][..., None]})
    for value in (np.nan, np.inf, -np.inf):
        bad = good[name].copy()
        bad.flat[-1] = value
        with pytest.raises(ValueError, match=rf"tensor {name} holds NaN or infinity"):
            check_tensors(FULL, good | {name: bad})


def test_surplus_tensors_are_refused():
    with pytest.raises(ValueError, match=r"unexpected: \['extra'\]"):
        check_tensors(FULL, random_tensors(FULL) | {"extra": np.zeros(1, dtype=np.float32)})


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_filter_must_have_positive_spread(value):
    bad = random_tensors(FULL)
    bad["filter.std"][2] = value
    with pytest.raises(ValueError, match=r"filter\.std must be positive"):
        check_tensors(FULL, bad)


def test_weights_are_kept_apart_from_the_callers():
    made = card()
    tensors = {k: v.astype(np.float64) for k, v in random_tensors(made).items()}
    policy, obs = MLPPolicy(made, tensors), observations(2)
    before = policy.act(obs)[0]
    tensors["layer0.weight"][:] = 0.0
    assert np.array_equal(policy.act(obs)[0], before)
    assert all(v.dtype == np.float32 for v in policy.tensors().values())


# --- identity ------------------------------------------------------------------------------


def test_the_identity_of_a_card_never_changes():
    """Finished jobs are found by it; both were taken before there were recurrent policies."""
    acting = {
        "filter_clip": 5.0, "stochastic": True, "action_mode": "sampled", "sha256": "ab",
        "activation": "relu", "act_bound": 0.4,
    }  # fmt: skip
    assert [card().identity, card(**acting).identity] == [
        "bc04a2b598bd718e1d181afab2de60049253286a47b165998dd431f3d5534e36",
        "c9dfebb4bc2601c2ad35e9c544039ae4d039dda425e54be3f243b645d8c36114",
    ]
