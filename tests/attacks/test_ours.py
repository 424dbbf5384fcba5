"""'Ours': equal to the baseline at weight 0, what its curve tells, and its surrogate F."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import pytest
import torch

from attacks.baseline import Baseline
from attacks.ours import AsLoss, Ours
from attacks.ours_config import PPO_OF
from attacks.victim_model import TrueVictim
from benchmark.arena.arena import Arena
from benchmark.errors import Misuse
from benchmark.learning.progress import Quiet
from benchmark.policies.lstm import LSTMPolicy
from benchmark.policies.policy import MLPPolicy, PolicyCard, RandomPolicy, expected_shapes
from benchmark.submissions.toys import Killed, Mortal
from tests.attacks.conftest import (
    BUDGET,
    MATCHES,
    PONG,
    STEPS,
    assert_same_policy,
    differ,
    made_up_rollout,
    pong_arena,
    scribble,
    trained,
)
from tests.attacks.ours_hooks import EVERYTHING, ROWS, ByHand, hooks_of, shown

DIAGNOSTICS = {
    "surrogate_r2", "transition_r2", "action_deviation", "observation_deviation",
    "added_gradient", "mean_weight",
}  # fmt: skip


@functools.cache
def plain(preset: str = "tuned") -> MLPPolicy:
    """The baseline, trained once."""
    return trained(Baseline, preset=preset)


VARIANTS: list[dict[str, Any]] = [
    *(
        {"mode": m, "norm": n}
        for m, n in itertools.product(["reward", "loss"], ["l1", "l2", "linf"])
    ),
    *(
        {"mode": m, "saliency": s}
        for m, s in itertools.product(["reward", "loss"], ["integrated", "smooth", "none"])
    ),
    {"mode": "loss", "transition_inputs": "released", "transition_output": "tanh"},
    {"mode": "reward", "transition_columns": "own", "transition_output": "next"},
    {"mode": "loss", "standardise": False, "mask_ends": False, "saliency_columns": "tail"},
    {"mode": "loss", "surrogate": "frozen", "surrogate_epochs": 2},
    {"mode": "loss", "shards": 1, "action_weight": 0},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: ",".join(map(str, v.values())))
def test_weight_zero_is_the_baseline_to_the_last_bit(variant: dict[str, Any]) -> None:
    """Models are fitted, deviations computed, and nothing of it may leak into PPO."""
    progress = Quiet()
    ours = trained(Ours, progress, **{"weight": 0, **EVERYTHING, **variant})
    assert_same_policy(plain(), ours)
    assert len(progress.curve) == 4
    for point in progress.curve[variant.get("surrogate") == "frozen" :]:
        assert point.diagnostics.keys() >= DIAGNOSTICS
        assert point.diagnostics["added_gradient"] == 0.0


@pytest.mark.parametrize("mode", ["reward", "loss"])
@pytest.mark.parametrize("preset", ["tuned", "paper", "released"])
def test_weight_zero_is_the_baseline_in_every_preset(preset: str, mode: str) -> None:
    ours = trained(Ours, preset=preset, mode=mode, weight=0)
    assert_same_policy(plain(PPO_OF[preset]), ours)


@pytest.mark.parametrize("mode", ["reward", "loss"])
def test_weight_zero_is_the_baseline_in_the_white_box_track(mode: str) -> None:
    settings = {**EVERYTHING, "access": "white-box", "mode": mode, "weight": 0}
    assert_same_policy(plain(), trained(Ours, white_box=True, **settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "reward", "weight": 0.5},
        {"mode": "loss", "weight": 0.5},
        {"mode": "loss", "weight": 0.5, "access": "white-box"},
        {"mode": "reward", "weight": 0.5, "access": "white-box"},
        {"preset": "paper"},
        {"preset": "released"},
    ],
    ids=lambda s: ",".join(map(str, s.values())),
)
def test_weight_above_zero_is_another_policy(settings: dict[str, Any]) -> None:
    ours = trained(Ours, white_box=settings.get("access") == "white-box", **settings)
    assert differ(plain(PPO_OF[settings.get("preset", "tuned")]), ours)


@pytest.mark.parametrize(
    "settings",
    [
        {"preset": "paper"},
        {"preset": "released", "surrogate_steps": 1024},
        {"access": "white-box", "weight": 0.5, "eta": 1.0, "saliency": "smooth"},
    ],
    ids=["paper", "released", "white-box"],
)  # fmt: skip
def test_a_killed_training_ends_as_if_it_had_not_been(settings: Any, tmp_path: Any) -> None:
    """The contract's test, of what the default preset leaves out: frozen F, H, chance."""
    white_box, path = settings.get("access") == "white-box", tmp_path / "checkpoint.safetensors"
    whole = trained(Ours, white_box=white_box, **settings)
    with pytest.raises(Killed):
        trained(Ours, Mortal(path, dies_at=3), white_box=white_box, **settings)
    assert_same_policy(whole, trained(Ours, Mortal(path), white_box=white_box, **settings))


