"""`unfamiliar`: paid for states of the victim's body that were not seen at first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attacks.baseline import Baseline
from attacks.shaping import standardised
from attacks.unfamiliar import FAMILIAR_STEPS, FAR, FarFromHome, Unfamiliar, Unfamiliarity
from benchmark.errors import Misuse
from benchmark.learning.progress import Quiet
from benchmark.learning.rollout import Rollout
from tests.attacks.conftest import (
    BUDGET,
    MATCHES,
    PONG,
    STEPS,
    assert_same_policy,
    differ,
    made_up_rollout,
    pong_arena,
    toy_config,
    trained,
)

ROWS = STEPS * MATCHES
VICTIM = PONG.seats[1]
BODY = slice(0, 4)
"""The victim's own columns, on Pong's card."""


def rollout_of(seed: int) -> Rollout:
    """A made-up rollout."""
    return made_up_rollout(np.random.default_rng(seed))


def hooks_of(**settings: Any) -> FarFromHome:
    """The method's hooks for Pong, at weight 1."""
    attack = Unfamiliar(toy_config(Unfamiliar, **{"weight": 1.0, "anneal_until": 0.6, **settings}))
    hooks = attack.hooks(pong_arena(), np.random.default_rng(0))
    assert isinstance(hooks, FarFromHome)
    return hooks


def knowing(*seeds: int) -> Unfamiliarity:
    """One that has been shown these rollouts."""
    made = Unfamiliarity(VICTIM, familiar_steps=ROWS * len(seeds))
    for seed in seeds:
        made.see(rollout_of(seed))
    return made


@pytest.mark.parametrize("preset", ["tuned", "published"])
def test_weight_zero_is_the_baseline_to_the_last_bit(preset: str) -> None:
    plain, progress = trained(Baseline, preset=preset), Quiet()
    assert_same_policy(plain, trained(Unfamiliar, progress, preset=preset, weight=0))
    assert "unfamiliarity" in progress.curve[-1].diagnostics  # it was live
    assert differ(plain, trained(Unfamiliar, preset=preset, weight=0.5))


def test_a_training_that_ends_before_it_knows_is_the_baseline() -> None:
    ours = trained(Unfamiliar, weight=1.0, familiar_steps=BUDGET)
    assert_same_policy(trained(Baseline), ours)


def test_the_distance_is_the_mean_in_deviations_of_what_was_seen_first() -> None:
    """Coordinate by coordinate, against both rollouts that were watched."""
    known = np.concatenate([rollout_of(s).other_obs[..., BODY].reshape(-1, 4) for s in (0, 1)])
    mean = known.astype(np.float64).mean(axis=0)
    std = known.astype(np.float64).std(axis=0)
    later = rollout_of(2)
    later.other_obs[0, 0, 0] = 1e5  # farther than far
    found = knowing(0, 1).of(later)
    assert found.shape == (STEPS, MATCHES)
    assert found.dtype == np.float32
    for t in range(STEPS):
        for n in range(MATCHES):
            sensed = later.other_obs[t, n, BODY]
            parts = [min(FAR, abs(float(sensed[k]) - mean[k]) / std[k]) for k in range(4)]
            assert float(found[t, n]) == pytest.approx(sum(parts) / 4, rel=1e-4)


def test_it_looks_at_the_victim_s_own_body_alone() -> None:
    made, rollout = knowing(0), rollout_of(1)
    before = made.of(rollout)
    rollout.other_obs[..., 4:] += 5.0
    rollout.obs += 5.0
    np.testing.assert_array_equal(made.of(rollout), before)
    rollout.other_obs[..., BODY] += 5.0
    assert (made.of(rollout) > before).all()


def test_looking_changes_nothing_that_it_looks_at() -> None:
    made, rollout = knowing(0), rollout_of(1)
    kept = rollout.other_obs.copy()
    made.of(rollout)
    np.testing.assert_array_equal(rollout.other_obs, kept)


@pytest.mark.parametrize("familiar_steps", [1, ROWS, ROWS + 1, 2 * ROWS])
def test_nothing_is_paid_before_enough_was_seen(familiar_steps: int) -> None:
    hooks, watched = hooks_of(familiar_steps=familiar_steps), -(-familiar_steps // ROWS)
    for number in range(4):
        rollout = rollout_of(number)
        hooks.on_rollout(rollout, 0.0)
        if number < watched:
            assert rollout.bonus is None
            assert hooks.diagnostics() == {}
        else:
            wanted = knowing(*range(watched)).of(rollout)
            np.testing.assert_array_equal(rollout.bonus, standardised(wanted))
            assert hooks.diagnostics() == {"unfamiliarity": pytest.approx(wanted.mean())}


def test_what_is_known_is_frozen_afterwards() -> None:
    hooks = hooks_of(familiar_steps=2 * ROWS)
    states = []
    for number in range(5):
        hooks.on_rollout(rollout_of(number), 0.0)
        states.append({k: v.copy() for k, v in hooks.state().arrays.items()})
    assert float(states[0]["unfamiliar/count"]) == ROWS
    assert not np.array_equal(states[0]["unfamiliar/mean"], states[1]["unfamiliar/mean"])
    for later in states[2:]:
        for name, array in states[1].items():
            np.testing.assert_array_equal(later[name], array)


def test_see_takes_nothing_in_once_it_knows() -> None:
    made = knowing(0)
    before = made.state()
    made.see(rollout_of(1))
    np.testing.assert_array_equal(made.state()["mean"], before["mean"])
    assert made.knows


@pytest.mark.parametrize("after", [1, 2])
def test_restored_hooks_pay_the_same(after: int) -> None:
    """Killed while watching, or after."""
    whole = hooks_of(familiar_steps=2 * ROWS)
    for number in range(after):
        whole.on_rollout(rollout_of(number), 0.0)
    resumed = hooks_of(familiar_steps=2 * ROWS)
    resumed.restore(whole.state())
    for number in range(after, 5):
        one, other = rollout_of(number), rollout_of(number)
        whole.on_rollout(one, 0.1)
        resumed.on_rollout(other, 0.1)
        np.testing.assert_array_equal(one.bonus, other.bonus)
        assert (one.bonus is None) == (number < 2)


def test_strange_states_are_the_better_ones() -> None:
    hooks = hooks_of(familiar_steps=1)
    hooks.on_rollout(rollout_of(0), 0.0)
    rollout = rollout_of(1)
    rollout.other_obs[3, 2, BODY] += 6.0
    hooks.on_rollout(rollout, 0.0)
    assert rollout.bonus is not None
    assert rollout.bonus.argmax() == 3 * MATCHES + 2


def test_the_first_steps_are_counted_as_documented() -> None:
    config = Unfamiliar.configure(PONG, {})
    assert config.familiar_steps == FAMILIAR_STEPS == 163_840  # type: ignore[attr-defined]
    with pytest.raises(Misuse, match="setting 'familiar_steps'"):
        Unfamiliar.configure(PONG, {"familiar_steps": 0})
