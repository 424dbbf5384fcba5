"""The two deviations of 'ours' as a fading reward."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from attacks.ours import AsReward
from attacks.shaping import standardised
from attacks.victim_model import Imitation
from tests.attacks.conftest import (
    MATCHES,
    STEPS,
    made_up_rollout,
)
from tests.attacks.ours_hooks import NORM_OF, ByHand, hooks_of, shown


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
@pytest.mark.parametrize(
    ("eta", "action_weight", "put_back"),
    [(0.0, 1.0, "all"), (0.5, 1.0, "all"), (0.5, 0.0, "all"), (0.0, 1.0, "place"),
     (0.5, 1.0, "posture")],
)  # fmt: skip
def test_the_reward_is_the_counterfactual_deviations(
    norm: str, eta: float, action_weight: float, put_back: str
) -> None:
    """Recomputed step by step: against the initial pose, or part of it, and doing nothing."""
    columns = {"all": [4, 5, 6, 7], "place": [4, 6], "posture": [5, 7]}[put_back]
    settings = {
        "weight": 0.5, "norm": norm, "eta": eta, "saliency": "gradient",
        "action_weight": action_weight, "put_back": put_back,
    }  # fmt: skip
    hooks, rollout = hooks_of(**settings), made_up_rollout(np.random.default_rng(0))
    hooks.on_rollout(rollout, 0.15)
    by_hand = ByHand(hooks, rollout, settings)
    signal = np.empty((STEPS, MATCHES))
    deviations = []
    for t, n in itertools.product(range(STEPS), range(MATCHES)):
        s, absent = by_hand.see(t, n), by_hand.see(t, n).copy()
        absent[columns] = ((0.0 - by_hand.mean) / by_hand.std)[columns]
        f = by_hand.run(by_hand.f, s) - by_hand.run(by_hand.f, absent)
        action = NORM_OF[norm](f.tolist())
        did = by_hand.predicted(t, n, rollout.actions[t, n])
        nothing = by_hand.predicted(t, n, np.zeros(2))
        observation = NORM_OF[norm]((did - nothing).tolist())
        signal[t, n] = action_weight * by_hand.weight(t, n) * action - eta * observation
        deviations.append((action, observation))
    bonus = 0.5 * (1 - 0.15 / 0.6) * standardised(signal.astype(np.float32))
    np.testing.assert_allclose(rollout.bonus, bonus, rtol=2e-3, atol=1e-4)
    facts, (action, observation) = hooks.diagnostics(), np.mean(deviations, axis=0)
    assert facts["action_deviation"] == pytest.approx(action, rel=1e-3)
    if eta:
        assert facts["observation_deviation"] == pytest.approx(observation, rel=1e-3)


def test_reward_falls_to_nothing_at_the_end_of_the_anneal() -> None:
    bonuses = []
    for progress in (0.0, 0.3, 0.6, 0.9):
        hooks = hooks_of(weight=1.0, anneal_until=0.6)
        rollout = made_up_rollout(np.random.default_rng(0))
        hooks.on_rollout(rollout, progress)
        assert rollout.bonus is not None
        bonuses.append(float(np.abs(rollout.bonus).mean()))
    assert bonuses[0] == pytest.approx(2 * bonuses[1], rel=1e-3)
    assert bonuses[2:] == [0.0, 0.0]


def test_reward_is_standardised_and_clipped() -> None:
    hooks, rollout = hooks_of(weight=1.0), made_up_rollout(np.random.default_rng(0))
    hooks.on_rollout(rollout, 0.0)
    assert rollout.bonus is not None
    assert abs(rollout.bonus.mean()) < 0.3
    assert rollout.bonus.std() > 0.5
    assert np.abs(rollout.bonus).max() <= 3.0 + 1e-5


def test_action_deviation_is_blind_to_what_is_not_the_adversary() -> None:
    """Where the victim's surrogate ignores the adversary, the deviation is nothing."""
    hooks, rollout = shown()
    assert isinstance(hooks, AsReward)
    assert isinstance(hooks.surrogate, Imitation)
    watched = hooks.watch(rollout, with_transition=False)
    assert watched is not None
    first = hooks.surrogate.model.network.dense[0]
    with torch.no_grad():
        first.weight[:, 4:8] = 0.0
    hooks.signal(rollout, watched)
    assert hooks.diagnostics()["action_deviation"] == 0.0
    with torch.no_grad():
        first.weight[:, 4:8] = 1.0
    hooks.signal(rollout, watched)
    assert hooks.diagnostics()["action_deviation"] > 0.0
