"""A blind policy plays as if it saw something else in some of its columns."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.policies.blind import Blind
from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import RandomPolicy, expected_shapes
from tests.factories import scribble

OBS = np.random.default_rng(0).normal(size=(5, 13)).astype(np.float32)


def test_it_sees_the_values_in_place_of_the_columns() -> None:
    policy = scribble()
    blind = Blind(policy, (4, 6), (0.5, -0.5))
    seen = OBS.copy()
    seen[:, 4:6] = (0.5, -0.5)
    np.testing.assert_array_equal(blind.act(OBS)[0], policy.act(seen)[0])
    assert not np.array_equal(blind.act(OBS)[0], policy.act(OBS)[0])


def test_the_observation_itself_is_left_alone() -> None:
    before = OBS.copy()
    Blind(scribble(), (0, 3), (9.0, 9.0, 9.0)).act(OBS)
    np.testing.assert_array_equal(OBS, before)


def test_what_it_cannot_see_does_not_move_it() -> None:
    blind = Blind(scribble(), (4, 8), (0.0,) * 4)
    other = OBS.copy()
    other[:, 4:8] += 3.0
    np.testing.assert_array_equal(blind.act(OBS)[0], blind.act(other)[0])


def test_one_that_needs_draws_gets_them() -> None:
    policy = RandomPolicy(2, 1.0)
    blind, draws = Blind(policy, (4, 8), (0.0,) * 4), np.full((5, 2), 0.25)
    assert blind.needs_draws
    np.testing.assert_array_equal(blind.act(OBS, None, draws)[0], policy.act(OBS, None, draws)[0])
    assert not Blind(scribble(), (4, 8), (0.0,) * 4).needs_draws


def test_a_recurrent_one_keeps_its_memory() -> None:
    card = scribble().card.model_copy(update={"kind": "lstm", "hidden": (4, 3)})
    rng = np.random.default_rng(1)
    tensors = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in expected_shapes(card).items()
    }
    policy = LSTMPolicy(card, tensors)
    blind = Blind(policy, (4, 6), (0.5, -0.5))
    state = blind.initial_state(5)
    assert state is not None
    first, state = blind.act(OBS, state)
    second, _ = blind.act(OBS, state)
    assert not np.array_equal(first, second)


def test_as_many_values_as_columns_are_wanted() -> None:
    with pytest.raises(ValueError, match="expected 2 values"):
        Blind(scribble(), (4, 6), (0.0,))
