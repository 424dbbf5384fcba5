"""What is learned of a victim by watching it: its view, the pairs, and F."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from attacks.ours import Ours
from attacks.victim_model import (
    VIEW_CLIP,
    Imitation,
    Seen,
    SurrogateConfig,
    TrueVictim,
    VictimView,
)
from benchmark.errors import Misuse
from benchmark.learning.regression import explained
from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import MLPPolicy, PolicyCard, RandomPolicy, expected_shapes
from tests.attacks.conftest import MATCHES, STEPS, made_up_rollout, toy_config
from tests.attacks.victims import VICTIM, pairs_of, rng, shown_pairs, weights_of


def observations(steps: int = 40, matches: int = 5, seed: int = 0) -> np.ndarray:
    """Raw observations (T, N, D) of the victim, off centre and of unlike scales."""
    chance = np.random.default_rng(seed)
    scale = np.array([0.1, 1.0, 20.0, 3.0, 0.5, 1.0])
    drawn = chance.normal(size=(steps, matches, 6)) * scale + 4.0 * scale
    return drawn.astype(np.float32)


def seen_view(*, standardise: bool = True) -> VictimView:
    """A view that has seen some observations."""
    view = VictimView(VICTIM, standardise=standardise)
    view.see(observations())
    return view


# --- the view ------------------------------------------------------------------------------


def test_a_view_is_in_deviations_of_all_that_was_seen() -> None:
    view, first, second = VictimView(VICTIM), observations(seed=0), observations(7, seed=1) * 2
    view.see(first)
    found = view.see(second)
    rows = np.concatenate([first.reshape(-1, 6), second.reshape(-1, 6)]).astype(np.float64)
    wanted = (second - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0) + 1e-8)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)


def test_seeing_counts_and_looking_does_not() -> None:
    view = seen_view()
    before = view.moments.state()
    view.of(observations(seed=9))
    for name, array in view.moments.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_view_is_clipped_on_both_sides() -> None:
    view = seen_view()
    far = np.array([[1e6, -1e6, 0, 0, 0, 0]], dtype=np.float32)
    assert view.of(far)[0, :2].tolist() == [VIEW_CLIP, -VIEW_CLIP]


@settings(max_examples=40)
@given(hnp.arrays(np.float32, (3, 6), elements=st.floats(-9, 9, width=32)))
def test_raw_undoes_the_view(deviations: np.ndarray) -> None:
    """Where nothing was clipped."""
    for standardise in (True, False):
        view = seen_view(standardise=standardise)
        raw = view.raw(torch.from_numpy(deviations)).numpy()
        np.testing.assert_allclose(view.of(raw), deviations, atol=1e-4)


def test_what_was_clipped_stays_clipped() -> None:
    view = seen_view()
    far = np.full((1, 6), 1e6, dtype=np.float32)
    back = view.raw(torch.from_numpy(view.of(far))).numpy()
    limit = view.moments.mean + VIEW_CLIP * np.sqrt(view.moments.var)
    np.testing.assert_allclose(back[0], limit, rtol=1e-4)


def test_a_raw_view_is_what_the_victim_saw() -> None:
    view, obs = seen_view(standardise=False), observations(seed=3)
    np.testing.assert_array_equal(view.see(obs), obs)
    assert torch.equal(view.raw(torch.ones(2, 6)), torch.ones(2, 6))


@pytest.mark.parametrize("standardise", [True, False])
def test_without_the_adversary_its_columns_alone_show_its_initial_pose(standardise: bool) -> None:
    view = seen_view(standardise=standardise)
    s = torch.from_numpy(view.of(observations(seed=2)).reshape(-1, 6))
    kept, absent = s.clone(), view.without_adversary(s)
    others = [0, 1, 2, 5]
    assert torch.equal(absent[:, others], kept[:, others])
    pose = view.raw(absent)[:, 3:5]
    torch.testing.assert_close(
        pose, torch.tensor([1.5, -2.0]).expand_as(pose), rtol=1e-4, atol=1e-4
    )
    assert torch.equal(s, kept)  # what was given is not written into


# --- the pairs -----------------------------------------------------------------------------


class _Plain(VictimView):
    """A raw view of Pong's victim."""

    def __init__(self) -> None:
        super().__init__(VICTIM.model_copy(update={"obs_dim": 13}), standardise=False)


def seen(**options: Any) -> tuple[Any, Seen]:
    """A made-up rollout, and what was seen of it with raw views."""
    rollout = made_up_rollout(rng())
    return rollout, Seen(rollout, _Plain(), 0.5, **options)


