"""`drift`: the action deviation of `ours`, handing over to the states of `unfamiliar`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attacks.baseline import Baseline
from attacks.deviation import due_to_adversary
from attacks.drift import ActionThenState, Drift
from attacks.shaping import standardised
from attacks.unfamiliar import Unfamiliarity
from attacks.victim_model import Imitation, Seen, VictimView
from benchmark.errors import Misuse
from benchmark.learning.progress import Quiet
from benchmark.learning.rollout import Rollout
from tests.attacks.conftest import (
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
HAND_OVER = 0.4
FIRST, SECOND = {"surrogate_r2", "action_deviation"}, {"unfamiliarity"}


def rollout_of(seed: int) -> Rollout:
    """A made-up rollout."""
    return made_up_rollout(np.random.default_rng(seed))


def config_of(**settings: Any) -> Any:
    """Known after one rollout, at weight 1, annealed to the end."""
    known = {"weight": 1.0, "anneal_until": 1, "familiar_steps": ROWS, "hand_over": HAND_OVER}
    return toy_config(Drift, **{**known, **settings})


def hooks_of(**settings: Any) -> ActionThenState:
    """The method's hooks for Pong."""
    hooks = Drift(config_of(**settings)).hooks(pong_arena(), np.random.default_rng(0))
    assert isinstance(hooks, ActionThenState)
    return hooks


@pytest.mark.parametrize("preset", ["tuned", "published"])
def test_weight_zero_is_the_baseline_to_the_last_bit(preset: str) -> None:
    plain, progress = trained(Baseline, preset=preset), Quiet()
    assert_same_policy(plain, trained(Drift, progress, preset=preset, weight=0, hand_over=0.5))
    shares = [point.diagnostics["second_signal"] for point in progress.curve]
    assert shares == [0.0, 0.5, 1.0, 1.0]  # both signals were live
    assert differ(plain, trained(Drift, preset=preset, weight=0.5))


@pytest.mark.parametrize("progress", [0.0, 0.1, 0.2, 0.3, HAND_OVER, 0.5, 1.0])
def test_the_signal_passes_from_one_to_the_other(progress: float) -> None:
    """Both recomputed apart, from the same rollouts and the same chance."""
    hooks, config, chance = hooks_of(), config_of(), np.random.default_rng(0)
    hooks.on_rollout(rollout_of(0), 0.0)
    later = rollout_of(1)
    found = hooks.signal(later, progress)

    view, victim = VictimView(PONG.seats[1]), PONG.seats[1]
    surrogate = Imitation(config, victim, chance)
    surrogate.fit(Seen(rollout_of(0), view, 1.0))
    share = min(1.0, progress / HAND_OVER)
    wanted = np.zeros((STEPS, MATCHES))
    if share < 1:
        pairs = Seen(later, view, 1.0)
        surrogate.fit(pairs)
        moved = due_to_adversary(surrogate, view, pairs.steps.view, "l1").numpy()
        wanted += (1 - share) * standardised(moved.reshape(STEPS, MATCHES))
    known = Unfamiliarity(victim, ROWS)
    known.see(rollout_of(0))
    wanted += share * standardised(known.of(later))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("progress", "share", "told"),
    [
        (0.0, 0.0, FIRST),
        (0.1, 0.25, FIRST | SECOND),
        (0.3, 0.75, FIRST | SECOND),
        (HAND_OVER, 1.0, SECOND),
        (0.9, 1.0, SECOND),
    ],
)
def test_shares_are_linear_in_the_progress(progress: float, share: float, told: set[str]) -> None:
    """And neither signal is made where it has no share."""
    hooks = hooks_of()
    hooks.on_rollout(rollout_of(0), 0.0)
    before = hooks.state().get("drift.surrogate")["flat"].copy()
    hooks.on_rollout(rollout_of(1), progress)
    facts = hooks.diagnostics()
    assert facts["second_signal"] == pytest.approx(share)
    assert facts.keys() == {"second_signal", *told}
    fitted = not np.array_equal(before, hooks.state().get("drift.surrogate")["flat"])
    assert fitted == (share < 1)


def test_the_first_signal_stays_until_the_second_knows_something() -> None:
    hooks = hooks_of(familiar_steps=2 * ROWS)
    shares = []
    for number, progress in enumerate([0.3, 0.5, 0.6]):
        hooks.on_rollout(rollout_of(number), progress)
        shares.append(hooks.diagnostics()["second_signal"])
    assert shares == [0.0, 0.0, 1.0]


def test_what_is_known_is_frozen_while_the_first_signal_goes_on() -> None:
    hooks = hooks_of()
    hooks.on_rollout(rollout_of(0), 0.0)
    kept = {k: v.copy() for k, v in hooks.state().get("drift.unfamiliarity").items()}
    hooks.on_rollout(rollout_of(1), 0.1)
    for name, array in hooks.state().get("drift.unfamiliarity").items():
        np.testing.assert_array_equal(array, kept[name])
    assert float(kept["count"]) == ROWS


def test_what_is_paid_is_the_signal_standardised_again_and_annealed() -> None:
    one, other = hooks_of(weight=0.5, anneal_until=0.8), hooks_of()
    for hooks in (one, other):
        hooks.on_rollout(rollout_of(0), 0.0)
    rollout = rollout_of(1)
    one.on_rollout(rollout, 0.2)
    wanted = 0.5 * 0.75 * standardised(other.signal(rollout_of(1), 0.2))
    np.testing.assert_allclose(rollout.bonus, wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("after", [1, 2])
def test_restored_hooks_pay_the_same(after: int) -> None:
    progress = [0.0, 0.1, 0.2, 0.3, 0.4]
    whole = hooks_of(familiar_steps=2 * ROWS)
    for number in range(after):
        whole.on_rollout(rollout_of(number), progress[number])
    saved = whole.state()
    saved.arrays = {name: array.copy() for name, array in saved.arrays.items()}
    resumed = Drift(config_of(familiar_steps=2 * ROWS)).hooks(
        pong_arena(), np.random.default_rng(99)
    )
    resumed.restore(saved)
    for number in range(after, 5):
        one, other = rollout_of(number), rollout_of(number)
        whole.on_rollout(one, progress[number])
        resumed.on_rollout(other, progress[number])
        np.testing.assert_array_equal(one.bonus, other.bonus)
        assert whole.diagnostics() == resumed.diagnostics()


@pytest.mark.parametrize("value", [0, -0.1, 1.5])
def test_a_hand_over_outside_the_budget_is_refused(value: float) -> None:
    with pytest.raises(Misuse, match="setting 'hand_over'"):
        Drift.configure(PONG, {"hand_over": value})


def test_the_hand_over_is_as_documented() -> None:
    config = Drift.configure(PONG, {})
    assert (config.hand_over, config.familiar_steps) == (0.3, 163_840)  # type: ignore[attr-defined]
