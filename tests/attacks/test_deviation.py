"""Norms of a deviation, and the part of an action that is due to the adversary."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from attacks.deviation import NORMS, Norm, due_to_adversary, l1, l2, linf
from attacks.victim_model import PutBack, VictimView
from tests.attacks.conftest import PONG


@settings(max_examples=40)
@given(st.lists(st.lists(st.floats(-9, 9, width=32), min_size=3, max_size=3), min_size=1))
def test_norms_are_the_textbook_ones(rows: list[list[float]]) -> None:
    x = torch.tensor(rows, dtype=torch.float64)
    torch.testing.assert_close(l1(x), torch.linalg.vector_norm(x, 1, dim=1) / 3)
    torch.testing.assert_close(l2(x), torch.linalg.vector_norm(x, 2, dim=1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(linf(x), torch.linalg.vector_norm(x, torch.inf, dim=1))


def test_l2_is_differentiable_where_nothing_deviates() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    l2(x).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_every_norm_of_the_enum_has_its_function() -> None:
    assert {"l1": l1, "l2": l2, "linf": linf} == NORMS


def _seen(rows: int = 9) -> tuple[VictimView, Tensor]:
    """A view that has seen some observations, and what it sees of them."""
    view = VictimView(PONG.seats[1])
    obs = np.random.default_rng(0).normal(1.0, 2.0, size=(rows, 1, 13)).astype(np.float32)
    return view, torch.from_numpy(view.see(obs)[:, 0])


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_the_deviation_is_against_the_adversary_at_its_start(norm: Norm) -> None:
    """F adds columns up: what is due to the adversary is what its own columns add."""
    view, s = _seen()
    matrix = torch.randn(13, 2, generator=torch.Generator().manual_seed(0))
    absent = view.without_adversary(s)
    wanted = NORMS[norm]((s[:, 4:8] - absent[:, 4:8]) @ matrix[4:8])
    found = due_to_adversary(lambda x: x @ matrix, view, s, norm)
    torch.testing.assert_close(found, wanted)
    assert (found > 0).all()


@pytest.mark.parametrize(
    ("put_back", "columns"), [("all", [4, 5, 6, 7]), ("place", [4, 6]), ("posture", [5, 7])]
)
def test_the_deviation_is_of_what_is_put_back(put_back: PutBack, columns: list[int]) -> None:
    """Pong shows a paddle's place and its speed of each axis in turn."""
    view, s = _seen()
    absent = view.without_adversary(s, put_back)
    assert (absent != s).any(dim=0).nonzero()[:, 0].tolist() == columns
    assert torch.equal(absent[:, columns], view.without_adversary(s)[:, columns])
    kept = [k for k in range(13) if k not in columns]
    assert not due_to_adversary(lambda x: x[:, kept], view, s, "l1", put_back).any()
    assert due_to_adversary(lambda x: x[:, columns], view, s, "l1", put_back).all()


def test_the_deviation_is_blind_to_what_is_not_the_adversary() -> None:
    view, s = _seen()
    others = [k for k in range(13) if not 4 <= k < 8]
    found = due_to_adversary(lambda x: x[:, others].square(), view, s, "l1")
    assert not found.any()


def test_the_deviation_has_no_graph() -> None:
    view, s = _seen()
    assert not due_to_adversary(torch.tanh, view, s.requires_grad_(True), "l1").requires_grad
