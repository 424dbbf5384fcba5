"""What the shaped attacks share: a signal standardised, weighed, annealed, paid and measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from attacks.baseline import Baseline
from attacks.dense import Dense
from attacks.ours import Ours
from attacks.shaping import (
    REWARD_CLIP,
    ShapedConfig,
    Shaping,
    changes,
    rises,
    shaped_defaults,
    standardised,
)
from attacks.unfamiliar import Unfamiliar
from benchmark import registry
from benchmark.errors import Misuse
from benchmark.games.mujoco_games import MUJOCO_GAMES
from benchmark.learning.loss import PPOConfig
from benchmark.learning.normalise import RewardScale
from benchmark.learning.ppo import PPO, Hooks
from benchmark.learning.progress import Quiet
from benchmark.learning.rollout import Rollout
from tests.attacks.conftest import (
    BUDGET,
    MATCHES,
    PONG,
    STEPS,
    made_up_rollout,
    pong_arena,
    toy_config,
    trained,
)

SIGNALS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 8), st.integers(1, 5)),
    elements=st.floats(-50, 50, width=16),
)


class Given(Shaping):
    """Has the signal that it was given."""

    def __init__(self, config: ShapedConfig, signal: np.ndarray | None):
        super().__init__(config)
        self.given = signal

    def signal(self, rollout: Rollout, progress: float) -> np.ndarray | None:
        self._facts["asked_at"] = progress
        return self.given


def shaped(signal: np.ndarray | None, **settings: Any) -> Given:
    """Hooks with this signal and these settings."""
    return Given(toy_config(Unfamiliar, **{"weight": 1.0, "anneal_until": 0.6, **settings}), signal)


def ramp() -> np.ndarray:
    """A signal (STEPS, MATCHES) with one step far better than all others."""
    signal = np.arange(STEPS * MATCHES, dtype=np.float32).reshape(STEPS, MATCHES)
    signal[3, 2] = 400.0
    return signal


def paid(progress: float, **settings: Any) -> np.ndarray:
    """What `ramp` is paid on top of a rollout's rewards."""
    rollout = made_up_rollout(np.random.default_rng(0))
    shaped(ramp(), **settings).on_rollout(rollout, progress)
    assert rollout.bonus is not None
    return rollout.bonus


# --- the signal ----------------------------------------------------------------------------


def test_standardising_is_by_the_whole_rollout_and_clipped() -> None:
    """Against the formula number by number; the outlier alone is cut."""
    signal = ramp()
    numbers = signal.astype(np.float64).reshape(-1).tolist()
    mean = sum(numbers) / len(numbers)
    std = (sum((x - mean) ** 2 for x in numbers) / len(numbers)) ** 0.5
    wanted = [min(3.0, max(-3.0, (x - mean) / std)) for x in numbers]
    z = standardised(signal)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z.reshape(-1), wanted, rtol=1e-5, atol=1e-6)
    assert (z == REWARD_CLIP).sum() == 1


@settings(max_examples=40)
@given(SIGNALS)
def test_a_standardised_signal_is_finite_and_within_its_clip(signal: np.ndarray) -> None:
    z = standardised(signal)
    assert z.shape == signal.shape
    assert np.isfinite(z).all()
    assert np.abs(z).max() <= REWARD_CLIP


@settings(max_examples=40)
@given(SIGNALS, st.floats(0.25, 64, width=16), st.floats(-50, 50, width=16))
def test_the_scale_of_a_signal_says_nothing(signal: np.ndarray, scale: float, at: float) -> None:
    assume(signal.std() > 0.1)
    moved = signal * np.float32(scale) + np.float32(at)
    np.testing.assert_allclose(standardised(moved), standardised(signal), atol=5e-3)


@settings(max_examples=40)
@given(SIGNALS)
def test_the_better_step_is_never_paid_less(signal: np.ndarray) -> None:
    order = np.argsort(signal, axis=None)
    assert (np.diff(standardised(signal).reshape(-1)[order]) >= 0).all()


def test_a_signal_that_tells_nothing_apart_pays_nothing() -> None:
    assert not standardised(np.full((STEPS, MATCHES), 7.0, dtype=np.float32)).any()


# --- weight and anneal ---------------------------------------------------------------------


@pytest.mark.parametrize("progress", [0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 1.0])
@pytest.mark.parametrize("until", [0.5, 0.6, 1.0])
def test_the_pay_falls_linearly_to_nothing(progress: float, until: float) -> None:
    left = (until - progress) / until if progress < until else 0.0
    wanted = 0.5 * left * standardised(ramp())
    np.testing.assert_allclose(
        paid(progress, weight=0.5, anneal_until=until), wanted, rtol=1e-5, atol=1e-7
    )


