"""The three explanations against closed forms, and the weight that the paper makes of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from attacks.saliency import METHODS, NOISE, POINTS, Saliency, gradient, integrated, smooth, weights
from benchmark.learning.networks import Tower

D, ACTIONS = 6, 2
Function = Callable[[Tensor], Tensor]
NAMES: tuple[Saliency, ...] = ("gradient", "integrated", "smooth")
each = pytest.mark.parametrize("name", NAMES)


def chance() -> np.random.Generator:
    """The same noise every time."""
    return np.random.default_rng(0)


def observations(rows: int = 5, seed: int = 0) -> Tensor:
    """Standardised observations (rows, D)."""
    return torch.randn(rows, D, generator=torch.Generator().manual_seed(seed))


def linear(seed: int = 0) -> tuple[Function, Tensor]:
    """F(s) = s W, and W (D, ACTIONS)."""
    matrix = torch.randn(D, ACTIONS, generator=torch.Generator().manual_seed(100 + seed))
    return (lambda s: s @ matrix), matrix


def tower(seed: int = 0) -> Tower:
    """A small tanh network."""
    made = Tower((D, 8, ACTIONS), "tanh")
    made.initialise(np.random.default_rng(seed), last_gain=1.0)
    return made


# --- the explanations ----------------------------------------------------------------------


def test_the_gradient_of_a_linear_map_is_its_matrix() -> None:
    function, matrix = linear()
    wanted = matrix.sum(1).abs().expand(5, D)
    torch.testing.assert_close(gradient(function, observations(), chance()), wanted)


def test_the_gradient_is_the_finite_difference() -> None:
    network, s, step = tower().double(), observations().double(), 1e-6
    found = gradient(network, s, chance())
    for row in range(len(s)):
        for column in range(D):
            moved = torch.zeros_like(s[row : row + 1])
            moved[0, column] = step
            with torch.no_grad():
                up, down = (network(s[row : row + 1] + k * moved).sum() for k in (1, -1))
            slope = abs(float(up - down)) / (2 * step)
            assert float(found[row, column]) == pytest.approx(slope, abs=1e-7)


def test_integrated_gradients_of_a_linear_map_are_exact() -> None:
    function, matrix = linear()
    s = observations()
    wanted = (s * matrix.sum(1)).abs()
    torch.testing.assert_close(integrated(function, s, chance()), wanted)


@settings(max_examples=40)
@given(st.integers(0, 1000))
def test_integrated_gradients_are_complete(seed: int) -> None:
    """They sum to F(s) - F(0): here all are positive, and the sum of 25 points is 6 % near."""
    matrix = linear(seed)[1].abs()

    def function(s: Tensor) -> Tensor:
        return (s @ matrix / 4).exp()

    s = observations(seed=seed).abs()
    gained = (function(s) - function(torch.zeros_like(s))).sum(1)
    found = integrated(function, s, chance()).sum(1)
    assert (found >= gained).all()  # right-hand points of a rising slope
    slack = s * torch.autograd.functional.jacobian(lambda x: function(x).sum(), s)
    assert (found - gained <= slack.sum(1) / POINTS + 1e-4).all()


def test_integrated_gradients_are_averages_along_the_way() -> None:
    """Against a loop over the points, in a network whose slope changes along it."""
    network, s = tower(), observations()
    total = torch.zeros_like(s)
    for k in range(1, POINTS + 1):
        along = (s * k / POINTS).requires_grad_(True)
        network(along).sum().backward()
        assert along.grad is not None
        total += along.grad
    torch.testing.assert_close(integrated(network, s, chance()), (s * total / POINTS).abs())


def test_smooth_gradients_of_a_linear_map_are_squares() -> None:
    function, matrix = linear()
    wanted = matrix.sum(1).square().expand(5, D)
    torch.testing.assert_close(smooth(function, observations(), chance()), wanted)


def test_smooth_gradients_look_around_with_noise_of_the_batch_s_range() -> None:
    asked: list[Tensor] = []

    def spy(s: Tensor) -> Tensor:
        asked.append(s.detach().clone())
        return s

    s = observations(400)
    smooth(spy, s, chance())
    assert len(asked) == POINTS
    noise = torch.stack([around - s for around in asked])
    sigma = NOISE * float(s.max() - s.min())
    assert float(noise.std()) == pytest.approx(sigma, rel=0.02)
    assert abs(float(noise.mean())) < 0.02 * sigma
    assert not torch.equal(noise[0], noise[1])


def test_chance_comes_from_the_generator_alone() -> None:
    network, s = tower(), observations()
    first, again = (smooth(network, s, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, smooth(network, s, np.random.default_rng(4)))


@each
def test_an_explanation_is_never_negative_and_tells_of_each_row_alone(name: Saliency) -> None:
    network, s = tower(), observations()
    found = METHODS[name](network, s, chance())
    assert (found >= 0).all()
    assert found.shape == s.shape
    if name != "smooth":  # its noise has the range of the batch
        alone = METHODS[name](network, s[2:3], chance())
        torch.testing.assert_close(found[2:3], alone)


@each
def test_nothing_is_left_in_the_surrogate_or_the_view(name: Saliency) -> None:
    network, s = tower(), observations()
    made = weights(name, network, s, (1, 4), chance())
    assert not made.requires_grad
    assert not s.requires_grad
    assert s.grad is None
    assert all(weight.grad is None for weight in network.parameters())


# --- the weight ----------------------------------------------------------------------------


def test_without_saliency_all_weigh_one_and_no_one_asks_the_surrogate() -> None:
    def never(s: Tensor) -> Tensor:
        raise AssertionError("asked")

    torch.testing.assert_close(
        weights("none", never, observations(), (1, 4), chance()), torch.ones(5)
    )


def test_saliency_is_one_where_the_adversary_s_columns_explain_everything() -> None:
    """F reads column 4 alone, so g * s keeps all that F uses: d = 0 and w = 1."""

    def reads(column: int, factor: float) -> Function:
        return lambda s: factor * s[:, column : column + 1].repeat(1, 2)

    view = torch.ones(5, 13)
    ones = weights("gradient", reads(4, 1.0), view, (4, 8), chance())
    torch.testing.assert_close(ones, torch.ones(5))
    low = weights("gradient", reads(0, 3.0), view, (4, 8), chance())
    torch.testing.assert_close(low, torch.full((5,), 0.25))  # 1 / (1 + |0 - 3|)


@each
@pytest.mark.parametrize("columns", [(0, 2), (2, 5), (4, D), (0, D)])
def test_the_weight_is_the_paper_s(name: Saliency, columns: tuple[int, int]) -> None:
    """Row by row and number by number, given the explanation."""
    network, s = tower(), observations()
    g = METHODS[name](network, s, chance())
    found = weights(name, network, s, columns, chance())
    for row in range(len(s)):
        largest = max(float(x) for x in g[row])
        kept = [
            float(g[row, k]) / largest * float(s[row, k]) if columns[0] <= k < columns[1] else 0.0
            for k in range(D)
        ]
        with torch.no_grad():
            moved = network(torch.tensor([kept]))[0] - network(s[row : row + 1])[0]
        wanted = 1 / (1 + max(abs(float(x)) for x in moved))
        assert float(found[row]) == pytest.approx(wanted, rel=1e-4)


@each
@settings(max_examples=40)
@given(
    seed=st.integers(0, 1000), scale=st.floats(1e-3, 1e3), start=st.integers(0, D),
    width=st.integers(0, D),
)  # fmt: skip
def test_a_weight_lies_in_zero_to_one(
    name: Saliency, seed: int, scale: float, start: int, width: int
) -> None:
    s = observations(seed=seed) * scale
    made = weights(name, tower(seed), s, (start, min(D, start + width)), chance())
    assert made.shape == (len(s),)
    assert (made > 0).all()
    assert (made <= 1).all()


@each
def test_a_surrogate_that_explains_nothing_weighs_one(name: Saliency) -> None:
    """No slope anywhere: g is 0 and not 0 / 0, and F the same with and without it."""
    flat = weights(name, lambda s: 0.0 * s[:, :2] + 3.0, observations(), (1, 4), chance())
    torch.testing.assert_close(flat, torch.ones(5))
