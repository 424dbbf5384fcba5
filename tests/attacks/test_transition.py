"""H: what it reads, what it says, what it learns from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pytest
import torch

from attacks.transition import Transition
from attacks.victim_model import Steps
from benchmark.learning.regression import explained
from tests.attacks.victims import ME, VICTIM, pairs_of, rng, weights_of


@dataclass(frozen=True)
class HConfig:
    """A small H."""

    transition_inputs: Literal["text", "released"] = "text"
    transition_output: Literal["change", "next", "tanh"] = "change"
    transition_columns: Literal["all", "own"] = "all"
    transition_hidden: tuple[int, ...] = (24,)
    transition_passes: int = 1
    eps_s: float = 0.0
    model_rate: float = 5e-3
    model_rows: int = 4096
    model_minibatch: int = 128


def transition(**settings: Any) -> Transition:
    """H of these seats, fitted once."""
    made = Transition(replace(HConfig(), **settings), ME, VICTIM, rng())
    made.fit(pairs_of())
    return made


inputs = pytest.mark.parametrize(
    ("kind", "read"),
    [("text", {"view", "action", "victim_action"}), ("released", {"own", "action"})],
)


@inputs
def test_h_reads_what_its_inputs_say_and_nothing_else(kind: Any, read: set[str]) -> None:
    model, steps = transition(transition_inputs=kind, transition_output="next"), pairs_of(8, seed=1)
    before = model(steps, steps.action)
    assert before.shape == (8, 6)
    for field in Steps._fields:
        moved = steps._replace(**{field: getattr(steps, field) + 0.5})
        changed = not torch.equal(model(moved, moved.action), before)
        assert changed == (field in read), field


@inputs
def test_h_answers_for_the_action_it_is_asked_about(kind: Any, read: set[str]) -> None:
    """Not for the one that was played."""
    model, steps = transition(transition_inputs=kind), pairs_of(8, seed=1)
    other = torch.full_like(steps.action, 0.25)
    asked = model(steps, other)
    assert not torch.equal(asked, model(steps, steps.action))
    torch.testing.assert_close(asked, model(steps._replace(action=other), other))


def test_outputs_are_the_next_view_it_bounded_or_a_scaled_change() -> None:
    steps = pairs_of(8, seed=1)
    x = torch.cat([steps.view, steps.action, steps.victim_action], dim=1)
    model = transition(transition_output="next")
    torch.testing.assert_close(model(steps, steps.action), model.model.network(x))
    model = transition(transition_output="tanh")
    bounded = model(steps, steps.action)
    torch.testing.assert_close(bounded, model.model.network(x).tanh())
    assert bounded.abs().max() <= 1
    model = transition(transition_output="change")
    told = pairs_of()
    spread = (told.next_view - told.view).std(0, correction=0)
    wanted = steps.view + model.model.network(x) * spread
    torch.testing.assert_close(model(steps, steps.action), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("output", ["change", "next", "tanh"])
def test_own_columns_leave_the_rest_to_what_really_came(output: Any) -> None:
    model = transition(transition_columns="own", transition_output=output)
    steps = pairs_of(8, seed=1)
    predicted = model(steps, steps.action)
    assert torch.equal(predicted[:, 3:], steps.next_view[:, 3:])
    assert not torch.isclose(predicted[:, :3], steps.next_view[:, :3]).any()
    assert predicted.shape == steps.view.shape


def test_own_columns_in_the_middle_of_a_view_stay_there() -> None:
    middle = VICTIM.model_copy(update={"own_view": (2, 4)})
    model = Transition(HConfig(transition_columns="own"), ME, middle, rng())
    model.fit(pairs_of())
    steps = pairs_of(8, seed=1)
    predicted, others = model(steps, steps.action), [0, 1, 4, 5]
    assert torch.equal(predicted[:, others], steps.next_view[:, others])
    assert not torch.isclose(predicted[:, 2:4], steps.next_view[:, 2:4]).any()


@pytest.mark.parametrize("output", ["change", "next"])
@pytest.mark.parametrize("columns", ["all", "own"])
def test_h_learns_a_linear_world_better_than_that_nothing_changes(
    output: Any, columns: Any
) -> None:
    model = transition(transition_output=output, transition_columns=columns)
    judged = [model.fit(pairs_of(seed=k)) for k in range(1, 25)]
    steps = pairs_of(seed=77)
    error = (model(steps, steps.action) - steps.next_view)[:, :3].square().mean()
    persistence = (steps.view - steps.next_view)[:, :3].square().mean()
    assert float(error) < 0.4 * float(persistence)
    assert judged[-1] > 0.8
    assert judged[-1] > judged[0]


def test_an_h_that_does_not_see_the_victim_learns_little_of_it() -> None:
    """As released: in this world the adversary's observation says nothing of the victim's."""
    model = transition(transition_inputs="released", transition_output="next")
    assert max(model.fit(pairs_of(seed=k)) for k in range(1, 12)) < 0.2


@pytest.mark.parametrize("output", ["change", "next"])
def test_rows_that_are_not_valid_teach_nothing(output: Any) -> None:
    """Whatever stands in them: neither the weights, nor the deviations of changes, nor R2."""
    steps = pairs_of()
    steps.valid[::3] = 0.0
    poisoned = steps._replace(next_view=steps.next_view.clone())
    poisoned.next_view[::3] = 1e6
    clean, dirty = (
        Transition(HConfig(transition_output=output), ME, VICTIM, rng()) for _ in range(2)
    )
    assert clean.fit(steps) == dirty.fit(poisoned)
    for name, array in clean.state().items():
        np.testing.assert_array_equal(array, dirty.state()[name], err_msg=name)


def test_h_is_judged_before_it_learns() -> None:
    model, steps = Transition(HConfig(transition_output="next"), ME, VICTIM, rng()), pairs_of()
    x = torch.cat([steps.view, steps.action, steps.victim_action], dim=1).numpy()
    before = explained(model.model.infer(x), steps.next_view.numpy())
    assert model.fit(steps) == before


def test_a_dead_zone_of_h_wider_than_every_error_teaches_nothing() -> None:
    model = Transition(HConfig(eps_s=1e3), ME, VICTIM, rng())
    before = weights_of(model)
    model.fit(pairs_of())
    np.testing.assert_array_equal(weights_of(model), before)


@pytest.mark.parametrize("output", ["change", "tanh"])
def test_a_restored_h_continues_exactly(output: Any) -> None:
    chance = rng()
    chosen = HConfig(transition_output=output)
    whole = Transition(chosen, ME, VICTIM, chance)
    whole.fit(pairs_of(seed=0))
    saved = {name: array.copy() for name, array in whole.state().items()}
    resumed = Transition(chosen, ME, VICTIM, np.random.default_rng(8))
    resumed.restore(saved)
    resumed.model._rng = np.random.default_rng(5)
    resumed.model._rng.bit_generator.state = chance.bit_generator.state
    for k in (1, 2):
        assert whole.fit(pairs_of(seed=k)) == resumed.fit(pairs_of(seed=k))
    steps = pairs_of(8, seed=9)
    assert torch.equal(whole(steps, steps.action), resumed(steps, steps.action))


def test_gradients_reach_the_action_and_not_h() -> None:
    model, steps = transition(), pairs_of(8, seed=1)
    action = steps.action.clone().requires_grad_(True)
    before = weights_of(model)
    model(steps, action).sum().backward()
    assert action.grad is not None
    assert action.grad.abs().sum() > 0
    assert not any(weight.requires_grad for weight in model.model.network.parameters())
    np.testing.assert_array_equal(weights_of(model), before)