def test_rows_are_steps_by_matches() -> None:
    rollout, pairs = seen(with_own=True)
    steps = pairs.steps
    for row in range(STEPS * MATCHES):
        t, n = divmod(row, MATCHES)
        np.testing.assert_array_equal(steps.view[row], rollout.other_obs[t, n])
        np.testing.assert_array_equal(steps.own[row], rollout.obs[t, n])
        np.testing.assert_array_equal(steps.action[row], rollout.actions[t, n].clip(-0.5, 0.5))
        np.testing.assert_array_equal(steps.victim_action[row], rollout.other_action[t, n])
        if t < STEPS - 1:
            np.testing.assert_array_equal(steps.next_view[row], rollout.other_obs[t + 1, n])
            np.testing.assert_array_equal(
                steps.next_victim_action[row], rollout.other_action[t + 1, n]
            )


def test_targets_never_cross_the_end_of_a_match() -> None:
    _, pairs = seen()
    valid = pairs.steps.valid.numpy().reshape(STEPS, MATCHES)
    wanted = np.ones((STEPS, MATCHES))
    wanted[2, 1] = wanted[4, 3] = 0
    wanted[-1] = 0
    np.testing.assert_array_equal(valid, wanted)


def test_targets_leak_as_released_where_asked_to() -> None:
    """Every row counts, and the last ones are followed by zeros."""
    rollout, pairs = seen(mask_ends=False)
    assert pairs.steps.valid.all()
    assert not pairs.steps.next_view[-MATCHES:].any()
    assert not pairs.steps.next_victim_action[-MATCHES:].any()
    across = pairs.steps.next_view[2 * MATCHES + 1]  # match 1 ended with step 2
    np.testing.assert_array_equal(across, rollout.other_obs[3, 1])


def test_the_adversary_s_observation_is_kept_only_where_it_is_read() -> None:
    assert seen()[1].steps.own.shape == (STEPS * MATCHES, 0)
    assert seen(with_own=True)[1].steps.own.shape == (STEPS * MATCHES, 13)


def test_the_view_of_a_rollout_counts_that_rollout() -> None:
    view, rollout = VictimView(VICTIM.model_copy(update={"obs_dim": 13})), made_up_rollout(rng())
    steps = Seen(rollout, view, 1.0).steps
    assert view.moments.count == STEPS * MATCHES
    torch.testing.assert_close(steps.view.mean(0), torch.zeros(13), atol=1e-5, rtol=0)
    torch.testing.assert_close(steps.view.std(0, correction=0), torch.ones(13), atol=1e-4, rtol=0)


@settings(max_examples=40)
@given(st.lists(st.integers(0, STEPS * MATCHES - 1), max_size=30), st.booleans(), st.booleans())
def test_taking_rows_is_indexing(rows: list[int], with_own: bool, prepared: bool) -> None:
    pairs = seen(with_own=with_own)[1]
    if prepared:
        pairs.prepare()
    index = torch.tensor(rows, dtype=torch.long)
    for taken, whole in zip(pairs.take(index), pairs.steps, strict=True):
        assert torch.equal(taken, whole[index])


# --- F, learned ----------------------------------------------------------------------------


def config(**settings: Any) -> SurrogateConfig:
    """A small F."""
    small = {"surrogate_hidden": (24,), "model_rate": 5e-3, "model_minibatch": 128, "eps_a": 0.01}
    made = toy_config(Ours, **{**small, **settings})
    assert isinstance(made, SurrogateConfig)
    return made


def test_f_learns_a_victim_that_it_only_sees() -> None:
    surrogate = Imitation(config(), VICTIM, rng())
    judged = [surrogate.fit(shown_pairs(k)) for k in range(25)]
    assert judged[0] < 0.2
    assert judged[-1] > 0.7


def test_f_is_judged_before_it_learns() -> None:
    shown, surrogate = shown_pairs(), Imitation(config(), VICTIM, rng())
    steps = shown.steps
    before = explained(surrogate.model.infer(steps.view.numpy()), steps.victim_action.numpy())
    assert surrogate.fit(shown) == before


def test_an_online_f_is_ready_at_once_and_never_stops() -> None:
    surrogate = Imitation(config(), VICTIM, rng())
    assert surrogate.ready
    for k in range(3):
        before = weights_of(surrogate)
        surrogate.fit(shown_pairs(k))
        assert not np.array_equal(weights_of(surrogate), before)


def test_f_gives_gradients_to_the_view_and_none_to_its_weights() -> None:
    surrogate = Imitation(config(), VICTIM, rng())
    surrogate.fit(shown_pairs())
    before = weights_of(surrogate)
    s = torch.ones(4, 6, requires_grad=True)
    surrogate(s).sum().backward()
    assert s.grad is not None
    assert s.grad.abs().sum() > 0
    assert not any(weight.requires_grad for weight in surrogate.model.network.parameters())
    np.testing.assert_array_equal(weights_of(surrogate), before)