def test_the_pay_is_linear_in_the_weight() -> None:
    np.testing.assert_allclose(paid(0.2, weight=0.75), 3 * paid(0.2, weight=0.25), rtol=1e-5)
    assert not paid(0.2, weight=0).any()


@pytest.mark.parametrize(
    ("field", "value"),
    [("anneal_until", 0), ("anneal_until", -0.1), ("anneal_until", 1.1), ("weight", -0.1)],
)
def test_values_out_of_bounds_are_refused(field: str, value: float) -> None:
    with pytest.raises(Misuse, match=f"setting '{field}'"):
        Dense.configure(PONG, {field: value})


def test_the_bounds_themselves_are_accepted() -> None:
    config = Dense.configure(PONG, {"anneal_until": 1, "weight": 0})
    assert isinstance(config, ShapedConfig)
    assert (config.anneal_until, config.weight) == (1.0, 0.0)


def test_defaults_follow_the_length_of_a_match() -> None:
    assert shaped_defaults(PONG) == {"weight": 0.001, "anneal_until": 0.6}
    for name in MUJOCO_GAMES:
        card = registry.game(name).describe()
        assert shaped_defaults(card) == {"weight": 0.01, "anneal_until": 0.6}


# --- paid as it changes --------------------------------------------------------------------


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.5, 0.995, 1.0]))
def test_changes_pay_a_match_what_it_began_with_however_it_goes(seed: int, gamma: float) -> None:
    """Discounted and summed over a match: -phi_0, so that no way of playing it is worth more."""
    rng = np.random.default_rng(seed)
    phi = rng.normal(size=(12, 3)).astype(np.float32)
    ends = rng.random((12, 3)) < 0.3
    paid = changes(phi, ends, gamma)
    for match in range(3):
        begin = 0
        for end in np.flatnonzero(ends[:, match]):
            steps = paid[begin : end + 1, match].astype(np.float64)
            total = (steps * gamma ** np.arange(len(steps))).sum()
            assert total == pytest.approx(-float(phi[begin, match]), abs=1e-5)
            begin = end + 1


def test_what_follows_a_rollout_counts_as_no_change() -> None:
    """Its last step pays nothing, but where a match ended with it."""
    phi, ends = np.ones((3, 2), dtype=np.float32), np.zeros((3, 2), dtype=bool)
    ends[2, 1] = True
    np.testing.assert_allclose(changes(phi, ends, 0.9), [[-0.1, -0.1], [-0.1, -0.1], [0, -1]], 1e-6)


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_rises_pay_a_match_from_its_first_step_up_to_its_highest(seed: int) -> None:
    """In all, whenever it comes; a fall takes nothing back."""
    rng = np.random.default_rng(seed)
    phi = rng.normal(size=(12, 3)).astype(np.float32)
    ends = rng.random((12, 3)) < 0.3
    ends[-1] = True
    paid = rises(phi, ends)
    assert paid.min() >= 0
    for match in range(3):
        begin = 0
        for end in np.flatnonzero(ends[:, match]):
            part = slice(begin, end + 1)
            gained = phi[part, match].max() - phi[begin, match]
            assert paid[part, match].sum() == pytest.approx(gained, abs=1e-5)
            assert paid[end, match] == 0
            begin = end + 1


def test_a_rise_is_paid_to_the_step_that_leads_to_it() -> None:
    phi = np.array([[0], [2], [1], [5], [9], [9.5]], dtype=np.float32)
    ends = np.array([[0], [0], [0], [1], [0], [0]], dtype=bool)
    assert rises(phi, ends)[:, 0].tolist() == [2, 0, 3, 0, 0.5, 0]


def test_a_configuration_of_before_is_the_one_of_today() -> None:
    """How a signal is paid came later than many records: their own way is left unsaid."""
    assert "paid" not in Unfamiliar.configure(PONG, {}).model_dump(mode="json")
    assert Unfamiliar.configure(PONG, {"paid": "rise"}).model_dump(mode="json")["paid"] == "rise"


@pytest.mark.parametrize("how", ["change", "rise"])
def test_what_a_step_did_itself_is_not_paid_as_it_goes_on(how: str) -> None:
    """The game's reward for an action, or a deviation due to one: its change would be punished."""
    with pytest.raises(Misuse, match="no setting 'paid'"):
        Dense.configure(PONG, {"paid": how})
    with pytest.raises(Misuse, match=f"paid={how} needs eta=0"):
        Ours.configure(PONG, {"paid": how, "eta": 1.0})
    assert Ours.configure(PONG, {"paid": how})