def test_a_sharded_loss_gives_the_same_policy_every_time() -> None:
    """Parts of a minibatch ask for their rows from threads at once."""
    settings = {**EVERYTHING, "mode": "loss", "weight": 0.5, "shards": 3}
    assert_same_policy(trained(Ours, **settings), trained(Ours, **settings))


@pytest.mark.parametrize("mode", ["reward", "loss"])
def test_the_curve_tells_how_the_method_is_doing(mode: str) -> None:
    progress = Quiet()
    late = {"anneal_until": 1} if mode == "reward" else {}
    trained(Ours, progress, mode=mode, **late, **EVERYTHING)
    for point in progress.curve:
        assert point.diagnostics.keys() >= DIAGNOSTICS
        assert 0 < point.diagnostics["mean_weight"] < 1
        assert point.diagnostics["added_gradient"] > 0


def test_the_loss_s_deviations_are_measured_at_what_the_policy_means_to_do() -> None:
    settings = {"mode": "loss", **EVERYTHING}
    hooks, rollout = shown(**settings)
    by_hand = ByHand(hooks, rollout, settings)
    found = []
    for t, n in by_hand.usable():
        predicted = by_hand.predicted(t, n, rollout.means[t, n])
        moved = by_hand.run(by_hand.f, predicted) - rollout.other_action[t + 1, n]
        change = predicted - by_hand.see(t + 1, n)
        found.append((np.abs(moved).mean(), np.abs(change).mean()))
    action, observation = np.mean(found, axis=0)
    assert hooks.diagnostics()["action_deviation"] == pytest.approx(action, rel=1e-4)
    assert hooks.diagnostics()["observation_deviation"] == pytest.approx(observation, rel=1e-4)


def test_h_is_left_alone_where_it_has_no_part() -> None:
    hooks, _ = shown(mode="reward", eta=0.0)
    assert "transition_r2" not in hooks.diagnostics()
    assert "observation_deviation" not in hooks.diagnostics()


@pytest.mark.parametrize("mode", ["reward", "loss"])
def test_nothing_enters_before_a_frozen_f_has_seen_enough(mode: str) -> None:
    """And from then on it is the same F, while H goes on learning."""
    hooks = hooks_of(
        mode=mode, surrogate="frozen", surrogate_steps=ROWS + 1, weight=1.0, **EVERYTHING
    )
    entered, of_f, of_h = [], [], []
    for seed in range(5):
        rollout = made_up_rollout(np.random.default_rng(seed))
        hooks.on_rollout(rollout, 0.0)
        loss = hooks.extra_loss(torch.arange(ROWS), torch.zeros(ROWS, 2))
        entered.append(loss is not None or rollout.bonus is not None)
        state = hooks.state()
        of_f.append(state.get("ours.surrogate")["flat"].copy())
        of_h.append(state.get("ours.transition")["flat"].copy())
    assert entered == [False, True, True, True, True]
    same_f = [np.array_equal(a, b) for a, b in itertools.pairwise(of_f)]
    assert same_f == [False, True, True, True]
    assert not any(np.array_equal(a, b) for a, b in itertools.pairwise(of_h))


@pytest.mark.parametrize("preset", ["paper", "released"])
def test_a_training_that_ends_before_f_is_frozen_is_the_baseline(preset: str) -> None:
    ours = trained(Ours, preset=preset, surrogate_steps=BUDGET + 1)
    assert_same_policy(plain("published"), ours)