def test_a_dead_zone_wider_than_every_error_teaches_nothing() -> None:
    surrogate = Imitation(config(eps_a=1e3), VICTIM, rng())
    before = weights_of(surrogate)
    surrogate.fit(shown_pairs())
    np.testing.assert_array_equal(weights_of(surrogate), before)


def test_a_restored_f_continues_exactly() -> None:
    chance = rng()
    whole = Imitation(config(), VICTIM, chance)
    whole.fit(shown_pairs(0))
    saved = {name: array.copy() for name, array in whole.state().items()}
    later = np.random.default_rng(5)
    later.bit_generator.state = chance.bit_generator.state
    resumed = Imitation(config(), VICTIM, np.random.default_rng(8))
    resumed.restore(saved)
    resumed.model._rng = later
    for k in (1, 2):
        assert whole.fit(shown_pairs(k)) == resumed.fit(shown_pairs(k))
    np.testing.assert_array_equal(weights_of(whole), weights_of(resumed))


# --- F, in the white-box track -------------------------------------------------------------


def victim_policy(**fields: Any) -> MLPPolicy:
    """A network for the victim's seat, loud enough to leave the action box now and then."""
    card = PolicyCard(
        **{"name": "net", "kind": "mlp", "game": "any", "seat": "any", "obs_dim": 6, "act_dim": 3,
           "hidden": (8,), "origin": "test", **fields}
    )  # fmt: skip
    chance, filtered = rng(), card.filter_clip is not None
    tensors = {
        name: chance.normal(0, 0.05 if not filtered and name == "layer0.weight" else 0.3, shape)
        for name, shape in expected_shapes(card).items()
    }
    if filtered:  # narrower than what it will see, so that its clip is met
        rows = observations().reshape(-1, 6)
        tensors["filter.mean"], tensors["filter.std"] = rows.mean(axis=0), 0.5 * rows.std(axis=0)
    return MLPPolicy(card, tensors)


@pytest.mark.parametrize("standardise", [True, False])
@pytest.mark.parametrize("clip", [None, 2.0])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_white_box_f_is_the_victim_s_mean_action_in_its_box(
    standardise: bool, clip: float | None, activation: str
) -> None:
    """Whatever the view's scale and the victim's own filter."""
    policy = victim_policy(filter_clip=clip, activation=activation)
    view, obs = seen_view(standardise=standardise), observations(6, seed=1)
    surrogate = TrueVictim(policy, view, rng())
    found = surrogate(torch.from_numpy(view.of(obs).reshape(-1, 6))).numpy()
    wanted = np.clip(policy.mean(obs.reshape(-1, 6)), -0.4, 0.4)
    np.testing.assert_allclose(found, wanted, atol=2e-4)
    assert (np.abs(wanted) == np.float32(0.4)).any()
    assert (np.abs(wanted) < 0.4).any()


def test_white_box_f_explains_a_deterministic_victim_entirely() -> None:
    policy, view, steps = victim_policy(), seen_view(), pairs_of()
    mean = policy.mean(view.raw(steps.view).numpy()).clip(-0.4, 0.4)
    surrogate = TrueVictim(policy, view, rng())
    steps = steps._replace(victim_action=torch.from_numpy(mean))
    assert surrogate.fit(cast(Seen, SimpleNamespace(steps=steps))) == pytest.approx(1.0, abs=1e-6)
    noisy = steps._replace(victim_action=torch.from_numpy(mean) + 0.3 * steps.view[:, :3])
    assert surrogate.fit(cast(Seen, SimpleNamespace(steps=noisy))) < 0.9


def test_white_box_f_has_a_slope_and_nothing_to_learn_or_keep() -> None:
    surrogate = TrueVictim(victim_policy(), seen_view(), rng())
    s = torch.zeros(4, 6, requires_grad=True)
    surrogate(s).sum().backward()
    assert s.grad is not None
    assert s.grad.abs().sum() > 0
    assert not any(weight.requires_grad for weight in surrogate._tower.parameters())
    assert surrogate.ready
    assert surrogate.state() == {}
    surrogate.restore({})


def test_white_box_needs_a_victim_without_a_memory() -> None:
    card = victim_policy().card.model_copy(update={"kind": "lstm", "hidden": (4, 3)})
    shapes = expected_shapes(card).items()
    recurrent = LSTMPolicy(card, {k: np.zeros(shape, np.float32) for k, shape in shapes})
    with pytest.raises(Misuse, match="feed-forward victim, 'net' is of kind 'lstm'"):
        TrueVictim(recurrent, seen_view(), rng())
    with pytest.raises(Misuse, match="'random' is of kind 'random'"):
        TrueVictim(RandomPolicy(3, 0.4), seen_view(), rng())