@pytest.mark.parametrize("how", ["change", "rise"])
def test_a_signal_is_paid_as_it_goes_on_where_that_is_asked_for(how: str) -> None:
    """Of the signal as it would be paid itself, with its weight and its anneal."""
    rollout = made_up_rollout(np.random.default_rng(0))
    hooks = shaped(ramp(), weight=0.5, paid=how, gamma=0.9)
    hooks.on_rollout(rollout, 0.2)
    level = paid(0.2, weight=0.5)
    wanted = {"change": changes(level, rollout.ends, 0.9), "rise": rises(level, rollout.ends)}
    np.testing.assert_array_equal(rollout.bonus, wanted[how])
    assert np.abs(wanted[how] - level).max() > 0.1


# --- paying --------------------------------------------------------------------------------


def test_pay_accumulates_beside_the_rewards() -> None:
    rollout, rng = made_up_rollout(np.random.default_rng(0)), np.random.default_rng(1)
    before = rollout.rewards.copy()
    first, second = (rng.normal(size=before.shape).astype(np.float32) for _ in range(2))
    assert rollout.bonus is None
    rollout.pay(first)
    np.testing.assert_array_equal(rollout.bonus, first)
    rollout.pay(second)
    np.testing.assert_array_equal(rollout.bonus, first + second)
    np.testing.assert_array_equal(rollout.rewards, before)


def test_paying_leaves_what_was_handed_over_as_it_was() -> None:
    """The bonus and the rewards of before are not written into."""
    rollout = made_up_rollout(np.random.default_rng(0))
    rewards, first = rollout.rewards, np.ones_like(rollout.rewards)
    kept = rewards.copy()
    rollout.pay(first)
    rollout.pay(first)
    np.testing.assert_array_equal(rewards, kept)
    assert (first == 1).all()


def test_a_method_that_cannot_say_pays_nothing() -> None:
    rollout = made_up_rollout(np.random.default_rng(0))
    before = rollout.rewards.copy()
    shaped(None).on_rollout(rollout, 0.0)
    assert rollout.bonus is None
    np.testing.assert_array_equal(rollout.rewards, before)


def test_diagnostics_are_of_the_last_rollout_alone() -> None:
    hooks = shaped(ramp())
    hooks.on_rollout(made_up_rollout(np.random.default_rng(0)), 0.25)
    hooks._facts["stale"] = 1.0
    hooks.on_rollout(made_up_rollout(np.random.default_rng(0)), 0.5)
    shown = hooks.diagnostics()
    assert shown == {"asked_at": 0.5}
    shown["mine"] = 1.0
    assert hooks.diagnostics() == {"asked_at": 0.5}


# --- the added gradient --------------------------------------------------------------------


def curve(kind: Any, **settings: Any) -> list[dict[str, float]]:
    """The diagnostics of a toy training, update by update."""
    progress = Quiet()
    trained(kind, progress, **settings)
    return [point.diagnostics for point in progress.curve]


def test_the_baseline_adds_no_gradient() -> None:
    assert all("added_gradient" not in facts for facts in curve(Baseline))


BY_REWARD = (Dense, {})
BY_LOSS = (Ours, {"mode": "loss", "eta": 1.0})
both = pytest.mark.parametrize(("kind", "settings"), [BY_REWARD, BY_LOSS], ids=["reward", "loss"])


@both
def test_weight_zero_adds_a_gradient_of_zero(kind: Any, settings: dict[str, Any]) -> None:
    assert [facts["added_gradient"] for facts in curve(kind, weight=0, **settings)] == [0.0] * 4


@both
def test_the_added_gradient_grows_with_the_weight(kind: Any, settings: dict[str, Any]) -> None:
    """Exactly so on the first rollout, which the weight has not yet changed."""
    once, thrice = (curve(kind, weight=w, **settings)[0]["added_gradient"] for w in (0.05, 0.15))
    assert once > 0
    assert thrice == pytest.approx(3 * once, rel=1e-2)


def advantages_of(rewards: np.ndarray, rollout: Rollout, config: PPOConfig) -> np.ndarray:
    """Generalised advantages as the sum that defines them: (T, N) float64."""
    steps, matches = rewards.shape
    values = np.concatenate([rollout.values, rollout.last_value[None]]).astype(np.float64)
    out = np.zeros((steps, matches))
    for n in range(matches):
        for t in range(steps):
            factor = 1.0
            for k in range(t, steps):
                ended = bool(rollout.ends[k, n])
                following = 0.0 if ended else config.gamma * values[k + 1, n]
                out[t, n] += factor * (rewards[k, n] + following - values[k, n])
                factor *= config.gamma * config.gae_lambda
                if ended:
                    break
    return out


