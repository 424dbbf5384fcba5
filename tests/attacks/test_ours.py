"""'Ours': equal to the baseline at weight 0, and each part as its equation says."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from attacks.baseline import Baseline
from attacks.ours import AsLoss, AsReward, Deviations, Ours
from attacks.ours_config import PPO_OF
from attacks.pretrained import Pretrained
from attacks.shaping import standardised
from attacks.victim_model import Imitation, TrueVictim
from benchmark.arena.arena import Arena
from benchmark.errors import Misuse
from benchmark.learning.progress import Quiet
from benchmark.learning.rollout import Rollout
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

ROWS = STEPS * MATCHES
EVERYTHING = {"eta": 1.0, "saliency": "gradient"}
"""Over the tuned preset, which leaves both out."""
DIAGNOSTICS = {
    "surrogate_r2", "transition_r2", "action_deviation", "observation_deviation",
    "added_gradient", "mean_weight",
}  # fmt: skip


@functools.cache
def plain(preset: str = "tuned") -> MLPPolicy:
    """The baseline, trained once."""
    return trained(Baseline, preset=preset)


def hooks_of(*, white_box: bool = False, **settings: Any) -> Deviations:
    """The method's hooks for Pong, models untrained."""
    arena, config = pong_arena(white_box=white_box), Ours.configure(PONG, settings)
    made = Ours(config).hooks(arena, np.random.default_rng(0))
    assert isinstance(made, Deviations)
    return made


def shown(**settings: Any) -> tuple[Deviations, Rollout]:
    """Hooks after one rollout at the start of a training, and the rollout as it was."""
    hooks = hooks_of(**settings)
    hooks.on_rollout(made_up_rollout(np.random.default_rng(0)), 0.0)
    return hooks, made_up_rollout(np.random.default_rng(0))


# --- equal to the baseline at weight 0 -----------------------------------------------------

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


# --- equation 9's tail ---------------------------------------------------------------------

NORM_OF: dict[str, Callable[[list[float]], float]] = {
    "l1": lambda x: sum(map(abs, x)) / len(x),
    "l2": lambda x: math.sqrt(sum(v * v for v in x)),
    "linf": lambda x: max(map(abs, x)),
}


class ByHand:
    """Equation 9's tail for one step at a time, from a rollout and the two networks alone."""

    def __init__(self, hooks: Deviations, rollout: Rollout, settings: dict[str, Any]):
        self.config = Ours.configure(PONG, settings)
        assert isinstance(hooks.surrogate, (Imitation, Pretrained))
        self.f, self.h = hooks.surrogate.model.network, hooks.transition.model.network
        self.rollout = rollout
        rows = rollout.other_obs.reshape(ROWS, 13).astype(np.float64)
        self.mean, self.std = rows.mean(axis=0), np.sqrt(rows.var(axis=0) + 1e-8)
        changes = [self.see(t + 1, n) - self.see(t, n) for t, n in self.usable()]
        self.spread = np.sqrt(np.var(changes, axis=0) + 1e-8)

    def see(self, t: int, n: int) -> np.ndarray:
        """The victim's view after t steps of match n, zeros after the last."""
        if t == STEPS:
            return np.zeros(13)
        obs = self.rollout.other_obs[t, n]
        return (obs - self.mean) / self.std if self.config.standardise else obs

    def usable(self) -> list[tuple[int, int]]:
        """The steps whose next view is of the same match, or all of them."""
        every = itertools.product(range(STEPS), range(MATCHES))
        if not self.config.mask_ends:
            return list(every)
        return [(t, n) for t, n in every if t < STEPS - 1 and not self.rollout.ends[t, n]]

    def predicted(self, t: int, n: int, mu: np.ndarray) -> np.ndarray:
        """H's next view."""
        config, s, a_v = self.config, self.see(t, n), self.rollout.other_action[t, n]
        mu = mu.clip(-1, 1)
        if config.transition_inputs == "released":
            x = np.concatenate([self.rollout.obs[t, n], mu])
        else:
            x = np.concatenate([s, mu, a_v])
        made = self.run(self.h, x)
        if config.transition_output == "tanh":
            made = np.tanh(made)
        own = slice(0, 4) if config.transition_columns == "own" else slice(0, 13)
        if config.transition_output == "change":
            made = s[own] + made * self.spread[own]
        following = self.see(t + 1, n).copy()
        following[own] = made
        return following

    def weight(self, t: int, n: int) -> float:
        """w_t of the gradient's saliency."""
        if self.config.saliency == "none":
            return 1.0
        s = torch.from_numpy(self.see(t, n)).float().requires_grad_(True)
        (g,) = torch.autograd.grad(self.f(s[None]).sum(), s)
        s = s.detach()
        g = g.abs() / g.abs().max()
        start, stop = (9, 13) if self.config.saliency_columns == "tail" else (4, 8)
        kept = [float(g[k] * s[k]) if start <= k < stop else 0.0 for k in range(13)]
        moved = self.run(self.f, np.array(kept)) - self.run(self.f, self.see(t, n))
        return 1.0 / (1.0 + max(abs(float(x)) for x in moved))

    def gain(self, t: int, n: int, mu: np.ndarray) -> float:
        """w |F(o') - a_v(t+1)| - eta |o' - o_v(t+1)|."""
        norm, predicted = NORM_OF[self.config.norm], self.predicted(t, n, mu)
        after = self.rollout.other_action[t + 1, n] if t < STEPS - 1 else np.zeros(2)
        action = norm((self.run(self.f, predicted) - after).tolist())
        observation = norm((predicted - self.see(t + 1, n)).tolist())
        weighed = self.config.action_weight * self.weight(t, n) * action
        return weighed - self.config.eta * observation

    @staticmethod
    def run(network: Any, x: np.ndarray) -> np.ndarray:
        """A network on one row."""
        with torch.no_grad():
            return network(torch.from_numpy(x).float()[None])[0].double().numpy()


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


# --- the same as a reward ------------------------------------------------------------------


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


# --- diagnostics ---------------------------------------------------------------------------


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


# --- F: frozen, and in the white-box track -------------------------------------------------


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
