"""Deviations of the victim: their norms, and the part of its action that is due to the adversary.

Which formula is which function:
  l1, l2, linf of a deviation (Wu et al. 2021, figure 6d)     `NORMS`
  |F(s) - F(s with the adversary at its initial pose)|,
  or with its place alone put back, or its posture alone      `due_to_adversary`
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from attacks.victim_model import PutBack, Surrogate, VictimView

Norm = Literal["l1", "l2", "linf"]


def l1(difference: Tensor) -> Tensor:
    """Mean absolute value of each row: (B, D) to (B,)."""
    return difference.abs().mean(dim=1)


def l2(difference: Tensor) -> Tensor:
    """Euclidean length of each row: (B, D) to (B,), differentiable at 0."""
    return (difference.square().sum(dim=1) + 1e-12).sqrt()


def linf(difference: Tensor) -> Tensor:
    """Largest absolute value of each row: (B, D) to (B,)."""
    return difference.abs().amax(dim=1)


NORMS: dict[Norm, Callable[[Tensor], Tensor]] = {"l1": l1, "l2": l2, "linf": linf}


def due_to_adversary(
    surrogate: Surrogate, view: VictimView, s: Tensor, norm: Norm, put_back: PutBack = "all"
) -> Tensor:
    """How far the adversary, being where and as it is, moves the victim's action: (B, D) to (B,).

    Departs from the paper's equation 9, whose saliency is a mask: counterfactual, against the
    action that F expects of the victim were its adversary, or `put_back` of it, as at the start.
    """
    with torch.no_grad():
        return NORMS[norm](surrogate(s) - surrogate(view.without_adversary(s, put_back)))
