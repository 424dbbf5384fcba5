"""How much of a victim's action is explained by its view of the adversary (Wu et al. 2021).

Three explanations g(s) of a surrogate F at the victim's standardised observation s, and the weight
that the paper makes of them: w = 1 / (1 + max_j |F(g * s)_j - F(s)_j|), with g kept only in the
columns that show the victim its adversary.

Which formula is which function:
  g = |dF/ds|                                      `gradient`, Simonyan et al. 2014
  g = |s * mean_a dF(a s)/ds|, a over (0, 1]       `integrated`, Sundararajan et al. 2017
  g = mean_e (dF(s + e)/ds)^2, e ~ N(0, sigma^2)   `smooth`, Smilkov et al. 2017
  w                                                `weights`
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Saliency = Literal["gradient", "integrated", "smooth", "none"]
Surrogate = Callable[[Tensor], Tensor]
POINTS = 25
"""Steps of the integral, samples of the noise: as in the released code."""
NOISE = 0.1
"""Sigma of SmoothGrad's noise over the range of the batch: as in the released code."""


def gradient(surrogate: Surrogate, s: Tensor, rng: np.random.Generator) -> Tensor:
    """The gradient of F's summed outputs, absolute: (B, D) for s (B, D)."""
    return _slope(surrogate, s).abs()


def integrated(surrogate: Surrogate, s: Tensor, rng: np.random.Generator) -> Tensor:
    """Gradients averaged along the way from 0 to s, times s, absolute: (B, D).

    Departs from the released code, whose grid holds both ends: right-hand points, of equal weight.
    """
    total = torch.zeros_like(s)
    for point in range(1, POINTS + 1):
        total += _slope(surrogate, s * (point / POINTS))
    return (total / POINTS * s).abs()


def smooth(surrogate: Surrogate, s: Tensor, rng: np.random.Generator) -> Tensor:
    """Squared gradients averaged over noisy copies of s: (B, D)."""
    sigma = NOISE * (s.max() - s.min())
    total = torch.zeros_like(s)
    for _ in range(POINTS):
        noise = torch.from_numpy(rng.standard_normal(s.shape, dtype=np.float32))
        total += _slope(surrogate, s + sigma * noise).square()
    return total / POINTS


METHODS: dict[Saliency, Callable[[Surrogate, Tensor, np.random.Generator], Tensor]] = {
    "gradient": gradient,
    "integrated": integrated,
    "smooth": smooth,
}


def weights(
    saliency: Saliency,
    surrogate: Surrogate,
    s: Tensor,
    columns: tuple[int, int],
    rng: np.random.Generator,
) -> Tensor:
    """w in (0, 1] for each row of s (B, D): (B,); large where `columns` explain the action.

    g is divided by the largest entry of its row before the mask; "none" is 1 everywhere.
    """
    if saliency == "none":
        return torch.ones(len(s))
    g = METHODS[saliency](surrogate, s, rng)
    g = g / (g.amax(dim=1, keepdim=True) + 1e-8)
    mask = torch.zeros_like(g)
    mask[:, columns[0] : columns[1]] = 1.0
    with torch.no_grad():
        distance = (surrogate(g * mask * s) - surrogate(s)).abs().amax(dim=1)
    return 1.0 / (1.0 + distance)


def _slope(surrogate: Surrogate, s: Tensor) -> Tensor:
    """d(sum of F's outputs)/ds: (B, D)."""
    at = s.detach().clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(surrogate(at).sum(), at)
    return slope


def known() -> dict[str, list[float]]:
    """The weights of fixed views under a fixed F, by saliency: no training in them."""
    s = torch.cos(torch.arange(60.0)).reshape(6, 10)
    turn = torch.sin(1.7 * torch.arange(20.0)).reshape(10, 2)

    def surrogate(views: Tensor) -> Tensor:
        return torch.tanh(views @ turn)

    return {
        f"weights by {name}": weights(name, surrogate, s, (2, 6), np.random.default_rng(1)).tolist()
        for name in METHODS
    }
