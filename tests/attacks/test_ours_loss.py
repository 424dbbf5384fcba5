"""Equation 9's tail, as a loss on the policy's mean action."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from attacks.victim_model import Imitation
from tests.attacks.conftest import (
    MATCHES,
    made_up_rollout,
)
from tests.attacks.ours_hooks import EVERYTHING, ROWS, ByHand, hooks_of, shown


@pytest.mark.parametrize(
    "special",
    [
        {},
        {"eta": 0.0, "saliency": "none"},
        {"action_weight": 0.0},
        {"action_weight": 2.5, "norm": "l2"},
        {"norm": "linf"},
        {"transition_output": "next"},
        {"transition_output": "tanh"},
        {"transition_inputs": "released"},
        {"transition_columns": "own", "transition_output": "change"},
        {"transition_columns": "own", "transition_output": "next", "transition_inputs": "released"},
        {"mask_ends": False},
        {"standardise": False, "saliency_columns": "tail"},
        {"preset": "paper", "surrogate_steps": 1},
        {"preset": "released", "surrogate_steps": 1},
        {"preset": "released", "surrogate_steps": 1, "saliency": "gradient", "norm": "l2",
         "saliency_columns": "tail", "transition_columns": "all"},
    ],
    ids=lambda v: ",".join(map(str, v.values())) or "text",
)  # fmt: skip
def test_loss_is_the_paper_s_tail_on_valid_rows(special: dict[str, Any]) -> None:
    """Recomputed row by row from F and H, without the vectorised path."""
    base: dict[str, Any] = {"mode": "loss", "weight": 0.7, "saliency": "gradient"}
    settings = {**base, **({} if "preset" in special else {"eta": 0.3}), **special}
    hooks, rollout = shown(**settings)
    by_hand = ByHand(hooks, rollout, settings)
    rows = torch.tensor([0, 9, 5, 19, 23, 14, 5])  # 9 and 19 end a match, 23 is in the last step
    mean = 1.5 * torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
    total = 0.0
    for row, mu in zip(rows.tolist(), mean.numpy(), strict=True):
        t, n = divmod(row, MATCHES)
        if (t, n) in by_hand.usable():
            total += by_hand.gain(t, n, mu)
    loss = hooks.extra_loss(rows, mean)
    assert loss is not None
    assert loss.item() == pytest.approx(-0.7 * total / 7, rel=2e-4, abs=1e-6)


def test_loss_reaches_the_policy_and_not_the_models() -> None:
    hooks, _ = shown(mode="loss", **EVERYTHING)
    before = {name: array.copy() for name, array in hooks.state().arrays.items()}
    mean = torch.zeros(8, 2, requires_grad=True)
    loss = hooks.extra_loss(torch.arange(8), mean)
    assert loss is not None
    loss.backward()
    assert mean.grad is not None
    assert mean.grad.abs().sum() > 0
    assert isinstance(hooks.surrogate, Imitation)
    for model in (hooks.surrogate.model, hooks.transition.model):
        assert not any(weight.requires_grad for weight in model.network.parameters())
    for name, array in hooks.state().arrays.items():
        np.testing.assert_array_equal(array, before[name])


def test_rows_that_are_masked_move_no_policy() -> None:
    """A mean action at the end of a match has no gradient, its neighbours have."""
    hooks, _ = shown(mode="loss", **EVERYTHING)
    mean = torch.zeros(ROWS, 2, requires_grad=True)
    loss = hooks.extra_loss(torch.arange(ROWS), mean)
    assert loss is not None
    loss.backward()
    assert mean.grad is not None
    still = [row for row in range(ROWS) if not mean.grad[row].any()]
    assert still == [9, 19, *range(ROWS - MATCHES, ROWS)]


def test_each_mode_enters_by_its_own_door() -> None:
    asked = torch.arange(4), torch.zeros(4, 2)
    for mode in ("reward", "loss"):
        hooks, rollout = (
            hooks_of(mode=mode, weight=1.0, **EVERYTHING),
            made_up_rollout(np.random.default_rng(0)),
        )
        hooks.on_rollout(rollout, 0.0)
        assert (rollout.bonus is None) == (mode == "loss")
        assert (hooks.extra_loss(*asked) is None) == (mode == "reward")
