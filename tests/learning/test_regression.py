"""The regressor: learns what it is shown, keeps its dead zone, its bounds and its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.learning.regression import Regressor, explained

Array = np.ndarray


def regressor(inputs: int = 13, outputs: int = 2, **settings: Any) -> Regressor:
    """A small one, the same every time."""
    chosen = {"hidden": (32,), "activation": "relu", "dead_zone": 0.0, "learning_rate": 3e-3}
    return Regressor(inputs, outputs, rng=np.random.default_rng(0), **{**chosen, **settings})


def pairs(rows: int = 4096, seed: int = 0) -> tuple[Array, Array]:
    """x (rows, 13), and y (rows, 2) that a saturating map makes of it."""
    target = np.random.default_rng(99).normal(size=(13, 2))
    x = np.random.default_rng(seed).normal(size=(rows, 13))
    return x.astype(np.float32), np.tanh(x @ target).astype(np.float32)


def error(model: Regressor, x: Array, y: Array) -> float:
    """The mean squared error."""
    return float(np.square(model.infer(x) - y).mean())


@pytest.mark.parametrize("squash", [False, True])
def test_it_learns_a_map_that_it_only_sees(squash: bool) -> None:
    (x, y), model = pairs(), regressor(dead_zone=0.05, squash=squash)
    before = error(model, x, y)
    for _ in range(20):
        model.fit(x, y, rows=4096, minibatch=256)
    assert error(model, x, y) < 0.15 * before


def test_a_dead_zone_ignores_small_errors() -> None:
    """All of them are within it, so that nothing is learned at any rate."""
    model = regressor(2, 1, dead_zone=1e6, learning_rate=1.0)
    before = model.state()["flat"]
    model.fit(np.ones((8, 2), np.float32), np.ones((8, 1), np.float32), rows=8, minibatch=8)
    np.testing.assert_array_equal(model.state()["flat"], before)


def test_squashed_it_is_the_tanh_of_the_network() -> None:
    x = pairs(64)[0]
    plain, squashed = regressor(), regressor(squash=True)
    np.testing.assert_array_equal(plain.state()["flat"], squashed.state()["flat"])
    assert np.abs(plain.infer(x)).max() > 1
    np.testing.assert_allclose(squashed.infer(x), np.tanh(plain.infer(x)), rtol=1e-6)
    torch.testing.assert_close(squashed(torch.from_numpy(x)), plain(torch.from_numpy(x)).tanh())


@settings(max_examples=40)
@given(st.floats(-1e4, 1e4, width=32), st.booleans())
def test_squashed_it_never_leaves_its_bounds(scale: float, trained: bool) -> None:
    """Not even where its targets lie far outside, as in the released code."""
    (x, y), model = pairs(64), regressor(squash=True, learning_rate=0.1)
    if trained:
        model.fit(x, y * np.float32(100.0), rows=64, minibatch=16)
    far = x * np.float32(scale)
    assert np.abs(model.infer(far)).max() <= 1
    assert model(torch.from_numpy(far)).abs().max() <= 1


def test_squashed_it_cannot_learn_what_lies_outside_and_the_plain_one_can() -> None:
    x, y = pairs()
    y = y + np.float32(3.0)
    plain, squashed = regressor(), regressor(squash=True)
    for _ in range(15):
        plain.fit(x, y, rows=4096, minibatch=256)
        squashed.fit(x, y, rows=4096, minibatch=256)
    assert error(plain, x, y) < 0.5
    assert error(squashed, x, y) > 3.0


@pytest.mark.parametrize("squash", [False, True])
def test_infer_and_call_agree(squash: bool) -> None:
    (x, y), model = pairs(256), regressor(squash=squash)
    model.fit(x, y, rows=256, minibatch=64)
    called = model(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(model.infer(x), called, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("squash", [False, True])
def test_gradients_pass_through_it_and_never_into_it(squash: bool) -> None:
    (x, y), model = pairs(64), regressor(squash=squash)
    model.fit(x, y, rows=64, minibatch=16)
    at = torch.from_numpy(x).requires_grad_(True)
    model(at).sum().backward()
    assert at.grad is not None
    assert at.grad.abs().sum() > 0
    assert not any(weight.requires_grad for weight in model.network.parameters())


@pytest.mark.parametrize("squash", [False, True])
def test_the_loss_is_the_squared_error_outside_the_dead_zone(squash: bool) -> None:
    """One minibatch of plain descent's direction, from torch's own gradient."""
    (x, y), zone = pairs(64), 0.3
    model, twin = regressor(squash=squash, dead_zone=zone), regressor(squash=squash)
    twin.network.requires_grad_(True)
    over = ((twin(torch.from_numpy(x)) - torch.from_numpy(y)).abs() - zone).clamp_min(0.0)
    wanted = torch.autograd.grad(over.square().mean(), list(twin.network.parameters()))
    model.fit(x, y, rows=64, minibatch=64)
    moment = model.state()["adam.exp_avg"] / (1 - 0.9)
    flat = torch.cat([part.reshape(-1) for part in wanted]).numpy()
    np.testing.assert_allclose(np.sort(moment), np.sort(flat), rtol=1e-3, atol=1e-6)


def test_rows_says_how_many_pairs_are_learned_from() -> None:
    """Each at most once in a pass, drawn anew in the next."""
    model, steps = regressor(), []
    for rows in (64, 100, 4096):
        before = model.state().get("adam.step", np.array(0.0)).copy()
        model.fit(*pairs(200), rows=rows, minibatch=64)
        steps.append(float(model.state()["adam.step"] - before))
    assert steps == [1, 2, 4]


@pytest.mark.parametrize("squash", [False, True])
def test_restored_it_continues_exactly(squash: bool) -> None:
    """From the state of then, whatever the regressor has learned since."""
    whole, resumed = regressor(squash=squash), regressor(squash=squash, learning_rate=3e-3)
    whole.fit(*pairs(256), rows=256, minibatch=64)
    saved, drawn = whole.state(), whole._rng.bit_generator.state
    whole.fit(*pairs(256, seed=1), rows=200, minibatch=64)
    resumed.restore(saved)
    resumed._rng.bit_generator.state = drawn
    resumed.fit(*pairs(256, seed=1), rows=200, minibatch=64)
    np.testing.assert_array_equal(whole.state()["flat"], resumed.state()["flat"])


def test_explained_variance_is_one_at_best_and_zero_for_the_mean() -> None:
    y = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    assert explained(y, y) == 1.0
    assert explained(np.broadcast_to(y.mean(axis=0), y.shape), y) == pytest.approx(0.0, abs=1e-6)
    assert explained(-y, y) < 0
    flat = np.ones((50, 3), dtype=np.float32)
    assert explained(flat + 1, flat) == 0.0