def ratio_by_hand(learner: PPO, rollout: Rollout, plain: np.ndarray, spread: float) -> float:
    """|gradient that the bonus adds| / |gradient without it|, of the loss that PPO descends.

    PPO centres advantages and divides them by one deviation: the mean of a bonus adds nothing,
    and the deviation cancels.
    """
    config = learner.config
    assert rollout.bonus is not None
    own = advantages_of(plain, rollout, config).reshape(-1)
    both = plain + rollout.bonus / spread
    added = advantages_of(both, rollout, config).reshape(-1) - own
    rows = np.arange(0, rollout.steps, -(-rollout.steps // config.minibatch))
    pool = rows if config.advantage_norm == "minibatch" else slice(None)

    def norm(advantages: np.ndarray) -> float:
        obs = torch.from_numpy(rollout.obs.reshape(rollout.steps, -1)[rows])
        actions = torch.from_numpy(rollout.actions.reshape(rollout.steps, -1)[rows])
        weights = torch.from_numpy((advantages - advantages[pool].mean())[rows].astype(np.float32))
        played = torch.distributions.Normal(
            learner.network.pi(obs), learner.network.log_std.detach().exp()
        )
        loss = -(played.log_prob(actions).sum(1) * weights).mean()
        parts = torch.autograd.grad(loss, list(learner.network.pi.parameters()))
        return float(torch.cat([part.reshape(-1) for part in parts]).norm())

    return norm(added) / norm(own)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("norm", ["minibatch", "rollout"])
def test_the_added_gradient_of_a_reward_is_as_defined(norm: str, scaled: bool) -> None:
    """On a second rollout, of a policy that has moved, against loops and torch's Normal."""
    config = toy_config(Dense, weight=0.05, advantage_norm=norm, scale_reward=scaled)
    arena = pong_arena(config.matches)
    hooks = Dense(config).hooks(arena, np.random.default_rng(0))
    learner = PPO(arena, config, np.random.default_rng(1), hooks=hooks)
    learner.enter(arena)
    learner.improve(BUDGET)
    rollout = learner._collector.collect()
    hooks.on_rollout(rollout, 0.25)
    before = {name: weight.clone() for name, weight in learner.network.state_dict().items()}
    reported = learner.update(rollout, remaining=0.75)["added_gradient"]
    learner.network.load_state_dict(before)
    spread = learner._reward_scale.spread if scaled else 1.0
    plain = np.clip(rollout.rewards / spread, -10, 10) if scaled else rollout.rewards
    assert reported == pytest.approx(ratio_by_hand(learner, rollout, plain, spread), rel=1e-2)


def test_the_added_gradient_of_a_loss_is_as_defined() -> None:
    """A loss of known gradient: c times the sum of mean actions, over PPO's own."""

    class Push(Hooks):
        def extra_loss(self, rows: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
            return 0.3 * mean.sum() / len(rows)

    config = toy_config(Baseline)
    arena = pong_arena(config.matches)
    learner = PPO(arena, config, np.random.default_rng(1), hooks=Push())
    learner.enter(arena)
    rollout = learner._collector.collect()
    before = {name: weight.clone() for name, weight in learner.network.state_dict().items()}
    reported = learner.update(rollout, remaining=1.0)["added_gradient"]
    learner.network.load_state_dict(before)
    rows = np.arange(0, rollout.steps, rollout.steps // config.minibatch)
    obs = torch.from_numpy(rollout.obs.reshape(rollout.steps, -1)[rows])
    actions = torch.from_numpy(rollout.actions.reshape(rollout.steps, -1)[rows])
    advantages = advantages_of(rollout.rewards, rollout, config).reshape(-1)[rows]
    z = torch.from_numpy((advantages - advantages.mean()) / advantages.std(ddof=1)).float()
    mean = learner.network.pi(obs)
    played = torch.distributions.Normal(mean, learner.network.log_std.detach().exp())
    weights = list(learner.network.pi.parameters())

    def norm(loss: torch.Tensor) -> float:
        parts = torch.autograd.grad(loss, weights, retain_graph=True)
        return float(torch.cat([part.reshape(-1) for part in parts]).norm())

    own = norm(-(played.log_prob(actions).sum(1) * z).mean())
    assert reported == pytest.approx(norm(0.3 * mean.sum(1).mean()) / own, rel=1e-3)


def test_a_bonus_does_not_move_the_scale_of_an_outcome() -> None:
    """Shaped or not, the same matches are learned from at the same scale, then and later."""
    scales = []
    for bonus in (0.0, 5.0):
        config = toy_config(Baseline, scale_reward=True)
        learner = PPO(pong_arena(config.matches), config, np.random.default_rng(1))
        rollout = made_up_rollout(np.random.default_rng(0))
        learner._reward_scale = RewardScale(rollout.rewards.shape[1], config.gamma)
        if bonus:
            rollout.pay(np.full_like(rollout.rewards, bonus))
        learned = learner._rewards(rollout)
        scales.append((learner._reward_scale.spread, learned))
    (plain_spread, plain), (spread, paid_for) = scales
    assert spread == plain_spread
    np.testing.assert_allclose(paid_for - plain, 5.0 / spread, rtol=1e-4)