def test_an_online_f_goes_on_learning() -> None:
    hooks = hooks_of(surrogate="online")
    states = []
    for seed in range(3):
        hooks.on_rollout(made_up_rollout(np.random.default_rng(seed)), 0.0)
        states.append(hooks.state().get("ours.surrogate")["flat"].copy())
    assert not any(np.array_equal(a, b) for a, b in itertools.pairwise(states))


@pytest.mark.parametrize("eps", ["eps_a", "eps_s"])
def test_each_dead_zone_is_of_its_own_model(eps: str) -> None:
    """One wider than every error leaves its model as it was made, and the other learns."""
    part = {"eps_a": "ours.surrogate", "eps_s": "ours.transition"}
    made = hooks_of(mode="loss", **EVERYTHING).state()
    hooks, _ = shown(mode="loss", **EVERYTHING, **{eps: 1e3})
    for name, of in part.items():
        same = np.array_equal(made.get(of)["flat"], hooks.state().get(of)["flat"])
        assert same == (name == eps)


@pytest.mark.parametrize("standardise", [True, False])
def test_white_box_f_is_the_victim_itself(standardise: bool) -> None:
    hooks = hooks_of(white_box=True, access="white-box", standardise=standardise)
    rollout = made_up_rollout(np.random.default_rng(0))
    hooks.on_rollout(rollout, 0.0)
    assert isinstance(hooks.surrogate, TrueVictim)
    obs = rollout.other_obs.reshape(ROWS, 13)
    wanted = scribble(PONG, "right").mean(obs).clip(-1, 1)
    found = hooks.surrogate(torch.from_numpy(hooks.view.of(obs))).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert (np.abs(wanted) == 1).any()


def test_white_box_f_explains_a_deterministic_victim() -> None:
    """In real matches, from the first rollout on; the black box has to learn it."""
    white, black = Quiet(), Quiet()
    trained(Ours, white, white_box=True, access="white-box")
    trained(Ours, black)
    assert all(p.diagnostics["surrogate_r2"] > 0.99 for p in white.curve)
    assert black.curve[0].diagnostics["surrogate_r2"] < 0.5


def test_the_track_follows_the_access() -> None:
    for access in ("black-box", "white-box"):
        assert Ours(Ours.configure(PONG, {"access": access})).track == access
    assert Ours.track == "black-box"


def test_white_box_is_refused_in_an_arena_that_is_not() -> None:
    with pytest.raises(Misuse, match="only shown in the white-box track"):
        hooks_of(access="white-box")


def test_white_box_is_refused_against_a_memory_or_a_script() -> None:
    card = PolicyCard(
        name="recurrent", kind="lstm", game="pong-v1", seat="right", obs_dim=13, act_dim=2,
        hidden=(4, 3), origin="test",
    )  # fmt: skip
    shapes = expected_shapes(card).items()
    recurrent = LSTMPolicy(card, {k: np.zeros(shape, np.float32) for k, shape in shapes})
    attack = Ours(Ours.configure(PONG, {"access": "white-box"}))
    for victim, named in (
        (recurrent, "'recurrent' is of kind 'lstm'"),
        (RandomPolicy(2, 1), "random"),
    ):
        arena = pong_arena(white_box=True, victim=victim)
        with pytest.raises(Misuse, match=f"feed-forward victim, .*{named}"):
            attack.hooks(arena, np.random.default_rng(0))


def test_a_black_box_run_does_not_look_even_where_it_could(monkeypatch: Any) -> None:
    def refuse(self: Arena) -> None:
        raise AssertionError("looked")

    monkeypatch.setattr(Arena, "revealed", refuse)
    hooks_of(white_box=True)


@pytest.mark.parametrize("columns", ["card", "tail"])
def test_weights_are_made_with_those_columns(columns: str) -> None:
    settings = {"mode": "loss", "saliency": "gradient", "saliency_columns": columns}
    hooks, rollout = shown(**settings)
    by_hand = ByHand(hooks, rollout, settings)
    every = itertools.product(range(STEPS), range(MATCHES))
    wanted = torch.tensor([by_hand.weight(t, n) for t, n in every])
    assert isinstance(hooks, AsLoss)
    assert hooks._watched is not None
    found = hooks._watched.weights
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert hooks.diagnostics()["mean_weight"] == pytest.approx(float(wanted.mean()), rel=1e-4)
